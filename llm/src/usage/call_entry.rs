//! What a call leaves in the metadata key `llm_calls` of its checkpoint.

use serde_json::{Map, Value, json};

use super::tokens::TokenCounts;
use crate::models::{CallName, CredentialSource, SelectedModel};
use crate::price::Cost;

/// One entry of `llm_calls`.
#[derive(Clone, Debug)]
pub struct CallEntry<'a> {
    /// The call's name, which is the entry's key.
    pub name: &'a CallName,
    /// The model that was called.
    pub selected: &'a SelectedModel,
    /// The model that answered, where it is another: after a fallback.
    pub effective_model: Option<&'a str>,
    /// Where the credential came from.
    pub credential_source: Option<CredentialSource>,
    /// How long it took, in milliseconds.
    pub latency_ms: f64,
    /// The tokens.
    pub tokens: &'a TokenCounts,
    /// What it cost.
    pub cost: &'a Cost,
    /// The digest of what governed it.
    pub policies_sha256: Option<&'a str>,
}

impl CallEntry<'_> {
    /// The entry: unknown values are left out.
    pub fn to_json(&self) -> Map<String, Value> {
        let known = self.cost.amount;
        [
            ("requested_model", json!(self.selected.requested_model)),
            ("alias", json!(self.selected.alias)),
            ("resolved_model", json!(self.selected.resolved_model)),
            ("effective_model", json!(self.effective_model)),
            ("credential_source", json!(self.credential_source)),
            ("latency_ms", json!(self.latency_ms)),
            ("tokens_input", json!(self.tokens.input)),
            ("tokens_output", json!(self.tokens.output)),
            ("total_tokens", json!(self.tokens.total)),
            ("cost_usd", json!(known)),
            ("cost_source", json!(known.map(|_| self.cost.source))),
            ("policies_sha256", json!(self.policies_sha256)),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// Adds the entry to a checkpoint's metadata, beside those of its other calls.
    pub fn merge_into(&self, metadata: &mut Map<String, Value>) {
        let calls = metadata.entry("llm_calls").or_insert_with(|| Value::Object(Map::new()));
        if !calls.is_object() {
            *calls = Value::Object(Map::new());
        }
        if let Some(calls) = calls.as_object_mut() {
            calls.insert(self.name.to_string(), Value::Object(self.to_json()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::NanoUsd;

    fn selected() -> SelectedModel {
        SelectedModel {
            requested_model: "fast".into(),
            alias: None,
            resolved_model: "openai/a".into(),
            secret: Some("creds".into()),
        }
    }

    #[test]
    fn l23_calls_of_one_checkpoint_stand_side_by_side() {
        let mut metadata = Map::new();
        let (selected, tokens, cost) = (selected(), TokenCounts::of(3, 4), Cost::reported(NanoUsd::from_nanos(500)));
        for name in ["outline_call", "draft_call"] {
            let name = CallName::normalise(name).unwrap();
            let credential_source = Some(CredentialSource::Environment);
            CallEntry {
                name: &name,
                selected: &selected,
                effective_model: None,
                credential_source,
                latency_ms: 1.5,
                tokens: &tokens,
                cost: &cost,
                policies_sha256: Some("0f"),
            }
            .merge_into(&mut metadata);
        }
        let expected = json!({
            "requested_model": "fast", "resolved_model": "openai/a", "credential_source": "environment", "latency_ms": 1.5,
            "tokens_input": 3, "tokens_output": 4, "total_tokens": 7, "cost_usd": 5e-7, "cost_source": "provider_reported",
            "policies_sha256": "0f"
        });
        assert_eq!(Value::Object(metadata), json!({ "llm_calls": { "outline_call": expected, "draft_call": expected } }));
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let name = CallName::normalise("a").unwrap();
        let (selected, tokens, cost) = (selected(), TokenCounts::default(), Cost::unknown("no price"));
        let entry = CallEntry {
            name: &name,
            selected: &selected,
            effective_model: None,
            credential_source: None,
            latency_ms: 0.0,
            tokens: &tokens,
            cost: &cost,
            policies_sha256: None,
        };
        assert_eq!(
            Value::Object(entry.to_json()),
            json!({ "requested_model": "fast", "resolved_model": "openai/a", "latency_ms": 0.0 })
        );
    }
}
