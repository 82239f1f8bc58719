use super::*;
use crate::chat::{Message, Params, ToolCall};

fn request(temperature: Option<f64>) -> ChatRequest {
    let mut request = ChatRequest::new("gpt-x", vec![Message::user("q")]);
    request.params.temperature = temperature;
    request
}

fn key_of(rules: &KeyRules, request: &ChatRequest) -> Result<CacheKey, Bypass> {
    rules.key("openai/gpt-x", "https://api.openai.com/v1", None, request, &RawRequest::default(), 0.5)
}

#[test]
fn a_key_of_the_prompt_is_the_same_wherever_the_model_is_asked() {
    let rules = KeyRules { key: KeyOf::Prompt, cache_nondeterministic: true, ..KeyRules::of("n") };
    let mut simple = request(None);
    let key = |rules: &KeyRules, address: &str, request: &ChatRequest| {
        rules.key("openai/gpt-x", address, None, request, &RawRequest::default(), 0.5)
    };
    assert_eq!(key(&rules, "https://a", &simple), Err(Bypass::MoreThanPrompt { key: "max_tokens".into() }));
    simple.params.max_tokens = Some(100);
    let known = key(&rules, "https://a", &simple).unwrap();
    assert_eq!(key(&rules, "https://b", &simple), Ok(known));
    let canonical = KeyRules { key: KeyOf::Canonical, ..rules.clone() };
    assert_ne!(key(&canonical, "https://a", &simple), key(&canonical, "https://b", &simple));
    assert_ne!(key(&KeyRules { namespace: "m".into(), ..rules.clone() }, "https://a", &simple), Ok(known));
    let warmer = ChatRequest { seed: Some(1), ..simple.clone() };
    assert_eq!(key(&rules, "https://a", &warmer), Err(Bypass::MoreThanPrompt { key: "seed".into() }));
    let warm = ChatRequest { params: Params { temperature: Some(1.5), ..simple.params.clone() }, ..simple.clone() };
    assert_eq!(key(&rules, "https://a", &warm), Err(Bypass::MoreThanPrompt { key: "temperature".into() }));
    let headers = KeyRules { headers: vec!["x-tenant".into()], ..rules.clone() };
    assert_eq!(headers.check(), Err(KeyRulesError::HeadersBesidePrompt));
    let mut stopped = simple;
    stopped.params.stop = Some(vec!["x".into()]);
    assert_eq!(key(&rules, "https://a", &stopped), Err(Bypass::MoreThanPrompt { key: "stop".into() }));
}

#[test]
fn the_simple_key_is_that_of_the_python_text() {
    // sha256 of {"max_tokens": 1024, "messages": [{"content": "Grüße 🙂", "role": "user"}], "model": "m"}
    let key = prompt_key(&[json!({ "role": "user", "content": "Grüße 🙂" })], "m", 1024);
    assert_eq!(key.to_string(), "de969035edff0607db22071e525e5d028771c3e93fdaa1ce88faa0a7999027bf");
}

#[test]
fn only_calls_that_ask_for_temperature_zero_have_a_key() {
    let mut rules = KeyRules::of("n");
    assert!(key_of(&rules, &request(Some(0.0))).is_ok());
    for nondeterministic in [None, Some(0.1)] {
        assert_eq!(key_of(&rules, &request(nondeterministic)), Err(Bypass::Nondeterministic));
    }
    rules.cache_nondeterministic = true;
    assert!(key_of(&rules, &request(None)).is_ok());
    rules.bypass_rate = 0.6;
    assert_eq!(key_of(&rules, &request(None)), Err(Bypass::Sampled));
}

#[test]
fn calls_that_depend_on_the_providers_memory_have_none() {
    let with = |json: Value| {
        let mut map = serde_json::to_value(request(Some(0.0))).unwrap();
        map.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        key_of(&KeyRules::of("n"), &serde_json::from_value(map).unwrap())
    };
    for (json, key) in [
        (json!({ "store": true }), "store"),
        (json!({ "previous_response_id": "r" }), "previous_response_id"),
        (json!({ "conversation": "c" }), "conversation"),
        (json!({ "container": {} }), "container"),
        (json!({ "prompt": { "id": "p" } }), "prompt"),
        (json!({ "tools": [{ "type": "code_interpreter", "container": "c" }] }), "tools"),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools"),
        (json!({ "tools": [{ "googleSearch": {} }] }), "tools"),
    ] {
        assert_eq!(with(json), Err(Bypass::Stateful { key: key.into() }));
    }
    let plain = key_of(&KeyRules::of("n"), &request(Some(0.0)));
    assert_eq!(with(json!({ "store": false, "stream": true, "user": "u", "metadata": { "a": 1 } })), plain);
    assert_ne!(with(json!({ "seed": 1 })), plain);
}

#[test]
fn namespace_model_endpoint_and_chosen_headers_count() {
    let (mut rules, request) = (KeyRules::of("n"), request(Some(0.0)));
    let mut raw = RawRequest::default();
    raw.headers.insert("X-Team".into(), json!("red"));
    raw.headers.insert("authorization".into(), json!("Bearer k"));
    let key = |rules: &KeyRules, model: &str, endpoint: &str, raw: &RawRequest| {
        rules.key(model, endpoint, None, &request, raw, 0.5).unwrap()
    };
    let plain = key(&rules, "a/m", "e", &raw);
    assert_eq!(plain, key(&rules, "a/m", "e", &RawRequest::default()));
    assert_ne!(plain, key(&KeyRules::of("other"), "a/m", "e", &raw));
    assert_ne!(plain, key(&rules, "b/m", "e", &raw));
    assert_ne!(plain, key(&rules, "a/m", "f", &raw));
    rules.headers.push("x-team".into());
    let red = key(&rules, "a/m", "e", &raw);
    raw.headers.insert("X-Team".into(), json!("blue"));
    assert_ne!(red, key(&rules, "a/m", "e", &raw));
}

#[test]
fn the_same_question_by_another_protocol_is_another_call() {
    let (chat, responses) = (
        RawRequest::new(json!({ "model": "m", "messages": [{ "role": "user", "content": "q" }], "temperature": 0 })),
        RawRequest::new(json!({ "model": "m", "input": "q", "temperature": 0 })),
    );
    let key = |api: Api, raw: &RawRequest| {
        let request = api.protocol().decode(raw).unwrap();
        KeyRules::of("n").key("openai/m", "https://api.openai.com/v1", Some(api), &request, raw, 0.5).unwrap()
    };
    assert_ne!(key(Api::OpenAiChat, &chat), key(Api::OpenAiResponses, &responses));
}

#[test]
fn names_of_tool_calls_do_not_count_but_their_order_does() {
    let conversation = |first: &str, second: &str, answered: &str| {
        let mut request = request(Some(0.0));
        let mut called = Message::assistant("x");
        called.tool_calls = vec![ToolCall::function(first, "f", r#"{"id":"a"}"#), ToolCall::function(second, "g", "{}")];
        request.messages.extend([called, Message::tool(answered, "result")]);
        key_of(&KeyRules::of("n"), &request).unwrap()
    };
    assert_eq!(conversation("a", "b", "b"), conversation("x", "y", "y"));
    assert_ne!(conversation("a", "b", "b"), conversation("a", "b", "a"));
}

#[test]
fn wrong_rules_are_refused() {
    assert_eq!(KeyRules::of(" ").check(), Err(KeyRulesError::EmptyNamespace));
    let credential = KeyRules { headers: vec!["X-Api-Key".into()], ..KeyRules::of("n") };
    assert!(matches!(credential.check(), Err(KeyRulesError::CredentialHeader { .. })));
    assert!(matches!(KeyRules { bypass_rate: f64::NAN, ..KeyRules::of("n") }.check(), Err(KeyRulesError::BypassRate { .. })));
    assert_eq!(KeyRules::of("n").check(), Ok(()));
}
