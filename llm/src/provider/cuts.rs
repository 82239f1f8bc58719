//! Taking ranges out of the strings of an event.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use serde_json::Value;

use super::redaction::REPLACEMENT;

/// What is to leave a string, by its number in its event.
pub(super) struct Cut {
    pub(super) string: usize,
    pub(super) range: Range<usize>,
    /// Whether it is told that something is missing there.
    pub(super) marked: bool,
}

/// Makes the cuts of an event, in their order; its strings are counted from `string` on.
pub(super) fn shorten(value: &mut Value, string: &mut usize, cuts: &mut Peekable<IntoIter<Cut>>) {
    if cuts.peek().is_none() {
        return;
    }
    match value {
        Value::String(text) => {
            if cuts.peek().is_some_and(|cut| cut.string == *string) {
                *text = without(text, std::iter::from_fn(|| cuts.next_if(|cut| cut.string == *string)));
            }
            *string = string.saturating_add(1);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, string, cuts)),
        Value::Object(fields) => fields.values_mut().for_each(|value| shorten(value, string, cuts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without these ranges of it, which stand in their order. Where some have bytes in common there is one mark.
fn without(text: &str, cuts: impl Iterator<Item = Cut>) -> String {
    let mut clean = String::new();
    let (mut at, mut is_marked) = (0, false);
    for Cut { range, marked, .. } in cuts {
        if range.start >= at {
            clean.push_str(text.get(at..range.start).unwrap_or_default());
            is_marked = false;
        }
        if marked && !is_marked {
            clean.push_str(REPLACEMENT);
            is_marked = true;
        }
        at = at.max(range.end);
    }
    clean + text.get(at..).unwrap_or_default()
}

/// About how long an event is as JSON.
pub(super) fn length(value: &Value) -> usize {
    let inside: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(length).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len().saturating_add(length(value))).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inside.saturating_add(4)
}
