//! Calls that are served from a journal instead of being made.

use serde_json::{Map, Value, json};

use crate::event::Event;

/// The usage records (`llm_usage_v1`) of a call that is served from a journal: nothing was charged, and what the call had cost is what is saved.
/// Everything that tells whose record it is stays.
pub fn replayed_usage(records: &[Value]) -> Vec<Value> {
    records.iter().map(replayed).collect()
}

fn replayed(record: &Value) -> Value {
    let mut record = record.clone();
    let Some(fields) = record.as_object_mut() else { return record };
    fields.insert("billing_effect".to_owned(), json!("reused_not_incurred"));
    fields.insert("cache_status".to_owned(), json!("replay_reused"));
    if let Some(Value::Object(cost)) = fields.get_mut("cost") {
        let known = |cost: &Map<String, Value>, key: &str| cost.get(key).filter(|amount| !amount.is_null()).cloned();
        let amounts = ["saved_cost_usd", "actual_cost_usd", "estimated_cost_usd"];
        let saved = amounts.into_iter().find_map(|key| known(cost, key));
        cost.insert("actual_cost_usd".to_owned(), Value::Null);
        cost.insert("estimated_cost_usd".to_owned(), Value::Null);
        cost.insert("source".to_owned(), json!("none"));
        cost.extend(saved.map(|saved| ("saved_cost_usd".to_owned(), saved)));
    }
    record
}

/// The events of a call that is served from a journal: the same identifiers and moments, marked as replayed, and without a cost.
pub fn replayed_events(events: &[Event]) -> Vec<Event> {
    let marked = |event: &Event| {
        let mut event = event.clone();
        let mut metadata = match std::mem::take(&mut event.metadata) {
            Value::Object(metadata) => metadata,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        metadata.insert("kitaru.replayed".to_owned(), json!(true));
        if let Some(cost) = metadata.get_mut("kitaru.llm.cost_usd") {
            *cost = json!(0.0);
        }
        event.metadata = Value::Object(metadata);
        event
    };
    events.iter().map(marked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{CallName, SelectedModel};
    use crate::price::{Cost, NanoUsd};
    use crate::usage::{CacheStatus, Recorded, TokenCounts, UsageRecord};

    #[test]
    fn l22_a_served_call_costs_nothing_and_shows_what_was_saved() {
        let selected =
            SelectedModel { requested_model: "fast".into(), alias: None, resolved_model: "openai/a".into(), secret: None };
        let name = CallName::normalise("outline").unwrap();
        let about = Recorded { name: &name, event_id: "e", attempt: 1, selected: &selected };
        let record = UsageRecord::of(about, None, TokenCounts::of(3, 4), Cost::reported(NanoUsd::from_nanos(500)));
        let expected = record.clone().reused(CacheStatus::ReplayReused).to_json();
        let served = replayed_usage(&[record.to_json()]);
        assert_eq!(served, [expected]);
        assert_eq!(replayed_usage(&served), served, "served twice it is the same");
    }
}
