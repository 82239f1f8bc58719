//! Texts that callers hear as one, and those that are one to whoever puts the answer together.

use serde_json::json;

use super::*;
use crate::codec::Api;
use crate::provider::Secret;

const KEY: &str = "planted.marker.QzX93kT0vLw7";

fn redaction() -> Redaction {
    Redaction::of(Some(&Secret::new(KEY)))
}

fn filtered(events: &[Value]) -> Vec<Value> {
    let mut filter = KeyFilter::new(redaction());
    let mut given = Vec::new();
    for event in events {
        filter.push(event.clone()).unwrap();
        given.extend(std::iter::from_fn(|| filter.next()));
    }
    filter.finish();
    given.extend(std::iter::from_fn(|| filter.next()));
    given
}

fn whole(api: Api, events: &[Value]) -> Value {
    let mut whole = api.protocol().aggregator();
    events.iter().for_each(|event| whole.push(event).unwrap());
    whole.finish()
}

fn block(index: u64, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

fn text(index: u64, piece: &str) -> Value {
    block(index, json!({ "type": "text_delta", "text": piece }))
}

fn said(output: u64, piece: &str) -> Value {
    json!({ "type": "response.output_text.delta", "output_index": output, "content_index": 0, "delta": piece })
}

fn amazon(index: u64, piece: &str) -> Value {
    json!({ "contentBlockDelta": { "contentBlockIndex": index, "delta": { "text": piece } } })
}

#[test]
fn blocks_and_items_side_by_side_are_told_apart() {
    let (first, second) = KEY.split_at(14);
    let input = |index: u64, piece: &str| block(index, json!({ "type": "input_json_delta", "partial_json": piece }));
    for event in [&text as &dyn Fn(u64, &str) -> Value, &input, &said, &amazon] {
        let given = filtered(&[event(0, first), event(1, "other"), event(0, second), event(1, " words")]);
        assert_eq!(given, [event(0, "[redacted]"), event(1, "other"), event(0, ""), event(1, " words")]);
        // And both at once: two keys cut by each other.
        let given = filtered(&[event(0, first), event(1, first), event(0, second), event(1, &format!("{second}."))]);
        assert_eq!(given, [event(0, "[redacted]"), event(1, "[redacted]"), event(0, ""), event(1, ".")]);
        // What goes on in the next one is heard as one text.
        assert_eq!(filtered(&[event(0, first), event(1, second)]), [event(0, "[redacted]"), event(1, "")]);
    }
    let start = |index: u64| {
        let call = json!({ "type": "tool_use", "id": "c", "name": "f", "input": {} });
        json!({ "type": "content_block_start", "index": index, "content_block": call })
    };
    let (begin, end) = (format!(r#"{{"k":"{first}"#), format!(r#"{second}"}}"#));
    let begun = [json!({ "type": "message_start", "message": { "id": "m" } }), start(0), start(1)];
    let pieces = [input(0, &begin), input(1, "{"), input(0, &end), input(1, "}")];
    let answer = whole(Api::AnthropicMessages, &filtered(&[&begun[..], &pieces[..]].concat()));
    assert_eq!(answer["content"][0]["input"], json!({ "k": "[redacted]" }));
}

/// What a text is a part of in two ways is taken out once, wherever it is cut.
#[test]
fn a_key_in_both_readings_leaves_one_mark() {
    for event in [&text as &dyn Fn(u64, &str) -> Value, &said, &amazon] {
        for cut in 1..KEY.len() {
            let (first, second) = KEY.split_at(cut);
            let given = filtered(&[event(0, &format!("Say {first}")), event(0, &format!("{second} twice, {KEY}{KEY}."))]);
            let all = given.iter().map(Value::to_string).collect::<String>();
            assert!(all.matches("[redacted]").count() == 3 && !all.contains("QzX9") && all.contains(" twice, "), "{all}");
        }
    }
}

/// Elements may say any number of themselves: callers read texts of parts as one.
#[test]
fn numbers_of_elements_hide_no_key() {
    let (first, second) = KEY.split_at(14);
    let parts = |pieces: [&str; 2]| {
        let [one, other] = pieces;
        json!({ "candidates": [{ "content": { "parts": [{ "text": one, "index": 0 }, { "text": other, "index": 1 }] } }] })
    };
    assert_eq!(filtered(&[parts([first, second])]), [parts(["[redacted]", ""])]);
    let mut document = parts([first, second]);
    redaction().document(&mut document).unwrap();
    assert_eq!(document, parts(["[redacted]", ""]));
}

/// Sixteen events may be as large as a provider likes.
#[test]
fn large_events_do_not_wait() {
    let (first, second) = KEY.split_at(14);
    for (size, waits) in [(100, true), (MOST_WAITING / 2, true), (MOST_WAITING, false)] {
        let mut filter = KeyFilter::new(redaction());
        filter.push(json!({ "a": format!("Say {first}") })).unwrap();
        assert_eq!(filter.next(), None);
        let other = json!({ "b": "y".repeat(size) });
        filter.push(other.clone()).unwrap();
        let given: Vec<Value> = std::iter::from_fn(|| filter.next()).collect();
        let expected = if waits { Vec::new() } else { vec![json!({ "a": "Say [redacted]" }), other] };
        assert!(given == expected, "{size}");
        // The rest is found all the same, and what is missing is marked once.
        filter.push(json!({ "a": format!("{second}.") })).unwrap();
        let rest: Vec<Value> = std::iter::from_fn(|| filter.next()).collect();
        assert_eq!(rest.len(), if waits { 3 } else { 1 });
        assert_eq!(rest.last(), Some(&json!({ "a": "." })));
        assert_eq!(filter.waiting_bytes, 0);
    }
}

/// One event that is too long by itself, whose text ends like the key.
#[test]
fn one_large_event_does_not_wait_for_itself() {
    let mut filter = KeyFilter::new(redaction());
    filter.push(json!({ "a": "y".repeat(MOST_WAITING) + &KEY[..14] })).unwrap();
    let given = filter.next().unwrap();
    assert!(given["a"].as_str().unwrap().ends_with("y[redacted]"));
}
