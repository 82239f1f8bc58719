//! One conversation in all protocols: what fallbacks from one provider to another stand on.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{any_object, some_text};
use crate::chat::{ChatRequest, Content, Message, RawRequest, Role, Tool, ToolCall, ToolChoice};
use crate::codec::{Api, CodecError};

/// What a conversation says, without how a protocol divides it into messages.
fn sayings(messages: &[Message]) -> Vec<Value> {
    let mut out = Vec::new();
    for message in messages {
        let text = message.text();
        match &message.tool_call_id {
            Some(id) => out.push(json!({"answers": id, "text": text})),
            None if text.is_empty() => {}
            None => out.push(json!({"role": message.role, "text": text})),
        }
        for call in &message.tool_calls {
            let arguments: Value = serde_json::from_str(&call.function.arguments).unwrap();
            out.push(json!({"calls": call.id, "name": call.function.name, "arguments": arguments}));
        }
    }
    out
}

fn conversation() -> impl Strategy<Value = ChatRequest> {
    let text = || some_text().prop_map(|text| format!("{text}."));
    let round = (text(), prop::option::of(text()), prop::collection::vec((any_object(), text()), 0..3));
    (prop::option::of(text()), prop::collection::vec(round, 1..3), 0..5_u8).prop_map(|(system, rounds, choice)| {
        let mut messages: Vec<Message> = system.map(Message::system).into_iter().collect();
        for (place, (question, answer, calls)) in rounds.into_iter().enumerate() {
            messages.push(Message::user(question));
            let id = |index: usize| format!("call-{place}-{index}");
            let tool_calls: Vec<ToolCall> = calls
                .iter()
                .enumerate()
                .map(|(index, (input, _))| ToolCall::function(id(index), "f", input.to_string()))
                .collect();
            if answer.is_some() || !tool_calls.is_empty() {
                let content = answer.map(Content::Text);
                messages.push(Message { content, tool_calls, ..Message::new(Role::Assistant, "") });
            }
            messages.extend(calls.into_iter().enumerate().map(|(index, (_, result))| Message::tool(id(index), result)));
        }
        let mut request = ChatRequest::new("m", messages);
        request.params.temperature = Some(0.5);
        request.params.max_tokens = Some(77);
        request.tools = vec![Tool::function("f", Some("does".to_owned()), json!({"type": "object"}))];
        request.tool_choice = match choice {
            0 => None,
            1 => Some(ToolChoice::Auto),
            2 => Some(ToolChoice::None),
            3 => Some(ToolChoice::Required),
            _ => Some(ToolChoice::Function("f".to_owned())),
        };
        request
    })
}

proptest! {
    #[test]
    fn every_protocol_says_the_same(request in conversation()) {
        for api in Api::ALL {
            let raw = api.protocol().encode(&request, &RawRequest::new(json!({}))).unwrap();
            let read = api.protocol().decode(&raw).unwrap();
            prop_assert_eq!(sayings(&read.messages), sayings(&request.messages), "{}: {}", api, raw.content);
            prop_assert_eq!((&read.model, &read.params), (&request.model, &request.params));
            prop_assert_eq!((&read.tools, &read.tool_choice), (&request.tools, &request.tool_choice));
        }
    }
}

#[test]
fn what_a_protocol_cannot_say_is_refused() {
    let refused = |api: Api, change: fn(&mut ChatRequest)| {
        let mut request = ChatRequest::new("m", vec![Message::user("x")]);
        change(&mut request);
        let result = api.protocol().encode(&request, &RawRequest::new(json!({})));
        matches!(result, Err(CodecError::Unsupported { .. }))
    };
    assert!(refused(Api::AnthropicMessages, |request| request.seed = Some(1)));
    assert!(refused(Api::AnthropicMessages, |request| request.messages.push(Message::system("late"))));
    assert!(refused(Api::OpenAiResponses, |request| request.params.stop = Some(vec!["x".to_owned()])));
    assert!(refused(Api::Gemini, |request| request.previous_response_id = Some("x".to_owned())));
    for api in Api::ALL {
        let has_names = api == Api::OpenAiChat;
        assert_eq!(refused(api, |request| request.messages[0].name = Some("ann".to_owned())), !has_names, "{api}");
        let picture = |request: &mut ChatRequest, detail: &str| {
            let part = json!({ "type": "image_url", "image_url": { "url": "https://x.test/a.png", "detail": detail } });
            request.messages[0].content = Some(serde_json::from_value(json!([part])).unwrap());
        };
        let has_detail = matches!(api, Api::OpenAiChat | Api::OpenAiResponses);
        let low = |request: &mut ChatRequest| picture(request, "low");
        let auto = |request: &mut ChatRequest| picture(request, "auto");
        let asked = |change: &dyn Fn(&mut ChatRequest)| {
            let mut request = ChatRequest::new("m", vec![Message::user("x")]);
            change(&mut request);
            api.protocol().encode(&request, &RawRequest::new(json!({}))).is_ok()
        };
        assert_eq!((asked(&low), asked(&auto)), (has_detail, true), "{api}");
    }
    assert!(!refused(Api::AnthropicMessages, |request| request.n = Some(1)));
    assert!(!refused(Api::Gemini, |request| request.seed = Some(1)));
}
