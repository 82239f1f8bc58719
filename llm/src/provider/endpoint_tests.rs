use serde_json::json;

use super::*;

fn prepared(endpoint: &Endpoint, model: &str, delivery: Delivery) -> PreparedRequest {
    endpoint.prepare(&RawRequest::new(json!({ "model": model })), model, delivery).unwrap()
}

fn url(api: Api, base: &str, model: &str, delivery: Delivery) -> String {
    prepared(&Endpoint::new(api, base).unwrap(), model, delivery).url().to_owned()
}

#[test]
fn addresses_of_the_protocols() {
    use Api::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};
    use Delivery::{Stream, Whole};
    for (api, base, model, delivery, expected) in [
        (OpenAiChat, "https://a.example/v1", "m", Whole, "https://a.example/v1/chat/completions"),
        (OpenAiChat, "https://a.example/v1/", "m", Stream, "https://a.example/v1/chat/completions"),
        (OpenAiChat, "https://a.example", "m", Whole, "https://a.example/chat/completions"),
        (OpenAiChat, "https://a.example/d?api-version=1", "m", Whole, "https://a.example/d/chat/completions?api-version=1"),
        (OpenAiResponses, "https://a.example/v1", "m", Stream, "https://a.example/v1/responses"),
        (AnthropicMessages, "https://a.example", "m", Whole, "https://a.example/v1/messages"),
        (AnthropicMessages, "https://a.example/v1/", "m", Stream, "https://a.example/v1/messages"),
        (Gemini, "https://a.example/v1beta", "gemini-x", Whole, "https://a.example/v1beta/models/gemini-x:generateContent"),
        (
            Gemini,
            "https://a.example/v1beta?x=y",
            "models/gemini-x",
            Stream,
            "https://a.example/v1beta/models/gemini-x:streamGenerateContent?x=y&alt=sse",
        ),
        (Gemini, "https://a.example", "a?b#c d", Whole, "https://a.example/models/a%3Fb%23c%20d:generateContent"),
    ] {
        assert_eq!(url(api, base, model, delivery), expected);
    }
    let gemini = Endpoint::new(Gemini, "https://a.example/v1beta").unwrap();
    for model in ["../../x", "a/../b", "a//b"] {
        let refused = gemini.prepare(&RawRequest::new(json!({})), model, Whole);
        assert!(matches!(refused, Err(EndpointError::BaseUrl { .. })), "{model}");
    }
}

#[test]
fn base_urls_that_cannot_be_used() {
    for base in [
        "a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "https://user:sk-marker@a.example",
        "https://sk-marker@a.example",
        "https://a.example#sk-marker",
        "https://a.example?key=sk-marker",
        "https://a.example?api_key=sk-marker",
    ] {
        let error = Endpoint::new(Api::OpenAiChat, base).unwrap_err();
        assert!(matches!(error, EndpointError::BaseUrl { .. }), "{base}");
        assert!(!format!("{error} {error:?}").contains("marker"));
    }
    assert!(matches!(Endpoint::of_provider("azure", None, None), Err(EndpointError::NoBaseUrl { .. })));
    assert!(matches!(Endpoint::of_provider("nobody", None, None), Err(EndpointError::NoBaseUrl { .. })));
}

#[test]
fn a_key_needs_an_encrypted_connection_or_this_machine() {
    let at = |base: &str| Endpoint::of_provider("openai", Some(base), Some(Secret::new("sk-marker"))).unwrap();
    let request = RawRequest::new(json!({}));
    let prepare = |endpoint: Endpoint| endpoint.prepare(&request, "m", Delivery::Whole);
    for fine in ["https://a.example", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "http://a.localhost"] {
        assert!(prepare(at(fine)).is_ok(), "{fine}");
    }
    for refused in ["http://a.example", "http://10.0.0.1", "http://localhost.example"] {
        assert!(matches!(prepare(at(refused)), Err(EndpointError::PlainHttp { .. })), "{refused}");
        assert!(prepare(at(refused).allow_plain_http()).is_ok());
    }
    assert!(prepare(Endpoint::new(Api::OpenAiChat, "http://10.0.0.1").unwrap()).is_ok(), "no key, nothing to lose");
    for key in ["", "sk\nmarker", "sk-märker\u{7f}"] {
        let error = Endpoint::of_provider("openai", None, Some(Secret::new(key))).unwrap_err();
        assert_eq!(error, EndpointError::Key);
    }
}

#[test]
fn the_body_says_how_it_is_to_be_answered_and_nothing_else_changes() {
    let endpoint = Endpoint::new(Api::OpenAiChat, "https://a.example").unwrap();
    let body = |content: Value, delivery| {
        String::from_utf8(endpoint.prepare(&RawRequest::new(content), "m", delivery).unwrap().body().to_vec()).unwrap()
    };
    assert_eq!(body(json!({"z": 1, "a": {"y": 2, "b": 1.0}}), Delivery::Whole), r#"{"z":1,"a":{"y":2,"b":1.0}}"#);
    assert_eq!(body(json!({"stream": false, "a": 1}), Delivery::Stream), r#"{"stream":true,"a":1}"#);
    assert_eq!(body(json!({"stream": true, "a": 1}), Delivery::Whole), r#"{"stream":false,"a":1}"#);
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    assert_eq!(body(options.clone(), Delivery::Whole), r#"{"stream":false}"#, "OpenAI refuses the options without a stream");
    assert_eq!(body(options, Delivery::Stream), r#"{"stream":true,"stream_options":{"include_usage":true}}"#);
    let gemini = Endpoint::new(Api::Gemini, "https://a.example").unwrap();
    let codec = json!({"model": "m", "stream": true, "contents": [], "model_x": 1});
    let sent = gemini.prepare(&RawRequest::new(codec), "m", Delivery::Stream).unwrap();
    assert_eq!(sent.body(), br#"{"contents":[],"model_x":1}"#, "what the codec adds for policies is not sent");
    assert_eq!(endpoint.prepare(&RawRequest::new(json!([])), "m", Delivery::Whole).unwrap_err(), EndpointError::Body);
}

#[test]
fn headers() {
    let endpoint = Endpoint::of_provider("anthropic", None, Some(Secret::new("sk-marker"))).unwrap();
    let endpoint = endpoint.with_header("X-Team", "a").unwrap().with_header("Anthropic-Beta", "one").unwrap();
    let mut request = RawRequest::new(json!({}));
    request.headers.insert("x-team".into(), json!(7));
    let prepared = endpoint.prepare(&request, "m", Delivery::Stream).unwrap();
    let names: Vec<&str> = prepared.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent", "x-team"]);
    assert!(prepared.headers().contains(&("x-team".into(), "7".into())));
    assert!(!format!("{prepared:?} {:?} {endpoint:?}", prepared.headers()).contains("marker"));
    for name in ["Authorization", "x-api-key", "Host", "content-length", "Proxy-Connection", "accept-encoding", "a b", ""] {
        let refused = endpoint.clone().with_header(name, "sk-marker").unwrap_err();
        assert!(matches!(refused, EndpointError::Header { .. }), "{name}");
        assert!(!format!("{refused} {refused:?}").contains("marker"));
        request.headers = [(name.to_owned(), json!("x"))].into_iter().collect();
        assert!(endpoint.prepare(&request, "m", Delivery::Whole).is_err());
    }
    assert!(endpoint.clone().with_header("x-a", "a\r\nb: c").is_err());
    request.headers = [("x-a".to_owned(), json!(["x"]))].into_iter().collect();
    assert!(endpoint.prepare(&request, "m", Delivery::Whole).is_err());
}
