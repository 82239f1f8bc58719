//! What cannot be said is refused and not left out.

use serde_json::json;

use super::*;

fn refusal(translation: Translation, more: &Value) -> Option<String> {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "q" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Asked::of(translation, &RawRequest::new(body), "m").err().map(|error| error.to_string())
}

#[test]
fn what_the_translator_leaves_out_is_an_error() {
    let picture = |url: &str| json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": url } }] }] });
    for (more, ollama) in [
        (json!({ "seed": 7 }), true),
        (json!({ "response_format": { "type": "json_object" } }), true),
        (json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": {} } } }), false),
        (json!({ "tool_choice": "required" }), false),
        (json!({ "parallel_tool_calls": false }), false),
        (json!({ "n": 2 }), false),
        (json!({ "top_k": 2 }), false),
        (json!({ "frequency_penalty": 0.5 }), false),
        (json!({ "reasoning_effort": "high" }), false),
        (json!({ "service_tier": "flex" }), false),
        (json!({ "user": "me" }), false),
        (json!({ "guardrailConfig": {} }), false),
        (json!({ "tools": [{ "type": "web_search" }] }), false),
        (json!({ "messages": [{ "role": "user", "content": "q", "name": "me" }] }), false),
        (json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "q", "cache_control": {} }] }] }), false),
        (json!({ "messages": [{ "role": "user", "content": [{ "type": "input_audio" }] }] }), false),
        (json!({ "messages": [{ "role": "user", "content": "q" }, { "role": "system", "content": "s" }] }), true),
        (picture("https://example.com/a.png"), false),
        (picture("data:image/svg+xml;base64,AA=="), false),
    ] {
        for translation in Translation::ALL {
            let refused = refusal(translation, &more);
            let taken = ollama && translation == Translation::OllamaChat;
            assert_eq!(refused.is_none(), taken, "{translation:?} {more} {refused:?}");
            assert!(refused.is_none_or(|text| text.contains("has no way to say")), "{more}");
        }
    }
    // What means nothing, or is what happens anyway, is no reason.
    let usual =
        json!({ "tool_choice": "auto", "parallel_tool_calls": true, "n": 1, "stream_options": { "include_usage": true } });
    assert_eq!(Translation::ALL.map(|translation| refusal(translation, &usual)), [None, None, None]);
}

#[test]
fn cohere_has_text_alone_and_the_user_last() {
    let tool = json!({ "tools": [{ "type": "function", "function": { "name": "f" } }] });
    let answered = json!({ "messages": [{ "role": "user", "content": "q" }, { "role": "assistant", "content": "a" }] });
    for (more, only_cohere) in [(tool, true), (answered, true)] {
        let refused = Translation::ALL.map(|translation| refusal(translation, &more).is_some());
        assert_eq!(refused, [false, only_cohere, false], "{more}");
    }
}

#[test]
fn a_name_that_the_translator_would_change_is_refused() {
    let body = RawRequest::new(json!({ "messages": [{ "role": "user", "content": "q" }] }));
    assert!(Asked::of(Translation::OllamaChat, &body, "openai::gpt").is_err());
}

#[test]
fn paths_are_read_as_they_are_meant() {
    assert_eq!(decoded("/model/a%3Ab/converse").as_deref(), Some("/model/a:b/converse"));
    assert_eq!(decoded("/a%2").as_deref(), None);
    assert_eq!(decoded("/%ff").as_deref(), None);
}
