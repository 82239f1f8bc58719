//! All that is known of a call that ended.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::failure::CallFailure;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::models::{CallName, SelectedModel};
use crate::price::NanoUsd;
use crate::usage::UsageRecord;

/// All that is known of a call that ended. There is no credential in it.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// What its author gets.
    pub outcome: Result<Answer, CallFailure>,
    /// The call's name.
    pub name: CallName,
    /// The model that was called; none where none could be told.
    pub selected: Option<SelectedModel>,
    /// The messages that were asked, sanitised, for the artifact; none where a sanitiser left them out.
    pub prompt: Option<Value>,
    /// The text or the structured value that was answered, sanitised, for the artifact; an object with `text` and `tool_calls` where tools were
    /// asked for. None where there was no answer, or a sanitiser left it out.
    pub response: Option<Value>,
    /// The entry of `llm_calls`; none where no model could be told.
    pub entry: Option<Map<String, Value>>,
    /// What each attempt used.
    pub usage: Vec<UsageRecord>,
    /// The call's events, in order, as every subscriber saw them.
    pub events: Vec<Event>,
    /// What governed the call: names and versions in their order, and the SHA-256 of that.
    pub policies: Value,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl CallRecord {
    /// What the call cost as far as it is known: of every attempt that was charged.
    pub fn spent(&self) -> NanoUsd {
        self.usage.iter().filter(|record| record.is_incurred()).filter_map(|record| record.cost.amount).sum()
    }

    /// The records as the value of the metadata key `llm_usage_v1`.
    pub fn usage_metadata(&self) -> Map<String, Value> {
        UsageRecord::to_metadata(&self.usage)
    }

    /// Lays the call's entry into a checkpoint's metadata, beside those of its other calls: under `llm_calls`.
    pub fn merge_entry(&self, metadata: &mut Map<String, Value>) {
        let Some(entry) = &self.entry else { return };
        let calls = metadata.entry("llm_calls").or_insert_with(|| Value::Object(Map::new()));
        if !calls.is_object() {
            *calls = Value::Object(Map::new());
        }
        if let Some(calls) = calls.as_object_mut() {
            calls.insert(self.name.to_string(), Value::Object(entry.clone()));
        }
    }
}
