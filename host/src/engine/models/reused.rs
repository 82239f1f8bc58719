//! Metadata of calls that are answered again without being made: it cost nothing this time.

use kitaru_llm::gateway::replayed_usage;
use serde_json::{Map, Value, json};

/// Where the answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Reuse {
    /// The execution that is replayed.
    Replay,
    /// The cache of results of checkpoints.
    Cache,
}

/// The metadata of a call, as the call has it that is served in its place. Anything but what models did cost is the same.
pub(in crate::engine) fn reused(metadata: Option<String>, how: Reuse) -> Option<String> {
    // Few calls ask models, and whatever else is metadata need not even be read.
    let of_models = metadata.as_ref().filter(|text| text.contains("\"llm_"));
    let parsed = of_models.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let Some(mut map) = parsed else { return metadata };
    if let Some(Value::Object(records)) = map.get_mut("llm_usage_v1") {
        for record in records.values_mut() {
            if let Some(reused) = replayed_usage(std::slice::from_ref(record)).pop() {
                *record = reused;
            }
            if let (Reuse::Cache, Some(record)) = (how, record.as_object_mut()) {
                record.insert("cache_status".into(), json!("checkpoint_cache_hit"));
            }
        }
    }
    if let Some(Value::Object(calls)) = map.get_mut("llm_calls") {
        for call in calls.values_mut().filter_map(Value::as_object_mut) {
            if let Some(cost) = call.insert("cost_usd".into(), json!(0.0)) {
                call.entry("saved_cost_usd").or_insert(cost);
            } else {
                // What nobody knew is not known to be saved.
                call.remove("cost_usd");
            }
        }
    }
    Some(Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l22_a_served_call_costs_nothing_and_shows_what_was_saved() {
        let record = json!({ "billing_effect": "incurred", "cache_status": "executed", "cost": { "actual_cost_usd": 0.5, "source": "provider_reported" } });
        let metadata = json!({
            "llm_calls": { "a": { "cost_usd": 0.5, "alias": "fast" }, "b": {} }, "llm_usage_v1": { "x": record }, "own": 1,
        });
        let served: Value = serde_json::from_str(&reused(Some(metadata.to_string()), Reuse::Cache).unwrap()).unwrap();
        assert_eq!(served["llm_calls"]["a"], json!({ "cost_usd": 0.0, "alias": "fast", "saved_cost_usd": 0.5 }));
        assert_eq!((&served["llm_calls"]["b"], &served["own"]), (&json!({}), &json!(1)));
        let record = &served["llm_usage_v1"]["x"];
        assert_eq!(
            (&record["billing_effect"], &record["cache_status"]),
            (&json!("reused_not_incurred"), &json!("checkpoint_cache_hit"))
        );
        assert_eq!((&record["cost"]["actual_cost_usd"], &record["cost"]["saved_cost_usd"]), (&Value::Null, &json!(0.5)));
        // Again, of a replay of a replay.
        let again: Value = serde_json::from_str(&reused(Some(served.to_string()), Reuse::Replay).unwrap()).unwrap();
        assert_eq!(again["llm_calls"]["a"]["saved_cost_usd"], json!(0.5));
        assert_eq!(again["llm_usage_v1"]["x"]["cache_status"], "replay_reused");
    }

    #[test]
    fn other_metadata_is_left_alone() {
        for text in [r#"{"a":1}"#, r#"{"llm_usage_v1":1}"#] {
            assert_eq!(reused(Some(text.into()), Reuse::Replay).as_deref(), Some(text));
        }
        assert_eq!(reused(None, Reuse::Replay), None);
    }
}
