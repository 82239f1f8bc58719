//! What a budget refuses because nobody can count it.

use super::*;
use crate::codec::Api;
use crate::policy::{TokenEstimate, estimate_input_tokens};
use serde_json::json;

fn decoded(api: Api, body: Value) -> ChatRequest {
    api.protocol().decode(&crate::chat::RawRequest::new(body)).unwrap()
}

#[test]
fn models_that_search_are_told_by_whoever_serves_them() {
    for model in [
        "openrouter/openai/gpt-4o-mini:online",
        "openrouter/openai/gpt-4o:nitro:online",
        "openai/gpt-4o-search-preview",
        "openrouter/openai/gpt-4o-mini-search-preview-2025-03-11",
        "openai/gpt-5-search-api",
        "perplexity/sonar",
        "openrouter/perplexity/Sonar-Pro",
        "openrouter/perplexity/llama-3.1-sonar-large-128k-online",
        "openai/o3-deep-research",
        "groq/compound-beta",
        "openrouter/groq/compound",
        "groq/groq/compound-mini",
    ] {
        assert!(searches_by_itself(model), "{model}");
    }
    for model in [
        "openai/gpt-4o-mini",
        "openrouter/openai/gpt-4o:free",
        "openrouter/anthropic/claude-sonnet-4.5:thinking",
        "perplexity/r1-1776",
        "groq/llama-3.3-70b-versatile",
        "ollama/qwen3:8b",
    ] {
        assert!(!searches_by_itself(model), "{model}");
    }
}

#[test]
fn settings_that_nobody_knows_are_told_where_they_stand() {
    let google = |inner: Value| json!({ "messages": [], "extra_body": { "google": inner } });
    for (body, key) in [
        (google(json!({ "cached_content": "c" })), "extra_body.google.cached_content"),
        (google(json!({ "tools": [{}] })), "extra_body.google.tools"),
        (json!({ "messages": [], "google": { "cachedContent": "c" } }), "google.cachedContent"),
        (json!({ "messages": [], "extra_body": { "enable_search": true } }), "extra_body.enable_search"),
        (json!({ "messages": [], "extra_body": { "extra_body": { "tools": [{}] } } }), "extra_body.extra_body.tools"),
        // These would go past the limit of tokens, or to another model.
        (json!({ "messages": [], "extra_body": { "max_tokens": 100_000 } }), "extra_body.max_tokens"),
        (json!({ "messages": [], "max_output_tokens": 100_000 }), "max_output_tokens"),
        (json!({ "messages": [], "best_of": 20 }), "best_of"),
        (json!({ "messages": [], "models": ["a/dear-one"] }), "models"),
        (json!({ "messages": [], "extra_body": "all" }), "extra_body"),
        (json!({ "messages": [], "google": ["x"] }), "google"),
        (json!({ "messages": [], "dataSources": [{ "type": "azure_search" }] }), "dataSources"),
        (json!({ "messages": [], "web_search": { "enable": true } }), "web_search"),
        (json!({ "messages": [], "modalities": ["text", "audio"] }), "modalities"),
        (json!({ "messages": [], "not_there\nyet": 1 }), "not_thereyet"),
    ] {
        assert_eq!(unseen_input(&decoded(Api::OpenAiChat, body)).as_deref(), Some(key));
    }
    let images = json!({ "contents": [], "generationConfig": { "responseModalities": ["IMAGE"] } });
    assert_eq!(unseen_input(&decoded(Api::Gemini, images)).as_deref(), Some("generationConfig.responseModalities"));
    let fast = json!({ "max_tokens": 1, "messages": [], "speed": "fast" });
    assert_eq!(unseen_input(&decoded(Api::AnthropicMessages, fast)).as_deref(), Some("speed"));

    for (api, body) in [
        (Api::OpenAiChat, google(json!({ "thinking_config": { "thinking_budget": 800 } }))),
        (Api::OpenAiChat, google(Value::Null)),
        (Api::OpenAiChat, json!({ "messages": [], "enable_search": false, "plugins": null })),
        (Api::OpenAiChat, json!({ "messages": [], "reasoning_effort": "low", "logit_bias": {}, "extra_body": { "top_k": 5 } })),
        (Api::OpenAiChat, json!({ "messages": [], "stream": true, "stream_options": { "include_usage": true } })),
        (Api::OpenAiResponses, json!({ "input": "q", "text": { "verbosity": "low" }, "reasoning": { "effort": "low" } })),
        (
            Api::AnthropicMessages,
            json!({ "max_tokens": 1, "messages": [], "thinking": { "type": "enabled" }, "output_config": { "effort": "low" } }),
        ),
        (
            Api::Gemini,
            json!({ "contents": [], "safetySettings": [], "generationConfig": { "thinkingConfig": {}, "temperature": 1 } }),
        ),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())), None, "{body}");
    }
}

#[test]
fn what_is_only_named_is_told() {
    for (api, body, key) in [
        (Api::OpenAiResponses, json!({ "input": "q", "previous_response_id": "r" }), "previous_response_id"),
        (Api::OpenAiResponses, json!({ "input": "q", "conversation": "c" }), "conversation"),
        (
            Api::OpenAiResponses,
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_file", "file_id": "f" }] }] }),
            "file_id",
        ),
        (Api::Gemini, json!({ "contents": [{ "role": "user", "parts": [{ "fileData": { "fileUri": "u" } }] }] }), "fileUri"),
        (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "web_search" }] }), "tools"),
        (
            Api::AnthropicMessages,
            json!({ "max_tokens": 1, "messages": [], "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }),
            "tools",
        ),
        (Api::Gemini, json!({ "contents": [], "tools": [{ "googleSearch": {} }] }), "tools"),
        (Api::AnthropicMessages, json!({ "max_tokens": 1, "messages": [], "mcp_servers": [{ "url": "u" }] }), "mcp_servers"),
        (Api::OpenAiChat, json!({ "messages": [], "web_search_options": {} }), "web_search_options"),
        (Api::OpenAiChat, json!({ "messages": [], "plugins": [{ "id": "web" }] }), "plugins"),
        (Api::OpenAiChat, json!({ "messages": [], "search_parameters": { "mode": "auto" } }), "search_parameters"),
        (Api::OpenAiChat, json!({ "messages": [], "data_sources": [{ "type": "azure_search" }] }), "data_sources"),
        (Api::OpenAiChat, json!({ "messages": [], "enable_search": true }), "enable_search"),
        (Api::OpenAiChat, json!({ "messages": [], "search_settings": {} }), "search_settings"),
        (Api::OpenAiChat, json!({ "messages": [], "compound_custom": { "tools": {} } }), "compound_custom"),
        (
            Api::OpenAiResponses,
            json!({ "input": "q", "tools": [{ "type": "shell", "environment": { "type": "container_auto" } }] }),
            "tools",
        ),
        // Where a shell stands that does not say is for the provider to choose, and OpenRouter runs all of them itself.
        (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "shell" }] }), "tools"),
        (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "shell", "environment": null }] }), "tools"),
        (
            Api::OpenAiResponses,
            json!({ "input": "q", "tools": [{ "type": "shell", "environment": { "type": "container_reference", "container_id": "c" } }] }),
            "tools",
        ),
        (Api::Gemini, json!({ "contents": [], "tools": [{ "functionDeclarations": [], "codeExecution": {} }] }), "tools"),
    ] {
        assert_eq!(unseen_input(&decoded(api, body)).as_deref(), Some(key));
    }
    let plain = json!({ "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "file_id" }] }] });
    assert_eq!(unseen_input(&decoded(Api::OpenAiResponses, plain)), None);
    let tools = json!([{ "type": "custom", "name": "sql" }, { "type": "function", "name": "f", "parameters": {} }]);
    let own = json!({ "input": "q", "tools": tools });
    assert_eq!(unseen_input(&decoded(Api::OpenAiResponses, own)), None, "the caller runs these");
    let off = json!({ "messages": [], "enable_search": false });
    assert_eq!(unseen_input(&decoded(Api::OpenAiChat, off)), None, "nothing is searched");
}

#[test]
fn tools_that_the_caller_runs_are_seen_whoever_describes_them() {
    let anthropic = |kind: &str| {
        let tools = json!([{ "type": kind, "name": "x" }]);
        (Api::AnthropicMessages, json!({ "max_tokens": 1, "messages": [], "tools": tools }))
    };
    let responses = |tool: Value| (Api::OpenAiResponses, json!({ "input": "q", "tools": [tool] }));
    let gemini = |tool: Value| (Api::Gemini, json!({ "contents": [], "tools": [tool] }));
    for (api, body) in [
        anthropic("bash_20250124"),
        anthropic("text_editor_20250728"),
        anthropic("computer_20250124"),
        anthropic("memory_20250818"),
        responses(json!({ "type": "local_shell" })),
        responses(json!({ "type": "shell", "environment": { "type": "local" } })),
        responses(json!({ "type": "apply_patch" })),
        responses(json!({ "type": "computer_use_preview", "environment": "browser" })),
        // Its description is no text, so that nobody reads it as a function.
        responses(json!({ "type": "function", "name": "f", "description": 7 })),
        gemini(json!({ "functionDeclarations": [{ "name": "f", "description": 7 }] })),
        gemini(json!({ "computerUse": { "environment": "ENVIRONMENT_BROWSER" } })),
    ] {
        let request = decoded(api, body.clone());
        assert!(matches!(request.tools.as_slice(), [Tool::Native(_)]), "{body}");
        assert_eq!(unseen_input(&request), None, "{body}");
        assert!(estimate_input_tokens(&request, TokenEstimate::SURE) > 2 * 1024, "its description is read: {body}");
    }
}

#[test]
fn files_are_told_whatever_their_type_and_wherever_they_are() {
    let said = |content: Value| json!({ "max_tokens": 1, "messages": [{ "role": "user", "content": [content] }] });
    let anthropic = |source: Value| (Api::AnthropicMessages, said(json!({ "type": "document", "source": source })));
    let chat = |part: Value| (Api::OpenAiChat, said(part));
    let gemini = |part: Value| (Api::Gemini, json!({ "contents": [{ "role": "user", "parts": [part] }] }));
    for ((api, body), key) in [
        (anthropic(json!({ "type": "url", "url": "https://x.example/600-pages.pdf" })), "url"),
        (anthropic(json!({ "type": "base64", "media_type": "application/pdf", "data": "AA==" })), "media_type"),
        (anthropic(json!({ "type": "base64", "data": "AA==" })), "document"),
        (
            anthropic(
                json!({ "type": "content", "content": [{ "type": "image", "source": { "type": "url", "url": "HTTPS://x" } }] }),
            ),
            "url",
        ),
        (chat(json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": "https://x.example/a.pdf" } })), "file_data"),
        (chat(json!({ "type": "file", "file": { "filename": "a.pdf" } })), "file"),
        (chat(json!({ "type": "document_url", "document_url": "https://x.example/a" })), "document_url"),
        (chat(json!({ "type": "image_url", "image_url": "https://x.example/a" })), "image_url"),
        (chat(json!({ "type": "image_url", "image_url": { "url": "data:application/pdf;base64,AA==" } })), "image_url"),
        (chat(json!({ "type": "image_url", "image_url": { "url": "gs://bucket/film" } })), "image_url"),
        (chat(json!({ "type": "input_audio", "input_audio": "https://x.example/a.mp3" })), "input_audio"),
        (chat(json!({ "type": "input_audio", "input_audio": { "data": " https://x.example/a.mp3", "format": "mp3" } })), "data"),
        (chat(json!({ "type": "audio_url", "audio_url": { "url": "s3://bucket/a" } })), "url"),
        (chat(json!({ "type": "video", "video": ["file:///a"] })), "video"),
        (chat(json!({ "type": "not_there_yet", "x": "y" })), "not_there_yet"),
        (gemini(json!({ "inlineData": { "mimeType": "application/pdf", "data": "AA==" } })), "mimeType"),
        (gemini(json!({ "inlineData": { "mimeType": "video/mp4", "data": "AA==" } })), "mimeType"),
        (gemini(json!({ "not_there_yet": {} })), "not_there_yet"),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())).as_deref(), Some(key), "{body}");
    }
    for (api, body) in [
        anthropic(json!({ "type": "text", "media_type": "text/plain", "data": "https://x.example is said here" })),
        anthropic(json!({ "type": "content", "content": [{ "type": "text", "text": "https://x.example" }] })),
        (
            Api::AnthropicMessages,
            said(
                json!({ "type": "search_result", "source": "https://x.example", "title": "t", "content": [{ "type": "text", "text": "x" }] }),
            ),
        ),
        chat(json!({ "type": "image_url", "image_url": { "url": "https://x.example/a.png" } })),
        chat(json!({ "type": "image_url", "image_url": "data:image/png;base64,AA==" })),
        chat(json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "mp3" } })),
        gemini(json!({ "inlineData": { "mimeType": "audio/mp3", "data": "AA==" } })),
        gemini(json!({ "text": "thoughts", "thought": true, "thoughtSignature": "s" })),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())), None, "{body}");
    }
}

#[test]
fn items_that_the_provider_keeps_are_told_but_for_thinking() {
    let item = |item: Value| (Api::OpenAiResponses, json!({ "input": [item] }));
    let chat = |message: Value| (Api::OpenAiChat, json!({ "messages": [message] }));
    let thought = json!({ "type": "reasoning", "id": "rs_1", "summary": [] });
    for ((api, body), key) in [
        (item(json!({ "type": "item_reference", "id": "msg_abc" })), "item_reference"),
        (item(json!({ "id": "msg_abc" })), "id"),
        (item(json!({ "type": "message", "id": "msg_abc" })), "message"),
        (item(json!({ "type": "image_generation_call", "id": "ig_1" })), "image_generation_call"),
        (
            item(
                json!({ "type": "computer_call_output", "call_id": "c", "output": { "type": "computer_screenshot", "file_id": "f" } }),
            ),
            "file_id",
        ),
        (chat(json!({ "role": "assistant", "audio": { "id": "audio_1" }, "content": "" })), "audio"),
        (chat(json!({ "role": "user", "content": "", "attachments": [{ "file_id": "f" }] })), "file_id"),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())).as_deref(), Some(key), "{body}");
    }
    for (api, body) in [
        // What an agent with tools sends back.
        item(thought.clone()),
        chat(json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" }, "reasoning": [thought] },
        ] })),
        item(json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA" })),
        item(
            json!({ "type": "local_shell_call", "call_id": "c", "action": { "type": "exec", "command": ["https://x.example"] } }),
        ),
        item(json!({ "type": "local_shell_call_output", "id": "c", "output": "https://x.example" })),
        item(
            json!({ "type": "message", "role": "assistant", "id": "msg_1", "content": [{ "type": "output_text", "text": "x" }] }),
        ),
        chat(json!({
            "role": "assistant", "content": "x", "annotations": [{ "type": "url_citation", "url_citation": { "url": "https://x.example" } }],
            "reasoning_details": [{ "type": "reasoning.encrypted", "id": "r", "data": "gAAA" }],
        })),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())), None, "{body}");
    }
}

#[test]
fn settings_that_ask_for_the_usual_are_no_others() {
    for (api, body) in [
        (Api::OpenAiChat, json!({ "messages": [], "modalities": ["text"], "best_of": 1, "plugins": [], "mirostat_tau": 5 })),
        (
            Api::OpenAiChat,
            json!({ "messages": [], "extra_body": { "google": { "safety_settings": [{}], "thought_tag_marker": "t" } } }),
        ),
        (
            Api::AnthropicMessages,
            json!({ "max_tokens": 1, "messages": [], "mcp_servers": [], "output_format": { "type": "json_schema" } }),
        ),
        (Api::OpenAiResponses, json!({ "input": "q", "include": ["reasoning.encrypted_content"] })),
        (Api::Gemini, json!({ "contents": [], "generationConfig": { "responseModalities": ["TEXT"] } })),
    ] {
        assert_eq!(unseen_input(&decoded(api, body.clone())), None, "{body}");
    }
}

/// Some providers read the one, some the other.
#[test]
fn of_two_names_of_one_limit_the_larger_counts() {
    for (old, new) in [(64_000, 1), (1, 64_000)] {
        let request = decoded(Api::OpenAiChat, json!({ "messages": [], "max_tokens": old, "max_completion_tokens": new }));
        assert_eq!(request.params.max_tokens, Some(64_000));
    }
}
