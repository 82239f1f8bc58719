//! What a model thought goes back to who wrote it, as it came, and to nobody else.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::some_text;
use crate::chat::thinking::{Thinker, keep_thinking};
use crate::chat::{ChatRequest, Message, RawRequest};
use crate::codec::Api;

/// Stands in everything that is thinking, and in nothing else.
const MARK: &str = "thought-";

/// A step of an answer: what was thought before it, if anything, and a text or a call.
#[derive(Clone, Debug)]
struct Step {
    thought: Option<u8>,
    text: Option<String>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = |text: BoxedStrategy<Option<String>>| {
        (prop::option::of(any::<u8>()), text).prop_map(|(thought, text)| Step { thought, text })
    };
    let said = step(some_text().prop_map(|text| Some(format!("{text}."))).boxed());
    // Calls come after texts: a message has its text first.
    (prop::collection::vec(said, 0..3), prop::collection::vec(step(Just(None).boxed()), 1..3))
        .prop_map(|(said, calls)| said.into_iter().chain(calls).collect())
}

/// What the provider's document has of the steps, in its order, and the request's elements that have to say the same.
fn document(api: Api, steps: &[Step]) -> (Value, Vec<Value>) {
    let mut out = Vec::new();
    for (index, Step { thought, text }) in steps.iter().enumerate() {
        let thought = thought.map(|number| format!("{MARK}{number}"));
        match api {
            Api::AnthropicMessages => {
                out.extend(
                    thought.map(|thought| json!({"type": "thinking", "thinking": thought, "signature": format!("{MARK}s")})),
                );
                out.push(match text {
                    Some(text) => json!({"type": "text", "text": text}),
                    None => json!({"type": "tool_use", "id": format!("c{index}"), "name": "f", "input": {"a": index}}),
                });
            }
            Api::OpenAiResponses => {
                out.extend(thought.map(|thought| {
                    json!({"type": "reasoning", "id": format!("rs{index}"), "summary": [], "encrypted_content": thought})
                }));
                out.push(match text {
                    Some(text) => {
                        json!({"type": "message", "id": format!("m{index}"), "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": text, "annotations": []}]})
                    }
                    None => {
                        json!({"type": "function_call", "id": format!("fc{index}"), "call_id": format!("c{index}"), "name": "f",
                        "arguments": json!({"a": index}).to_string(), "status": "completed"})
                    }
                });
            }
            Api::Gemini => {
                let mut part = match text {
                    Some(text) => json!({"text": text}),
                    None => json!({"functionCall": {"id": format!("c{index}"), "name": "f", "args": {"a": index}}}),
                };
                if let Some(thought) = thought {
                    part["thoughtSignature"] = json!(thought);
                }
                out.push(part);
            }
            Api::OpenAiChat => {}
        }
    }
    let whole = match api {
        Api::AnthropicMessages => json!({"id": "m", "type": "message", "role": "assistant", "model": "c", "content": out}),
        Api::OpenAiResponses => json!({"id": "r", "status": "completed", "model": "m", "output": out}),
        Api::Gemini => json!({"candidates": [{"content": {"role": "model", "parts": out}, "finishReason": "STOP"}]}),
        Api::OpenAiChat => {
            let calls: Vec<Value> = (0..steps.iter().filter(|step| step.text.is_none()).count())
                .map(|index| {
                    json!({"id": format!("c{index}"), "type": "function", "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"google": {"thought_signature": format!("{MARK}{index}")}}})
                })
                .collect();
            let text: String = steps.iter().filter_map(|step| step.text.as_deref()).collect();
            let message = json!({"role": "assistant", "content": text, "reasoning_content": format!("{MARK}c"),
                "reasoning_details": [{"type": "reasoning.encrypted", "data": format!("{MARK}d")}], "tool_calls": calls});
            json!({"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
        }
    };
    (whole, out)
}

/// The message that goes on after `document`, as it comes back from its author.
fn continued(api: Api, document: &Value) -> Message {
    let message = api.protocol().decode_response(document).unwrap().to_message();
    serde_json::from_value(serde_json::to_value(message).unwrap()).unwrap()
}

fn encoded(api: Api, message: Message) -> Value {
    let request = ChatRequest::new("m", vec![Message::user("q"), message]);
    api.protocol().encode(&request, &RawRequest::new(json!({}))).unwrap().content
}

/// Thinking, texts and calls in their order, without what a request needs not have; texts that follow each other are one.
fn told(elements: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for element in elements {
        let text = match (&element["type"], &element["content"], &element["text"]) {
            (_, Value::Array(parts), _) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>()),
            (_, Value::String(text), _) | (_, _, Value::String(text)) if element["thoughtSignature"].is_null() => {
                Some(text.clone())
            }
            _ => None,
        };
        match (text, out.last_mut()) {
            (Some(text), Some(Value::String(before))) => before.push_str(&text),
            (Some(text), _) => out.push(Value::String(text)),
            (None, _) if element["type"] == "function_call" => {
                out.push(json!([element["call_id"], element["name"], element["arguments"]]));
            }
            (None, _) => out.push(element.clone()),
        }
    }
    out
}

fn elements(api: Api, body: &Value) -> Vec<Value> {
    let list = match api {
        Api::AnthropicMessages => &body["messages"][1]["content"],
        Api::Gemini => &body["contents"][1]["parts"],
        Api::OpenAiResponses => return body["input"].as_array().unwrap()[1..].to_vec(),
        Api::OpenAiChat => return Vec::new(),
    };
    list.as_array().cloned().unwrap_or_else(|| vec![json!({ "text": list })])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn thinking_goes_back_as_it_came_and_where_it_stood(steps in steps()) {
        for api in [Api::OpenAiResponses, Api::Gemini] {
            let (whole, expected) = document(api, &steps);
            let body = encoded(api, continued(api, &whole));
            prop_assert_eq!(told(&elements(api, &body)), told(&expected), "{}: {}", api, body);
        }
        // Calls stand last in a message: only what was thought before the first one has its place among the blocks.
        let calm: Vec<Step> = steps.iter().enumerate().map(|(index, step)| {
            let is_later = index > 0 && step.text.is_none() && steps[index - 1].text.is_none();
            Step { thought: step.thought.filter(|_| !is_later), ..step.clone() }
        }).collect();
        let (whole, expected) = document(Api::AnthropicMessages, &calm);
        let body = encoded(Api::AnthropicMessages, continued(Api::AnthropicMessages, &whole));
        prop_assert_eq!(told(&elements(Api::AnthropicMessages, &body)), told(&expected), "{}", body);
    }

    #[test]
    fn thinking_goes_to_nobody_else(steps in steps()) {
        for from in Api::ALL {
            let (whole, _) = document(from, &steps);
            let message = continued(from, &whole);
            for to in Api::ALL {
                let kept = match to {
                    Api::AnthropicMessages => Some(Thinker::Anthropic),
                    Api::OpenAiResponses => Some(Thinker::Responses),
                    Api::Gemini => Some(Thinker::Gemini),
                    Api::OpenAiChat => None,
                };
                let mut message = message.clone();
                prop_assert!(keep_thinking(&mut message, kept, to == Api::OpenAiChat), "there are calls");
                let body = encoded(to, message).to_string();
                prop_assert_eq!(body.contains(MARK), from == to && whole.to_string().contains(MARK), "{} to {}: {}", from, to, body);
            }
        }
    }
}

#[test]
fn chat_takes_its_keys_back_with_the_calls() {
    let (whole, _) = document(Api::OpenAiChat, &[Step { thought: None, text: None }]);
    let body = encoded(Api::OpenAiChat, continued(Api::OpenAiChat, &whole));
    let sent = &body["messages"][1];
    assert_eq!(sent["reasoning_content"], format!("{MARK}c"));
    assert_eq!(sent["reasoning_details"][0]["data"], format!("{MARK}d"));
    assert_eq!(sent["tool_calls"][0]["extra_content"]["google"]["thought_signature"], format!("{MARK}0"));
    // Without calls it goes back to nobody: some refuse it, and nobody needs it.
    let said = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "reasoning_content": "hm"}}]});
    assert_eq!(continued(Api::OpenAiChat, &said), Message::assistant("a"));
}

#[test]
fn what_the_provider_does_not_keep_is_not_named_to_it() {
    let of = |item: Value, store: bool| {
        let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
        let whole = json!({"id": "r", "status": "completed", "store": store, "output": [item, call]});
        elements(Api::OpenAiResponses, &encoded(Api::OpenAiResponses, continued(Api::OpenAiResponses, &whole)))
    };
    let named = json!({"type": "reasoning", "id": "rs", "summary": []});
    let encrypted = json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"});
    assert_eq!(of(named.clone(), true)[0], named);
    assert_eq!(of(encrypted.clone(), false)[0], encrypted);
    assert_eq!(of(named, false)[0]["type"], "function_call");
}

#[test]
fn thinking_alone_leaves_no_message_for_others() {
    let body = json!({"input": [{"type": "reasoning", "id": "rs", "summary": []}, {"role": "user", "content": "q"}]});
    let mut messages = Api::OpenAiResponses.protocol().decode(&RawRequest::new(body)).unwrap().messages;
    messages.retain_mut(|message| keep_thinking(message, None, true));
    assert_eq!(messages, [Message::user("q")]);
}

#[test]
fn streamed_details_of_thinking_are_put_together() {
    let mut aggregator = Api::OpenAiChat.protocol().aggregator();
    let piece = |text: &str| json!({"type": "reasoning.text", "text": text, "index": 0, "format": "x"});
    let signed = json!({"type": "reasoning.text", "signature": "s", "index": 0});
    let other = json!({"type": "reasoning.encrypted", "data": "d", "index": 1});
    for details in [vec![piece("a")], vec![piece("b")], vec![signed], vec![other.clone()]] {
        let chunk = json!({"choices": [{"index": 0, "delta": {"reasoning_details": details}}]});
        aggregator.push(&chunk).unwrap();
    }
    let whole = aggregator.finish();
    let text = json!({"type": "reasoning.text", "text": "ab", "index": 0, "format": "x", "signature": "s"});
    assert_eq!(whole["choices"][0]["message"]["reasoning_details"], json!([text, other]));
}
