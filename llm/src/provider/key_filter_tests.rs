use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::ChatResponse;
use crate::codec::Api;
use crate::provider::Secret;

const KEY: &str = "planted.marker.QzX93kT0vLw7";
const APIS: [Api; 4] = [Api::OpenAiChat, Api::OpenAiResponses, Api::AnthropicMessages, Api::Gemini];

fn filter_of(key: &str) -> KeyFilter {
    KeyFilter::new(Redaction::of(Some(&Secret::new(key))))
}

/// What stands before the first piece.
fn head(api: Api, is_tool: bool) -> Vec<Value> {
    match (api, is_tool) {
        (Api::OpenAiChat, true) => {
            let call = json!({ "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "" } });
            vec![json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "tool_calls": [call] } }] })]
        }
        (Api::OpenAiResponses, _) => {
            let call = json!({ "type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": "" });
            let message = json!({ "type": "message", "id": "i", "role": "assistant", "content": [] });
            let item = if is_tool { call } else { message };
            vec![
                json!({ "type": "response.created", "response": { "id": "r", "output": [] } }),
                json!({ "type": "response.output_item.added", "output_index": 0, "item": item }),
            ]
        }
        (Api::AnthropicMessages, _) => {
            let block = if is_tool {
                json!({ "type": "tool_use", "id": "c", "name": "f", "input": {} })
            } else {
                json!({ "type": "text", "text": "" })
            };
            vec![
                json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [] } }),
                json!({ "type": "content_block_start", "index": 0, "content_block": block }),
            ]
        }
        (Api::OpenAiChat, false) | (Api::Gemini, _) => Vec::new(),
    }
}

/// One piece of a text, or of a tool's arguments.
fn delta(api: Api, is_tool: bool, piece: &str) -> Value {
    match (api, is_tool) {
        (Api::OpenAiChat, false) => json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] }),
        (Api::OpenAiChat, true) => {
            json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] } }] })
        }
        (Api::OpenAiResponses, false) => {
            json!({ "type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": piece })
        }
        (Api::OpenAiResponses, true) => {
            json!({ "type": "response.function_call_arguments.delta", "item_id": "i", "output_index": 0, "delta": piece })
        }
        (Api::AnthropicMessages, is_tool) => {
            let delta = if is_tool {
                json!({ "type": "input_json_delta", "partial_json": piece })
            } else {
                json!({ "type": "text_delta", "text": piece })
            };
            json!({ "type": "content_block_delta", "index": 0, "delta": delta })
        }
        (Api::Gemini, _) => {
            json!({ "candidates": [{ "index": 0, "content": { "role": "model", "parts": [{ "text": piece }] } }] })
        }
    }
}

/// Every protocol with its texts, and with arguments where these come in pieces.
fn kinds() -> impl Iterator<Item = (Api, bool)> {
    APIS.into_iter().flat_map(|api| [(api, false), (api, true)]).filter(|kind| *kind != (Api::Gemini, true))
}

/// All that comes of these events.
fn filtered(key: &str, events: Vec<Value>) -> Vec<Value> {
    let mut filter = filter_of(key);
    let mut given = Vec::new();
    for event in events {
        filter.push(event).unwrap();
        given.extend(std::iter::from_fn(|| filter.next()));
    }
    filter.finish();
    given.extend(std::iter::from_fn(|| filter.next()));
    given
}

/// The answer that events make together, and its text as a caller hears it.
fn answer(api: Api, events: &[Value]) -> (ChatResponse, String) {
    let codec = api.protocol();
    let mut whole = codec.aggregator();
    events.iter().for_each(|event| whole.push(event).unwrap());
    (codec.decode_response(&whole.finish()).unwrap(), events.iter().filter_map(|event| codec.text_delta(event)).collect())
}

/// The text, or the arguments as the text of JSON, that come of these pieces.
fn said((api, is_tool): (Api, bool), key: &str, pieces: &[&str]) -> String {
    let events = head(api, is_tool).into_iter().chain(pieces.iter().map(|piece| delta(api, is_tool, piece))).collect();
    let events = filtered(key, events);
    assert_eq!(events.len(), head(api, is_tool).len() + pieces.len(), "none is lost");
    let (answer, heard) = answer(api, &events);
    if is_tool {
        return answer.tool_calls[0].arguments.to_string();
    }
    assert_eq!(answer.text(), heard);
    heard
}

/// Nothing that somebody could recognise the key by.
#[track_caller]
fn assert_clean(text: &str) {
    let found = KEY.as_bytes().windows(TELLING).any(|part| text.as_bytes().windows(TELLING).any(|window| window == part));
    assert!(!found, "{text}");
}

#[test]
fn a_key_is_found_wherever_it_is_cut() {
    for kind in kinds() {
        let whole = if kind.1 { json!({ "a": format!("Say {KEY}, then") }).to_string() } else { format!("Say {KEY}, then") };
        for first in 1..whole.len() {
            for second in first + 1..=whole.len() {
                let text = said(kind, KEY, &[&whole[..first], &whole[first..second], &whole[second..]]);
                assert_clean(&text);
                let (before, after) = text.split_once("[redacted]").unwrap();
                assert!(before.contains("Say ") && after.starts_with(", then"), "{kind:?}: {text}");
            }
        }
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let text = said(kind, KEY, &letters.iter().map(String::as_str).collect::<Vec<_>>());
        assert_clean(&text);
        assert_eq!(text.matches("[redacted]").count(), 1, "{text}");
    }
}

/// A letter as JSON may have it inside of JSON: itself, by its number, and both once more escaped.
fn escaped(char: char, how: u8) -> String {
    match how {
        1 => format!("\\u{:04x}", u32::from(char)),
        2 => format!("\\u{:04X}", u32::from(char)),
        _ if char == '"' => "\\\"".to_owned(),
        3 if char == '/' => "\\/".to_owned(),
        _ => char.to_string(),
    }
}

proptest! {
    #[test]
    fn a_key_is_found_however_it_is_escaped(
        how in prop::collection::vec(0..4_u8, 27),
        cuts in prop::collection::vec(0..200_usize, 0..6),
    ) {
        let key = "p\"anted/marker/QzX93kT0vLw7";
        let text: String = key.chars().zip(&how).map(|(char, how)| escaped(char, *how)).collect();
        let text = format!("{{\"a\":\"Say\\\\{text}, then\",\"n\":\"\\n\"}}");
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap()["a"], &json!(format!("Say\\{key}, then")));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % text.len()).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        for kind in kinds().filter(|kind| kind.1) {
            let said = said(kind, key, &pieces);
            prop_assert!(!said.contains("QzX93k") && said.contains("[redacted]"), "{}", said);
        }
        let parts: Vec<Value> = pieces.iter().map(|piece| json!({ "text": piece })).collect();
        let mut document = json!({ "parts": parts });
        Redaction::of(Some(&Secret::new(key))).document(&mut document).unwrap();
        let said: String = document["parts"].as_array().unwrap().iter().map(|part| part["text"].as_str().unwrap()).collect();
        prop_assert!(!said.contains("QzX93k") && said.matches("[redacted]").count() == 1, "{}", said);
        // The same in one document, and in the text of JSON in the text of JSON.
        for text in [text.clone(), Value::from(text).to_string()] {
            let mut document = json!({ "arguments": text });
            Redaction::of(Some(&Secret::new(key))).document(&mut document).unwrap();
            let text = document["arguments"].as_str().unwrap();
            prop_assert!(!text.contains("QzX93k") && text.contains("[redacted]"), "{}", text);
            prop_assert!(serde_json::from_str::<Value>(text).is_ok(), "it is still JSON: {}", text);
        }
    }

    /// What is no key goes through as it came, and at once.
    #[test]
    fn other_texts_do_not_wait(pieces in prop::collection::vec("[plantedmrk\\\\u0-9 ]{0,12}|pla|marker|\\PC{0,9}", 1..12)) {
        prop_assume!(!pieces.concat().replace('\\', "").contains(&KEY[..TELLING]));
        for (api, is_tool) in kinds() {
            let mut filter = filter_of(KEY);
            for piece in &pieces {
                let event = delta(api, is_tool, piece);
                filter.push(event.clone()).unwrap();
                prop_assert_eq!(filter.next(), Some(event));
            }
            filter.finish();
            prop_assert_eq!(filter.next(), None);
        }
    }
}

#[test]
fn an_event_waits_only_while_it_may_have_the_key() {
    let text = |piece: &str| delta(Api::OpenAiChat, false, piece);
    let mut filter = filter_of(KEY);
    let mut push = |piece: &str| {
        filter.push(text(piece)).unwrap();
        std::iter::from_fn(|| filter.next()).collect::<Vec<_>>()
    };
    assert_eq!(push("It is pla"), [text("It is pla")], "too little to tell");
    assert!(push("nted.mar").is_empty(), "it may be the key");
    assert_eq!(push("k my words"), [text("nted.mar"), text("k my words")], "it is not");
    assert!(push(&format!("{KEY} and {}", &KEY[..20])).is_empty());
    assert_eq!(push(&KEY[20..]), [text("[redacted] and [redacted]"), text("")]);
}

#[test]
fn answers_and_calls_side_by_side_are_told_apart() {
    let (first, second) = KEY.split_at(14);
    let call = |index: u64, piece: &str| json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "index": index, "function": { "arguments": piece } }] } }] });
    let choice = |index: u64, piece: &str| json!({ "choices": [{ "index": index, "delta": { "content": piece } }] });
    let candidate =
        |index: u64, piece: &str| json!({ "candidates": [{ "index": index, "content": { "parts": [{ "text": piece }] } }] });
    let item = |index: u64, piece: &str| json!({ "type": "response.function_call_arguments.delta", "output_index": index, "delta": piece });
    for event in [&call as &dyn Fn(u64, &str) -> Value, &choice, &candidate, &item] {
        let given = filtered(KEY, vec![event(0, first), event(1, "other"), event(0, second), event(1, " words")]);
        assert_eq!(given, [event(0, "[redacted]"), event(1, "other"), event(0, ""), event(1, " words")]);
    }
    // Parts of one event, and blocks one after the other, are one text to whoever hears them.
    let parts =
        |pieces: [&str; 2]| json!({ "candidates": [{ "content": { "parts": [{ "text": pieces[0] }, { "text": pieces[1] }] } }] });
    assert_eq!(filtered(KEY, vec![parts([first, second])]), [parts(["[redacted]", ""])]);
    let block = |index: u64, piece: &str| json!({ "index": index, "delta": { "type": "text_delta", "text": piece } });
    assert_eq!(filtered(KEY, vec![block(0, first), block(1, second)]), [block(0, "[redacted]"), block(1, "")]);
}

/// A connection that breaks, or a limit of tokens, may cut the key off.
#[test]
fn the_beginning_of_a_key_at_the_end_is_a_part_of_it() {
    for kind in kinds().filter(|kind| !kind.1) {
        for length in 1..KEY.len() {
            let text = said(kind, KEY, &["Say ", &KEY[..length]]);
            assert_eq!(text, if length < FRAGMENT { format!("Say {}", &KEY[..length]) } else { "Say [redacted]".to_owned() });
        }
    }
    // A short key is not told from a word by its beginning.
    assert_eq!(said((Api::OpenAiChat, false), "password", &["Say pass", "wor"]), "Say passwor");
    assert_eq!(said((Api::OpenAiChat, false), "password", &["Say pass", "word"]), "Say [redacted]");
}

#[test]
fn what_never_ends_is_not_kept_in_mind_for_ever() {
    let mut filter = filter_of(KEY);
    let mut longest = 0;
    for number in 0..5_000 {
        filter.push(json!({ format!("n{number}"): "\\", "same": "\\\\\\\\" })).unwrap();
        while filter.next().is_some() {}
        longest = longest.max(filter.open.values().map(|tail| tail.text.len()).max().unwrap_or_default());
    }
    assert!(filter.open.len() <= MOST_OPEN + 2 && longest < 64, "{} texts of {longest} bytes", filter.open.len());
    assert_clean(&filtered(KEY, vec![json!({ KEY: KEY })])[0].to_string());
}

/// What stands between the pieces is no part of the text that callers hear.
#[test]
fn a_key_is_found_across_what_callers_skip() {
    let (first, second) = KEY.split_at(14);
    let text = |piece: &str| json!({ "text": piece });
    let thought = |piece: &str| json!({ "text": piece, "thought": true });
    let gemini = |parts: Vec<Value>| json!({ "candidates": [{ "content": { "parts": parts } }] });
    let events = vec![gemini(vec![text(first), thought("so")]), gemini(vec![thought("then")]), gemini(vec![text(second)])];
    let given = filtered(KEY, events);
    assert_eq!(given[0], gemini(vec![text("[redacted]"), thought("so")]));
    assert_eq!(given[2], gemini(vec![text("")]));
    assert_eq!(answer(Api::Gemini, &given).1, "[redacted]");
    // What is thought is one text too.
    let given = filtered(KEY, vec![gemini(vec![thought(first), text("so")]), gemini(vec![thought(second)])]);
    assert_eq!(given, [gemini(vec![thought("[redacted]"), text("so")]), gemini(vec![thought("")])]);

    let of = |kind: &str, item: u64, piece: &str| json!({ "type": kind, "output_index": item, "delta": piece });
    let said = |item: u64, piece: &str| of("response.output_text.delta", item, piece);
    let summed = of("response.reasoning_summary_text.delta", 1, "so");
    let given = filtered(KEY, vec![said(0, first), summed.clone(), said(2, second)]);
    assert_eq!(given, [said(0, "[redacted]"), summed, said(2, "")]);
    let added = |piece: &str| {
        let item = json!({ "type": "function_call", "name": "f", "arguments": piece });
        json!({ "type": "response.output_item.added", "output_index": 1, "item": item })
    };
    let arguments = |piece: &str| of("response.function_call_arguments.delta", 1, piece);
    assert_eq!(filtered(KEY, vec![added(first), arguments(second)]), [added("[redacted]"), arguments("")]);

    let block = |kind: &str, block: Value| json!({ "type": kind, "index": 0, "content_block": block });
    let piece =
        |piece: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece } });
    let result =
        block("content_block_start", json!({ "type": "mcp_tool_result", "content": [{ "type": "text", "text": "so" }] }));
    let begins = |piece: &str| block("content_block_start", json!({ "type": "text", "text": piece }));
    let given = filtered(KEY, vec![begins(first), result.clone(), piece(second)]);
    assert_eq!(given, [begins("[redacted]"), result, piece("")]);

    let amazon = |delta: Value| json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": delta } });
    let thought = amazon(json!({ "reasoningContent": { "text": "so" } }));
    let given = filtered(KEY, vec![amazon(text(first)), thought.clone(), amazon(text(second))]);
    assert_eq!(given, [amazon(text("[redacted]")), thought, amazon(text(""))]);
}

#[test]
fn an_answer_without_a_number_is_the_first() {
    let (first, second) = KEY.split_at(14);
    let choice = |index: Option<u64>, piece: &str| {
        let mut choice = json!({ "delta": { "content": piece } });
        index.into_iter().for_each(|index| choice["index"] = json!(index));
        json!({ "choices": [choice] })
    };
    let candidate = |index: Option<u64>, piece: &str| {
        let mut candidate = json!({ "content": { "parts": [{ "text": piece }] } });
        index.into_iter().for_each(|index| candidate["index"] = json!(index));
        json!({ "candidates": [candidate] })
    };
    type Event<'e> = &'e dyn Fn(Option<u64>, &str) -> Value;
    for (api, event) in [(Api::OpenAiChat, &choice as Event<'_>), (Api::Gemini, &candidate as Event<'_>)] {
        for (one, other) in [(None, Some(0)), (Some(0), None)] {
            let given = filtered(KEY, vec![event(one, first), event(Some(1), "so"), event(other, second)]);
            assert_eq!(given, [event(one, "[redacted]"), event(Some(1), "so"), event(other, "")]);
            assert_eq!(answer(api, &given).1, "[redacted]");
        }
    }
}

#[test]
fn alternatives_are_no_part_of_what_was_chosen() {
    let (first, second) = KEY.split_at(14);
    let token =
        |token: &str| json!({ "token": token, "logprob": -1.0, "top_logprobs": [{ "token": "so" }, { "token": "then" }] });
    let chunk = |tokens: [&str; 2]| json!({ "choices": [{ "index": 0, "logprobs": { "content": tokens.map(token) } }] });
    let given = filtered(KEY, vec![chunk(["Say ", first]), chunk([second, "."])]);
    assert_eq!(given, [chunk(["Say ", "[redacted]"]), chunk(["", "."])]);
}

/// With more texts side by side than are kept in mind, those that tell something are kept.
#[test]
fn many_texts_do_not_hide_a_key() {
    let (first, second) = KEY.split_at(6);
    let filler = (0..3_000).map(|number| json!({ format!("n{number}"): "\\" }));
    let events: Vec<Value> = [json!({ "a": first })].into_iter().chain(filler).chain([json!({ "a": second })]).collect();
    let given = filtered(KEY, events);
    assert_eq!(given.last(), Some(&json!({ "a": "[redacted]" })));

    let mut filter = filter_of(KEY);
    for number in 0..MOST_OPEN {
        filter.push(json!({ format!("n{number}"): first })).unwrap();
    }
    let more = json!({ "a": "so", "z": first });
    assert_eq!((filter.push(more.clone()), filter.push(more)), (Err(Crowded), Err(Crowded)));
    filter.finish();
    assert_eq!(filter.next(), None, "what waited may have a part of it");
}

/// A text that ends like the key holds nothing up for long, and the rest of it is found all the same.
#[test]
fn nothing_waits_for_what_does_not_go_on() {
    let event = |piece: &str| delta(Api::AnthropicMessages, false, piece);
    let input = |piece: &str| delta(Api::AnthropicMessages, true, piece);
    let stop = json!({ "type": "content_block_stop", "index": 0 });
    for (cut, shown, rest) in [(6, &KEY[..6], "[redacted]"), (14, "[redacted]", "[redacted]")] {
        let (first, second) = KEY.split_at(cut);
        let mut filter = filter_of(KEY);
        let mut push = |event: &Value| {
            filter.push(event.clone()).unwrap();
            std::iter::from_fn(|| filter.next()).collect::<Vec<_>>()
        };
        assert!(push(&event(first)).is_empty());
        assert_eq!(push(&stop), [event(shown), stop.clone()], "the block is over");
        assert_eq!(push(&input("{}")), [input("{}")]);
        assert_eq!(push(&event(second)), [event(rest)], "it went on in the next block");

        assert!(push(&event(first)).is_empty());
        let waits = (1..LONGEST_WAIT).map(|_| push(&input(" ")).len()).sum::<usize>();
        assert_eq!((waits, push(&input(" ")).len()), (0, LONGEST_WAIT as usize + 1));
        // Where it goes on as it was, what is missing is marked already.
        let rest = if cut < FRAGMENT { rest } else { "" };
        assert_eq!(push(&event(&format!("{second}."))), [event(&format!("{rest}."))]);
    }
}

#[test]
fn what_all_keys_of_a_provider_begin_with_does_not_wait() {
    let key = "sk-or-v1-QzX93kT0vLw7QzX93kT0vLw7";
    let said = |pieces: &[&str]| said((Api::OpenAiChat, false), key, pieces);
    let mut filter = filter_of(key);
    let event = delta(Api::OpenAiChat, false, "Keys begin with sk-or-v1-");
    filter.push(event.clone()).unwrap();
    assert_eq!(filter.next(), Some(event));
    assert_eq!(said(&["Keys begin with sk-or-v1-"]), "Keys begin with sk-or-v1-");
    assert_eq!(said(&["Say sk-or-v1-QzX93kT0v"]), "Say [redacted]", "cut off");
    for cut in 1..key.len() {
        let text = said(&["Say ", &key[..cut], &key[cut..], "."]);
        assert!(text.ends_with("[redacted].") && !text.contains("QzX9") && !text.contains("vLw7"), "{text}");
    }
}
