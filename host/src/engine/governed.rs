//! Whether what governed model calls is what the journal says (E15). The records of model calls stand beside the journal and outside of its hash
//! chain; in the chain, in the metadata of the entry that ends an attempt, stands the digest of what governed each call of it.

use std::collections::BTreeMap;

use kitaru_llm::gateway::policies_digest;
use serde_json::{Map, Value};

use super::EngineError;
use super::metadata::{DIGEST, MODEL_CALLS};
use crate::ids::ExecutionId;
use crate::journal::History;
use crate::store::{ModelCallRow, Store};

/// Durable calls whose records are read at a time: they are long.
const AT_A_TIME: usize = 64;

/// A model call: the durable call, the attempt, and its name.
type Which = (u32, u32, String);

/// The digests that a journal has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Governed(BTreeMap<Which, String>);

impl Governed {
    pub(super) fn of(history: &History) -> Self {
        let mut digests = BTreeMap::new();
        for (index, call) in (0_u32..).zip(history.calls()) {
            for attempt in &call.attempts {
                let of_attempt = attempt.metadata.as_deref().map(said).unwrap_or_default();
                digests.extend(of_attempt.into_iter().map(|(name, digest)| ((index, attempt.number, name), digest)));
            }
        }
        Self(digests)
    }

    /// The first model call whose record says otherwise, or is gone; for people.
    pub(super) async fn belied(mut self, store: &dyn Store, id: ExecutionId) -> Result<Option<String>, EngineError> {
        let mut calls: Vec<u32> = self.0.keys().map(|(call, ..)| *call).collect();
        calls.dedup();
        for some in calls.chunks(AT_A_TIME) {
            for row in store.model_calls_of(id, some).await? {
                self.agree(&row);
            }
        }
        Ok(self.0.into_keys().next().map(|(call, attempt, name)| {
            format!("the record of what governed the model call `{name}` (call {call}, attempt {attempt}) is not the one that the journal has the digest of")
        }))
    }

    /// Crosses off the call of a record that says what the journal says.
    fn agree(&mut self, row: &ModelCallRow) {
        let which = (row.call, row.attempt, row.name.clone());
        let recorded = || serde_json::from_str(&row.policies).ok().as_ref().and_then(policies_digest);
        if self.0.get(&which).is_some_and(|digest| recorded().as_ref() == Some(digest)) {
            self.0.remove(&which);
        }
    }
}

/// Model calls of an attempt by name, and the digest of what governed each. Older entries have none.
fn said(metadata: &str) -> Vec<(String, String)> {
    if !metadata.contains(DIGEST) {
        return Vec::new();
    }
    let parsed = serde_json::from_str::<Map<String, Value>>(metadata).unwrap_or_default();
    let calls = parsed.get(MODEL_CALLS).and_then(Value::as_object).into_iter().flatten();
    let digest = |entry: &Value| entry.get(DIGEST).and_then(Value::as_str).map(str::to_owned);
    calls.filter_map(|(name, entry)| Some((name.clone(), digest(entry)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_a_digest_say_nothing() {
        for none in [
            "",
            "{}",
            r#"{"llm_calls":{"a":{"cost_usd":1}}}"#,
            r#"{"policies_sha256":"x"}"#,
            r#"{"llm_calls":["policies_sha256"]}"#,
        ] {
            assert_eq!(said(none), [] as [(String, String); 0], "{none}");
        }
        let two = r#"{"llm_calls":{"a":{"policies_sha256":"x"},"b":{"policies_sha256":3},"c":{"policies_sha256":"y"}}}"#;
        assert_eq!(said(two), [("a".to_owned(), "x".to_owned()), ("c".to_owned(), "y".to_owned())]);
    }
}
