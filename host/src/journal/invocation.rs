//! Invocation IDs: `name`, `name_2`, `name_3` … in call order, or the author's own.

use std::collections::HashMap;

/// Hands out the invocation IDs of one run of one flow body.
#[derive(Debug, Default)]
pub struct Invocations {
    taken: HashMap<String, u32>,
}

impl Invocations {
    /// The invocation ID of the next call of `name`.
    ///
    /// # Errors
    /// The sentence to show when the author's own ID cannot be used, or was used before.
    pub fn next(&mut self, name: &str, own: Option<&str>) -> Result<String, String> {
        if let Some(own) = own {
            if own.trim().is_empty() || own.len() > 200 || own.chars().any(char::is_control) {
                return Err("an invocation ID must have 1 to 200 bytes and no control characters".into());
            }
            if self.taken.contains_key(own) {
                return Err(format!("invocation ID `{own}` is used twice in this execution"));
            }
            self.taken.insert(own.to_owned(), 1);
            return Ok(own.to_owned());
        }
        loop {
            let count = self.taken.entry(name.to_owned()).and_modify(|count| *count += 1).or_insert(1);
            if *count == 1 {
                return Ok(name.to_owned());
            }
            // An author's own ID, or a checkpoint that is really called `name_2`, may have taken the number.
            let numbered = format!("{name}_{count}");
            if !self.taken.contains_key(&numbered) {
                self.taken.insert(numbered.clone(), 1);
                return Ok(numbered);
            }
        }
    }
}

impl Invocations {
    /// Takes `expected`, if that is plainly the invocation ID of the next call of `name`. Otherwise nothing has changed, and
    /// [`Invocations::next`] knows.
    pub fn take(&mut self, name: &str, own: Option<&str>, expected: &str) -> bool {
        if own.is_some() || self.taken.contains_key(expected) {
            return false;
        }
        match self.taken.get_mut(name) {
            None if expected == name => {}
            None => return false,
            Some(count) => {
                let number = expected.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
                if !number.is_some_and(|number| is_number(number, *count + 1)) {
                    return false;
                }
                *count += 1;
            }
        }
        self.taken.insert(expected.to_owned(), 1);
        true
    }
}

/// Whether `text` is how `number` is written.
fn is_number(text: &str, number: u32) -> bool {
    !text.starts_with(['0', '+']) && text.parse() == Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn c10_repeated_names_are_numbered() {
        let mut ids = Invocations::default();
        let got: Vec<_> = (0..3).map(|_| ids.next("draft", None).unwrap()).collect();
        assert_eq!(got, ["draft", "draft_2", "draft_3"]);
        assert_eq!(ids.next("draft", Some("mine")).unwrap(), "mine");
        for refused in ["mine", "", " ", "a\nb"] {
            assert!(ids.next("other", Some(refused)).is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_would_be_given(
            calls in proptest::collection::vec((prop_oneof!["a", "a_2", "a_3", "b", "a_2_2"], any::<bool>(), any::<bool>()), 0..40),
        ) {
            let (mut given, mut taken) = (Invocations::default(), Invocations::default());
            for (name, own, wrong) in calls {
                let own = own.then_some(name.as_str());
                let next = given.next(&name, own);
                if wrong {
                    prop_assert!(!taken.take(&name, own, "a_02"));
                }
                // Where it is not taken, nothing has changed.
                if !next.as_ref().is_ok_and(|next| taken.take(&name, own, next)) {
                    prop_assert_eq!(taken.next(&name, own), next);
                }
            }
        }

        #[test]
        fn no_id_is_given_twice(names in proptest::collection::vec(prop_oneof!["a", "a_2", "a_3", "b"], 0..40)) {
            let mut ids = Invocations::default();
            let mut seen = std::collections::HashSet::new();
            for name in names {
                prop_assert!(seen.insert(ids.next(&name, None).unwrap()));
            }
        }
    }
}
