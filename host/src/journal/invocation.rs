//! Invocation IDs: `name`, `name_2`, `name_3` … in call order, or the author's own.

use std::collections::{HashMap, HashSet};

/// Hands out the invocation IDs of one run of one flow body.
///
/// A flow may make a hundred thousand calls of one name, so their IDs are not kept: all numbers of a name up to its count are taken.
#[derive(Debug, Default)]
pub struct Invocations {
    /// The number of the last call of each name that had no ID of its author's.
    counts: HashMap<String, u32>,
    /// IDs of the author's.
    own: HashSet<String>,
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
            if self.is_taken(own) {
                return Err(format!("invocation ID `{own}` is used twice in this execution"));
            }
            self.own.insert(own.to_owned());
            return Ok(own.to_owned());
        }
        let taken = self.counts.get(name).copied().unwrap_or_else(|| u32::from(self.is_taken(name)));
        let mut count = taken.saturating_add(1);
        let mut id = if count == 1 { name.to_owned() } else { numbered(name, count) };
        // An author's own ID, or a checkpoint that is really called `name_2`, may have taken the number.
        while count > 1 && self.is_taken_by_another(&id) {
            count = count.saturating_add(1);
            id = numbered(name, count);
        }
        match self.counts.get_mut(name) {
            Some(last) => *last = count,
            None => drop(self.counts.insert(name.to_owned(), count)),
        }
        Ok(id)
    }

    /// Takes `expected`, if that is plainly the invocation ID of the next call of `name`. Otherwise nothing has changed, and
    /// [`Invocations::next`] knows.
    pub fn take(&mut self, name: &str, own: Option<&str>, expected: &str) -> bool {
        if own.is_some() || self.is_taken_by_another(expected) {
            return false;
        }
        let Some(count) = self.counts.get_mut(name) else {
            let is_first = expected == name && !self.is_taken(name);
            if is_first {
                self.counts.insert(name.to_owned(), 1);
            }
            return is_first;
        };
        let number = expected.strip_prefix(name).and_then(|rest| rest.strip_prefix('_')).and_then(number_of);
        let is_next = number.is_some() && number == count.checked_add(1);
        if is_next {
            *count += 1;
        }
        is_next
    }

    fn is_taken(&self, id: &str) -> bool {
        let is_of = |(name, number): (&str, &str)| {
            number_of(number).is_some_and(|number| number > 1 && self.counts.get(name).is_some_and(|count| number <= *count))
        };
        self.is_taken_by_another(id) || id.rsplit_once('_').is_some_and(is_of)
    }

    /// Whether it is taken, if not as a number of the name in it.
    fn is_taken_by_another(&self, id: &str) -> bool {
        self.own.contains(id) || self.counts.contains_key(id)
    }
}

fn numbered(name: &str, number: u32) -> String {
    format!("{name}_{number}")
}

/// The number that is written like this.
fn number_of(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| !text.starts_with(['0', '+']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is given where every ID that was is kept.
    #[derive(Default)]
    struct Kept(HashMap<String, u32>);

    impl Kept {
        fn next(&mut self, name: &str, own: Option<&str>) -> Option<String> {
            let id = match own {
                Some(own) if self.0.contains_key(own) => return None,
                Some(own) => own.to_owned(),
                None => loop {
                    let count = *self.0.entry(name.to_owned()).and_modify(|count| *count += 1).or_insert(1);
                    match count {
                        1 => return Some(name.to_owned()),
                        count if self.0.contains_key(&numbered(name, count)) => {}
                        count => break numbered(name, count),
                    }
                },
            };
            self.0.insert(id.clone(), 1);
            Some(id)
        }
    }

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
        /// Journals have these IDs in them: they stay what they were when all were kept.
        #[test]
        fn ids_are_given_as_if_all_were_kept(
            calls in proptest::collection::vec(("(a|b)(_0|_1|_2|_3|_03|_x|_){0,2}", any::<bool>()), 0..60),
        ) {
            let (mut ids, mut kept) = (Invocations::default(), Kept::default());
            for (name, own) in calls {
                let own = own.then_some(name.as_str());
                prop_assert_eq!(ids.next(&name, own).ok(), kept.next(&name, own));
            }
        }

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
