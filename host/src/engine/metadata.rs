//! Structured metadata: objects logged under one key merge, of anything else the latest value stands.

use serde_json::{Map, Value};

/// Under this key are model calls, by name.
pub(super) const MODEL_CALLS: &str = "llm_calls";
/// What an entry of a model call has: the digest of what governed it.
pub(super) const DIGEST: &str = "policies_sha256";

/// What a flow or a checkpoint call logged about itself, and what the host has to say of its model calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    values: Map<String, Value>,
    /// Laid over what was logged under the same keys: what the host says of a call is not the author's to change.
    of_host: Map<String, Value>,
    changed: bool,
}

impl Metadata {
    /// What the author logs. Only the host says what governed a model call: a digest of anybody else would be held against records that are not there.
    pub(super) fn record(&mut self, mut entries: Vec<(String, Value)>) {
        self.changed |= !entries.is_empty();
        for (_, calls) in entries.iter_mut().filter(|(key, _)| key == MODEL_CALLS) {
            for call in calls.as_object_mut().into_iter().flat_map(Map::values_mut) {
                let _ = call.as_object_mut().and_then(|call| call.shift_remove(DIGEST));
            }
        }
        merge(&mut self.values, entries);
    }

    /// What the host itself says.
    pub(super) fn record_of_host(&mut self, entries: Map<String, Value>) {
        self.changed |= !entries.is_empty();
        merge(&mut self.of_host, entries);
    }

    /// The same, if it changed since it was last taken.
    pub(super) fn take_changed(&mut self) -> Option<String> {
        if std::mem::take(&mut self.changed) { self.to_text() } else { None }
    }

    /// A JSON object as text; nothing if nothing was logged.
    pub(super) fn to_text(&self) -> Option<String> {
        if self.of_host.is_empty() {
            return if self.values.is_empty() { None } else { serde_json::to_string(&self.values).ok() };
        }
        let mut all = self.values.clone();
        merge(&mut all, self.of_host.clone());
        serde_json::to_string(&all).ok()
    }
}

fn merge(under: &mut Map<String, Value>, over: impl IntoIterator<Item = (String, Value)>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a3_a4_objects_merge_and_scalars_are_replaced() {
        let mut metadata = Metadata::default();
        assert_eq!(metadata.to_text(), None);
        metadata.record(vec![("cost".into(), json!({"usd": 0.001})), ("stage".into(), json!("draft"))]);
        metadata.record(vec![("cost".into(), json!({"tokens": 42})), ("stage".into(), json!("final"))]);
        assert_eq!(metadata.to_text().unwrap(), r#"{"cost":{"usd":0.001,"tokens":42},"stage":"final"}"#);
        metadata.record(vec![("cost".into(), json!(3))]);
        assert_eq!(metadata.values["cost"], json!(3));
    }

    #[test]
    fn what_the_host_says_stands_over_what_was_logged() {
        let of_host = |name: &str| Map::from_iter([("llm_calls".to_owned(), json!({ name: { "cost_usd": 1 } }))]);
        let mut metadata = Metadata::default();
        metadata.record_of_host(of_host("a"));
        metadata.record_of_host(of_host("b"));
        metadata
            .record(vec![("llm_calls".into(), json!({ "a": { "cost_usd": 0 }, "mine": 2 })), ("stage".into(), json!("draft"))]);
        let said: Value = serde_json::from_str(&metadata.take_changed().unwrap()).unwrap();
        let calls = json!({ "a": { "cost_usd": 1 }, "mine": 2, "b": { "cost_usd": 1 } });
        assert_eq!(said, json!({ "llm_calls": calls, "stage": "draft" }));
        metadata.record(vec![("llm_calls".into(), json!("none"))]);
        let said: Value = serde_json::from_str(&metadata.to_text().unwrap()).unwrap();
        assert_eq!(said["llm_calls"], json!({ "a": { "cost_usd": 1 }, "b": { "cost_usd": 1 } }));
    }

    #[test]
    fn e15_a_digest_of_what_governed_a_call_is_the_hosts_alone() {
        let said = |metadata: &Metadata| serde_json::from_str::<Value>(&metadata.to_text().unwrap()).unwrap();
        let mut metadata = Metadata::default();
        let logged = json!({ "mine": { "policies_sha256": "x", "note": { "policies_sha256": "y" } }, "a": { "policies_sha256": "x" }, "b": 1 });
        metadata.record(vec![("llm_calls".into(), logged), ("policies_sha256".into(), json!("x"))]);
        let calls = json!({ "mine": { "note": { "policies_sha256": "y" } }, "a": {}, "b": 1 });
        assert_eq!(said(&metadata), json!({ "llm_calls": calls, "policies_sha256": "x" }));
        metadata.record_of_host(Map::from_iter([("llm_calls".to_owned(), json!({ "a": { "policies_sha256": "host's" } }))]));
        metadata.record(vec![("llm_calls".into(), json!({ "a": { "policies_sha256": "x" } }))]);
        assert_eq!(said(&metadata)["llm_calls"]["a"], json!({ "policies_sha256": "host's" }));
    }
}
