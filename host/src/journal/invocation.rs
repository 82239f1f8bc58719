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
        fn no_id_is_given_twice(names in proptest::collection::vec(prop_oneof!["a", "a_2", "a_3", "b"], 0..40)) {
            let mut ids = Invocations::default();
            let mut seen = std::collections::HashSet::new();
            for name in names {
                prop_assert!(seen.insert(ids.next(&name, None).unwrap()));
            }
        }
    }
}
