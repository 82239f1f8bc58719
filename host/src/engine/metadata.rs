//! Structured metadata: objects logged under one key merge, of anything else the latest value stands.

use serde_json::{Map, Value};

/// What a flow or a checkpoint call logged about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    values: Map<String, Value>,
    changed: bool,
}

impl Metadata {
    pub(super) fn record(&mut self, entries: Vec<(String, Value)>) {
        self.changed |= !entries.is_empty();
        for (key, value) in entries {
            match (self.values.get_mut(&key), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => {
                    self.values.insert(key, value);
                }
            }
        }
    }

    /// The same, if it changed since it was last taken.
    pub(super) fn take_changed(&mut self) -> Option<String> {
        if std::mem::take(&mut self.changed) { self.to_text() } else { None }
    }

    /// A JSON object as text; nothing if nothing was logged.
    pub(super) fn to_text(&self) -> Option<String> {
        if self.values.is_empty() { None } else { serde_json::to_string(&self.values).ok() }
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
}
