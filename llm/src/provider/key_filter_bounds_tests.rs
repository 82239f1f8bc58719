//! What answers that want to use a host up can make it keep and do, and how long anything waits.

use serde_json::{Map, json};

use super::*;
use crate::provider::Secret;
use crate::provider::channel::work;

const KEY: &str = "planted.marker.QzX93kT0vLw7";

fn redaction() -> Redaction {
    Redaction::of(Some(&Secret::new(KEY)))
}

fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

/// Texts side by side in one object, each of which ends with `end`.
fn many(count: usize, end: &str) -> Value {
    object((0..count).map(|number| (format!("n{number}"), json!(end))))
}

/// How much a filter keeps after an event.
fn kept(event: Value) -> (Result<(), Crowded>, usize, usize) {
    let mut filter = KeyFilter::new(redaction());
    let pushed = filter.push(event);
    (pushed, filter.open.len(), filter.bytes)
}

#[test]
fn names_are_read_once_and_kept_nowhere() {
    let long = |letter: &str| letter.repeat(100_000);
    // A hundred names of a hundred kilobytes around ten thousand short texts, and as many texts beside long names.
    let mut nested = many(10_000, "so p");
    for _ in 0..100 {
        nested = object([(long("d"), nested)]);
    }
    let beside = (0..100).map(|number| (format!("{}{number}", long("s")), json!("so \\")));
    let document = object(beside.chain([("nested".to_owned(), nested)]));
    let size = document.to_string().len();
    work::take();
    let (pushed, open, bytes) = kept(document.clone());
    assert_eq!(pushed, Ok(()));
    assert!(work::take() <= size, "each name is read once");
    assert!(open <= MOST_OPEN && bytes <= 1024 * 1024, "{open} texts, {bytes} bytes");
    let mut clean = document.clone();
    redaction().document(&mut clean).unwrap();
    assert!(clean == document, "it has no key");
}

/// One event, or one whole answer, has the same limits as many events.
#[test]
fn one_document_does_not_open_texts_without_end() {
    for end in ["p", "\\", "pla", "\\\\\\\\p"] {
        let (pushed, open, bytes) = kept(many(200_000, end));
        assert_eq!(pushed, Ok(()), "they may be words");
        assert!(open <= MOST_OPEN && bytes <= 1024 * 1024, "{end}: {open} texts, {bytes} bytes");
    }
    let (first, second) = KEY.split_at(3);
    let mut document = json!([{ "a": first }, many(MOST_OPEN / 2, "pl"), { "a": second }]);
    redaction().document(&mut document).unwrap();
    assert_eq!((&document[0]["a"], &document[2]["a"]), (&json!("[redacted]"), &json!("")));
}

/// It cannot be told which of them go on, so none of them is given.
#[test]
fn a_document_of_too_many_beginnings_is_refused_whole() {
    let (first, second) = KEY.split_at(14);
    let mut most = json!([many(MOST_OPEN - 1, &KEY[..TELLING]), { "a": first }, { "a": second }]);
    redaction().document(&mut most).unwrap();
    assert_eq!((&most[1]["a"], &most[2]["a"]), (&json!("[redacted]"), &json!("")));

    let mut more = json!([{ "a": first }, many(50_000, &KEY[..TELLING]), { "a": second }]);
    let (pushed, open, bytes) = kept(more.clone());
    assert_eq!((pushed, open, bytes), (Err(Crowded), 0, 0));
    assert_eq!(redaction().document(&mut more), Err(Crowded));
    assert_eq!(more, Value::Null);
}

/// A long key that comes letter by letter in many texts at once takes a place for each letter.
#[test]
fn what_long_keys_take_is_limited_too() {
    let key: String = (0..2_000_u32).map(|at| char::from_digit(at * at % 35 % 36, 36).unwrap()).collect::<String>() + "!";
    let letters = |letters: &str| letters.chars().map(|letter| json!(letter.to_string())).collect::<Value>();
    let redaction = Redaction::of(Some(&Secret::new(key.as_str())));
    let texts = |count: usize| object((0..count).map(|number| (format!("n{number}"), letters(&key[..1_990]))));
    let mut filter = KeyFilter::new(redaction.clone());
    assert_eq!(filter.push(texts(20)), Ok(()));
    assert!(filter.bytes > 20 * 1_990 * size_of::<Part>(), "what they take is counted");
    assert_eq!(filter.push(texts(200)), Err(Crowded));
    // One of them is put together, and taken out whole.
    let mut whole = letters(&format!("{key}."));
    redaction.document(&mut whole).unwrap();
    let said: String = whole.as_array().unwrap().iter().map(|letter| letter.as_str().unwrap()).collect();
    assert_eq!(said, "[redacted].");
}

/// What comes of these events, and for how many others one of them waited at most.
fn longest_wait(events: &[Value]) -> (Vec<Value>, usize) {
    let mut filter = KeyFilter::new(redaction());
    let (mut given, mut longest) = (Vec::new(), 0);
    for (number, event) in events.iter().enumerate() {
        filter.push(event.clone()).unwrap();
        while let Some(event) = filter.next() {
            longest = longest.max(number - given.len());
            given.push(event);
        }
    }
    filter.finish();
    given.extend(std::iter::from_fn(|| filter.next()));
    (given, longest)
}

/// Each letter of a key renews nothing: an event waits for so many others, and what is missing is marked once.
#[test]
fn no_event_waits_for_longer_than_it_is_said() {
    let text = |piece: &str| json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] });
    for others in [0, 3, 15, 40] {
        let mut events = vec![text("Say ")];
        for letter in KEY.chars() {
            events.push(text(&letter.to_string()));
            events.extend(std::iter::repeat_n(json!({ "choices": [] }), others));
        }
        events.push(text(", then"));
        let (given, longest) = longest_wait(&events);
        assert_eq!(given.len(), events.len());
        assert!(longest <= LONGEST_WAIT as usize, "{others}: {longest}");
        let said: String = given.iter().filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str()).collect();
        // Letters that come apart are let go of before there is enough of them to tell.
        let shown = if others < 4 { 3 } else { FRAGMENT - 1 };
        let longest = (0..=KEY.len()).rev().find(|length| said.contains(&KEY[..*length])).unwrap();
        assert!(longest <= shown && said.matches("[redacted]").count() == 1, "{others}: {said}");
        assert!(said.starts_with("Say ") && said.ends_with("[redacted], then"), "{others}: {said}");
    }
}

/// What waits for one text does not go on because another has ended.
#[test]
fn the_end_of_an_item_is_that_of_its_own_texts() {
    let (first, second) = KEY.split_at(14);
    let response = |kind: &str, numbers: Value, delta: &str| {
        let mut event = json!({ "type": format!("response.{kind}"), "delta": delta });
        event.as_object_mut().unwrap().extend(numbers.as_object().unwrap().clone());
        event
    };
    let anthropic = |kind: &str, index: u64, text: &str| json!({ "type": kind, "index": index, "delta": { "text": text } });
    let amazon = |kind: &str, index: u64, text: &str| json!({ kind: { "contentBlockIndex": index, "delta": { "text": text } } });
    let of = |output: u64| json!({ "output_index": output, "content_index": 0 });
    let part = |content: u64| json!({ "output_index": 1, "content_index": content });
    type Case = (Value, Vec<Value>, Value, Value);
    let cases: Vec<Case> = vec![
        (
            response("output_text.delta", of(1), first),
            vec![
                response("function_call_arguments.done", json!({ "output_index": 2 }), "so"),
                response("output_item.done", json!({ "output_index": 0 }), "so"),
                response("content_part.done", part(1), "so"),
                response("reasoning_summary_text.done", json!({ "output_index": 1, "summary_index": 0 }), "so"),
            ],
            response("output_text.done", part(0), "so"),
            response("output_text.delta", of(2), second),
        ),
        (
            response("output_text.delta", of(1), first),
            vec![response("output_text.done", of(0), "so")],
            response("output_item.done", json!({ "output_index": 1 }), "so"),
            response("output_text.delta", of(2), second),
        ),
        (
            anthropic("content_block_delta", 1, first),
            vec![anthropic("content_block_stop", 0, ""), anthropic("content_block_stop", 2, "")],
            anthropic("content_block_stop", 1, ""),
            anthropic("content_block_delta", 2, second),
        ),
        (
            amazon("contentBlockDelta", 1, first),
            vec![amazon("contentBlockStop", 0, ""), amazon("contentBlockStop", 2, "")],
            amazon("contentBlockStop", 1, ""),
            amazon("contentBlockDelta", 2, second),
        ),
    ];
    for (begins, others, end, goes_on) in cases {
        let mut filter = KeyFilter::new(redaction());
        filter.push(begins.clone()).unwrap();
        for other in &others {
            filter.push(other.clone()).unwrap();
            assert_eq!(filter.next(), None, "{other} ends another than {begins}");
        }
        filter.push(end.clone()).unwrap();
        let given: Vec<Value> = std::iter::from_fn(|| filter.next()).collect();
        assert_eq!(given.len(), others.len() + 2, "{end} ends {begins}");
        filter.push(goes_on).unwrap();
        let rest = filter.next().unwrap();
        let said = given.iter().chain([&rest]).map(Value::to_string).collect::<String>();
        assert!(!said.contains(first) && !said.contains(second) && said.matches("[redacted]").count() == 2, "{said}");
    }
}
