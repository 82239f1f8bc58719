//! Single cases with their exact results.

use serde_json::{Value, json};

use crate::chat::{FinishReason, Message, Part, RawRequest, ResponseFormat, ToolChoice};
use crate::codec::{Api, CodecError, ErrorClass, GeminiCall};

fn encode(api: Api, body: Value, change: impl FnOnce(&mut crate::chat::ChatRequest)) -> Value {
    let raw = RawRequest::new(body);
    let mut request = api.protocol().decode(&raw).unwrap();
    change(&mut request);
    api.protocol().encode(&request, &raw).unwrap().content
}

#[test]
fn a1_the_common_shape_as_events_show_it() {
    let body = json!({"max_tokens": 99, "model": "gpt-4o-mini", "seed": 7, "temperature": 0.0,
        "messages": [{"content": "be brief", "role": "system"}, {"content": "my ssn is 123-45-6789", "role": "user"}]});
    let request = Api::OpenAiChat.protocol().decode(&RawRequest::new(body)).unwrap();
    assert_eq!(
        serde_json::to_value(&request).unwrap(),
        json!({"messages": [{"content": "be brief", "role": "system"}, {"content": "my ssn is 123-45-6789", "role": "user"}],
            "model": "gpt-4o-mini", "params": {"max_tokens": 99, "temperature": 0.0}, "seed": 7})
    );
    assert_eq!(request.system_prompt(), Some("be brief"));
    assert_eq!(request.last_user_message(), Some("my ssn is 123-45-6789"));
    let response = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024", "system_fingerprint": "fp",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "secret 123-45-6789"}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 4}}});
    let response = Api::OpenAiChat.protocol().decode_response(&response).unwrap();
    assert_eq!(
        serde_json::to_value(&response).unwrap(),
        json!({"api_specific": {"api": "openai_chat", "system_fingerprint": "fp"}, "created": 1, "finish_reason": "complete", "id": "chatcmpl-1",
            "message": "secret 123-45-6789", "model": "gpt-4o-mini-2024", "object": "chat.completion",
            "usage": {"cache_read_tokens": 4, "completion_tokens": 5, "prompt_tokens": 20, "total_tokens": 25}})
    );
}

#[test]
fn a1_chunks_as_events_show_them() {
    let summary = |index, chunk: Value| Api::OpenAiChat.protocol().chunk_summary(index, &chunk);
    let chunk = |choices: Value, usage: Value| json!({"object": "chat.completion.chunk", "choices": choices, "usage": usage});
    assert_eq!(
        summary(1, chunk(json!([{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]), Value::Null)),
        json!({"choice_indices": [0], "chunk_index": 1, "event_type": "chat.completion.chunk",
            "finish_reasons": [{"choice_index": 0, "finish_reason": "stop"}], "provider": "openai_chat_completions"})
    );
    assert_eq!(
        summary(2, chunk(json!([]), json!({"completion_tokens": 2, "prompt_tokens": 1, "total_tokens": 3}))),
        json!({"chunk_index": 2, "event_type": "chat.completion.chunk", "provider": "openai_chat_completions",
            "usage": {"completion_tokens": 2, "prompt_tokens": 1, "total_tokens": 3}})
    );
}

#[test]
fn a_streamed_chat_asks_for_its_usage() {
    let stream = |body: Value| encode(Api::OpenAiChat, body, |_| {})["stream_options"].clone();
    assert_eq!(stream(json!({"messages": [], "stream": true})), json!({"include_usage": true}));
    assert_eq!(
        stream(json!({"messages": [], "stream": true, "stream_options": {"x": 1}})),
        json!({"x": 1, "include_usage": true})
    );
    assert_eq!(
        stream(json!({"messages": [], "stream": true, "stream_options": {"include_usage": false}})),
        json!({"include_usage": false})
    );
    assert_eq!(stream(json!({"messages": [], "stream": false})), Value::Null);
}

#[test]
fn the_limit_of_tokens_keeps_its_name() {
    let limit = |body: Value| encode(Api::OpenAiChat, body, |request| request.params.max_tokens = Some(5));
    assert_eq!(limit(json!({"max_tokens": 9})), json!({"max_tokens": 5}));
    assert_eq!(limit(json!({"max_completion_tokens": 9})), json!({"max_completion_tokens": 5}));
    assert_eq!(limit(json!({"model": "openai/gpt-5-mini"})), json!({"model": "openai/gpt-5-mini", "max_completion_tokens": 5}));
    assert_eq!(limit(json!({"model": "llama"})), json!({"model": "llama", "max_tokens": 5}));
    let responses = encode(Api::OpenAiResponses, json!({"max_tokens": 9}), |request| request.params.max_tokens = Some(5));
    assert_eq!(responses, json!({"max_output_tokens": 5}));
    assert_eq!(encode(Api::AnthropicMessages, json!({"messages": []}), |_| {})["max_tokens"], json!(4096));
}

#[test]
fn redacting_a_block_keeps_what_stands_beside_it() {
    let block = json!({"type": "text", "text": "secret", "cache_control": {"type": "ephemeral"}});
    let body = json!({"max_tokens": 1, "system": [block], "messages": [{"role": "user", "content": [block, {"type": "document", "x": 1}]}]});
    let encoded = encode(Api::AnthropicMessages, body, |request| {
        for message in &mut request.messages {
            message.content.as_mut().unwrap().for_each_text(|text| *text = "***".to_owned());
        }
    });
    let hidden = json!({"type": "text", "text": "***", "cache_control": {"type": "ephemeral"}});
    assert_eq!(
        encoded,
        json!({"max_tokens": 1, "system": [hidden], "messages": [{"role": "user", "content": [hidden, {"type": "document", "x": 1}]}]})
    );
}

#[test]
fn results_of_tools_share_one_element() {
    let encoded = encode(Api::AnthropicMessages, json!({"max_tokens": 1}), |request| {
        request.messages = vec![Message::system("s"), Message::tool("a", "1"), Message::tool("b", "2"), Message::user("go on")];
    });
    assert_eq!(encoded["system"], json!("s"));
    assert_eq!(
        encoded["messages"],
        json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": "2"}]}, {"role": "user", "content": "go on"}])
    );
}

#[test]
fn choices_of_tools_in_the_words_of_anthropic() {
    let choose = |choice: Option<ToolChoice>, parallel| {
        encode(Api::AnthropicMessages, json!({"max_tokens": 1}), |request| {
            request.tool_choice = choice;
            request.parallel_tool_calls = parallel;
        })["tool_choice"]
            .clone()
    };
    assert_eq!(choose(Some(ToolChoice::Required), None), json!({"type": "any"}));
    assert_eq!(
        choose(Some(ToolChoice::Function("f".to_owned())), Some(false)),
        json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true})
    );
    assert_eq!(choose(None, Some(false)), json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(choose(None, Some(true)), Value::Null);
}

#[test]
fn schemas_of_answers_in_all_protocols() {
    let format: ResponseFormat = serde_json::from_value(
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}}),
    )
    .unwrap();
    let encode = |api| encode(api, json!({}), |request| request.response_format = Some(format.clone()));
    assert_eq!(
        encode(Api::OpenAiResponses)["text"]["format"],
        json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true})
    );
    assert_eq!(
        encode(Api::AnthropicMessages)["output_config"],
        json!({"format": {"type": "json_schema", "schema": {"type": "object"}}})
    );
    assert_eq!(
        encode(Api::Gemini)["generationConfig"],
        json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}})
    );
}

#[test]
fn instructions_of_responses_stand_first() {
    let body = json!({"instructions": "a", "input": "q"});
    let request = Api::OpenAiResponses.protocol().decode(&RawRequest::new(body.clone())).unwrap();
    assert_eq!(request.messages, [Message::system("a"), Message::user("q")]);
    let changed = encode(Api::OpenAiResponses, body.clone(), |request| request.messages[0] = Message::system("b"));
    assert_eq!(changed, json!({"instructions": "b", "input": "q"}));
    let without = encode(Api::OpenAiResponses, body, |request| request.messages = vec![Message::user("r")]);
    assert_eq!(without, json!({"input": "r"}));
    let inside = json!({"input": [{"role": "system", "content": "a"}, {"role": "user", "content": "q"}]});
    let changed = encode(Api::OpenAiResponses, inside, |request| request.messages[1] = Message::user("r"));
    assert_eq!(changed["input"][0], json!({"role": "system", "content": "a"}));
    assert_eq!(changed["instructions"], Value::Null);
}

#[test]
fn gemini_names_the_model_in_the_address() {
    let call = GeminiCall::of(&json!({"model": "models/gemini-3", "stream": true, "contents": []})).unwrap();
    assert_eq!(call, GeminiCall { model: "gemini-3".to_owned(), stream: true, body: json!({"contents": []}) });
    assert!(GeminiCall::of(&json!({"contents": []})).is_err());
}

#[test]
fn results_of_gemini_name_the_call_that_they_answer() {
    let body = encode(Api::Gemini, json!({}), |request| {
        for name in ["first", "second"] {
            let answer = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": name}}]}}]});
            let message = Api::Gemini.protocol().decode_response(&answer).unwrap().to_message();
            let id = message.tool_calls[0].id.clone();
            request.messages.extend([message, Message::tool(id, "done")]);
        }
    });
    let name = |turn: usize| body["contents"][turn]["parts"][0]["functionResponse"]["name"].clone();
    assert_eq!((name(1), name(3)), (json!("first"), json!("second")));
}

#[test]
fn the_other_spelling_of_gemini_does_not_get_past_policies() {
    for (body, path) in [
        (json!({"system_instruction": {"parts": [{"text": "x"}]}}), "system_instruction"),
        (json!({"generationConfig": {"max_output_tokens": 9}}), "generationConfig.max_output_tokens"),
        (json!({"contents": [{"parts": [{"inline_data": {}}]}]}), "parts.inline_data"),
        (json!({"tools": [{"function_declarations": []}]}), "tools.function_declarations"),
    ] {
        let error = Api::Gemini.protocol().decode(&RawRequest::new(body)).unwrap_err();
        assert_eq!(error, CodecError::request(path, "written in camel case, as in the API's reference"));
    }
}

#[test]
fn pictures_go_from_one_protocol_to_the_others() {
    let body = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]});
    let request = Api::OpenAiChat.protocol().decode(&RawRequest::new(body)).unwrap();
    let encode = |api: Api| api.protocol().encode(&request, &RawRequest::new(json!({}))).unwrap().content;
    assert_eq!(
        encode(Api::AnthropicMessages)["messages"][0]["content"][0],
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}})
    );
    assert_eq!(encode(Api::Gemini)["contents"][0]["parts"][0], json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}}));
    assert_eq!(
        encode(Api::OpenAiResponses)["input"][0]["content"][0],
        json!({"type": "input_image", "image_url": "data:image/png;base64,AA=="})
    );
    assert!(
        matches!(request.messages[0].content, Some(crate::chat::Content::Parts(ref parts)) if matches!(parts[0], Part::Image(_)))
    );
}

#[test]
fn why_models_stop() {
    let chat = |reason: &str| json!({"choices": [{"index": 0, "finish_reason": reason, "message": {"content": "x"}}]});
    let anthropic = |reason: &str| json!({"content": [], "stop_reason": reason});
    let responses =
        |status: &str, reason: &str| json!({"output": [], "status": status, "incomplete_details": {"reason": reason}});
    let gemini = |reason: &str| json!({"candidates": [{"finishReason": reason}]});
    let cases = [
        (Api::OpenAiChat, chat("stop"), FinishReason::Complete),
        (Api::OpenAiChat, chat("function_call"), FinishReason::ToolUse),
        (Api::OpenAiChat, chat("new"), FinishReason::Unknown("new".to_owned())),
        (Api::AnthropicMessages, anthropic("stop_sequence"), FinishReason::Complete),
        (Api::AnthropicMessages, anthropic("max_tokens"), FinishReason::Length),
        (Api::AnthropicMessages, anthropic("refusal"), FinishReason::ContentFilter),
        (Api::OpenAiResponses, responses("incomplete", "max_output_tokens"), FinishReason::Length),
        (Api::OpenAiResponses, responses("incomplete", "content_filter"), FinishReason::ContentFilter),
        (Api::OpenAiResponses, json!({"output": [], "status": "completed"}), FinishReason::Complete),
        (Api::Gemini, gemini("SAFETY"), FinishReason::ContentFilter),
        (Api::Gemini, gemini("MAX_TOKENS"), FinishReason::Length),
        (Api::Gemini, json!({"promptFeedback": {"blockReason": "SAFETY"}}), FinishReason::ContentFilter),
    ];
    for (api, response, expected) in cases {
        assert_eq!(api.protocol().decode_response(&response).unwrap().finish_reason, Some(expected), "{response}");
    }
    assert_eq!(serde_json::to_value(FinishReason::Unknown("x".to_owned())).unwrap(), json!({"unknown": "x"}));
}

#[test]
fn reported_costs_are_read() {
    let response = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.00014}});
    let usage = Api::OpenAiChat.protocol().decode_response(&response).unwrap().usage.unwrap();
    assert_eq!((usage.total_tokens, usage.reported_cost_nanodollars), (Some(3), Some(140_000)));
    let own_key = |details: Value| {
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "cost": 0, "is_byok": true, "cost_details": details});
        let response = Api::OpenAiChat.protocol().decode_response(&json!({"choices": [], "usage": usage})).unwrap();
        response.usage.unwrap().reported_cost_nanodollars
    };
    assert_eq!(own_key(json!({"upstream_inference_cost": 0.036_079_5})), Some(36_079_500));
    assert_eq!(own_key(Value::Null), None, "unknown is not nothing");
}

#[test]
fn thinking_that_is_counted_beside_the_answer_is_added() {
    let written = |usage: Value| {
        let response = json!({"choices": [], "usage": usage});
        Api::OpenAiChat.protocol().decode_response(&response).unwrap().usage.unwrap().completion_tokens
    };
    let usage = |written: u64, thought: u64, total: u64| {
        json!({"prompt_tokens": 12, "completion_tokens": written, "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": thought}})
    };
    assert_eq!(written(usage(1, 386, 399)), Some(387), "xAI");
    assert_eq!(written(usage(387, 386, 399)), Some(387), "OpenAI");
    assert_eq!(written(usage(1, 0, 13)), Some(1));
    assert_eq!(written(usage(u64::MAX, 1, 12)), Some(u64::MAX));
}

#[test]
fn arguments_that_are_no_text_are_kept() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}});
    let response =
        json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"content": null, "tool_calls": [call]}}]});
    let read = Api::OpenAiChat.protocol().decode_response(&response).unwrap();
    assert_eq!(read.tool_calls[0].arguments, json!({"a": 1}));
}

fn streamed_calls(calls: &[Value]) -> Value {
    let mut aggregator = Api::OpenAiChat.protocol().aggregator();
    for call in calls {
        aggregator.push(&json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})).unwrap();
    }
    aggregator.finish()["choices"][0]["message"]["tool_calls"].clone()
}

#[test]
fn calls_that_share_a_number_stay_apart() {
    let whole = |id: &str, arguments: &str| json!({"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let calls = streamed_calls(&[whole("a", "{\"x\":1}"), whole("b", "{\"x\":2}")]);
    assert_eq!(calls[0]["function"]["arguments"], "{\"x\":1}");
    assert_eq!((&calls[1]["id"], &calls[1]["function"]["arguments"]), (&json!("b"), &json!("{\"x\":2}")));
    // Servers that make up an identifier for every piece mean one call.
    let piece = |id: &str, arguments: &str| json!({"index": 0, "id": id, "function": {"arguments": arguments}});
    let calls = streamed_calls(&[whole("a", ""), piece("b", "{\"x\""), piece("c", ":1}")]);
    assert_eq!((calls.as_array().unwrap().len(), &calls[0]["function"]["arguments"]), (1, &json!("{\"x\":1}")));
}

#[test]
fn failures_in_a_stream_are_typed() {
    let failures = [
        (Api::OpenAiChat, json!({"error": {"code": 429, "message": "slow down"}, "choices": []}), ErrorClass::RateLimited),
        (
            Api::AnthropicMessages,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
            ErrorClass::Overloaded,
        ),
        (Api::OpenAiResponses, json!({"type": "error", "code": "rate_limit_exceeded", "message": "x"}), ErrorClass::RateLimited),
        (Api::Gemini, json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}), ErrorClass::Overloaded),
    ];
    for (api, chunk, class) in failures {
        match api.protocol().aggregator().push(&chunk) {
            Err(CodecError::Provider(error)) => assert_eq!(error.class, class, "{chunk}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn errors_name_the_place_and_quote_nothing() {
    let refuse = |api: Api, body: Value| api.protocol().decode(&RawRequest::new(body)).unwrap_err().to_string();
    assert_eq!(refuse(Api::OpenAiChat, json!({"temperature": "SECRET"})), "request: `temperature` is not a number");
    assert_eq!(refuse(Api::OpenAiChat, json!({"messages": [{"content": "SECRET"}]})), "request: `messages[0]` is not a message");
    assert_eq!(
        refuse(Api::AnthropicMessages, json!({"messages": [{"role": "user"}]})),
        "request: `messages[0].content` is not text or an array of blocks"
    );
    assert_eq!(
        refuse(Api::Gemini, json!({"generationConfig": {"topK": -1}})),
        "request: `generationConfig.topK` is not a whole number that is not negative"
    );
    assert_eq!(refuse(Api::OpenAiResponses, json!({"input": 7})), "request: `input` is not text or an array");
}
