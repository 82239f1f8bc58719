//! The scripted provider is what tests take it for: each protocol is understood by the host's own client, whole and streamed, and each fault
//! is the fault that it is named after.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_llm::chat::{ChatResponse, FinishReason, RawRequest};
use kitaru_llm::codec::Api;
use kitaru_llm::provider::{
    AnyAddress, AuthScheme, Delivery, Endpoint, PreparedRequest, RetryAfter, Secret, SystemNames, Timeouts, Transport,
    TransportConfig, TransportError,
};
use kitaru_tests::provider::{Ending, Finish, Gate, Protocol, Provider, Reaction};
use kitaru_tests::until;
use serde_json::{Value, json};

const KEY: &str = "sk-scripted-0123456789";

/// A protocol as a client uses it.
struct Scene {
    api: Api,
    protocol: Protocol,
    scheme: AuthScheme,
    base: fn(&Provider) -> String,
    body: Value,
}

fn scenes() -> [Scene; 4] {
    let said = || json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }]);
    let user = || json!([{ "role": "user", "content": "Hello" }]);
    let function = || json!({ "name": "read_file", "parameters": { "type": "object" } });
    [
        Scene {
            api: Api::OpenAiChat,
            protocol: Protocol::OpenAiChat,
            scheme: AuthScheme::Bearer,
            base: Provider::openai,
            body: json!({
                "model": "m-1", "messages": said(), "stream_options": { "include_usage": true },
                "tools": [{ "type": "function", "function": function() }],
            }),
        },
        Scene {
            api: Api::OpenAiResponses,
            protocol: Protocol::OpenAiResponses,
            scheme: AuthScheme::Bearer,
            base: Provider::openai,
            body: json!({
                "model": "m-1", "instructions": "Be brief.", "input": "Hello",
                "tools": [{ "type": "function", "name": "read_file", "parameters": { "type": "object" } }],
            }),
        },
        Scene {
            api: Api::AnthropicMessages,
            protocol: Protocol::Anthropic,
            scheme: AuthScheme::XApiKey,
            base: Provider::anthropic,
            body: json!({
                "model": "m-1", "system": "Be brief.", "messages": user(), "max_tokens": 100,
                "tools": [{ "name": "read_file", "input_schema": { "type": "object" } }],
            }),
        },
        Scene {
            api: Api::Gemini,
            protocol: Protocol::Gemini,
            scheme: AuthScheme::XGoogApiKey,
            base: Provider::gemini,
            body: json!({
                "systemInstruction": { "parts": [{ "text": "Be brief." }] },
                "contents": [{ "role": "user", "parts": [{ "text": "Hello" }] }],
                "tools": [{ "functionDeclarations": [function()] }],
            }),
        },
    ]
}

impl Scene {
    fn request(&self, provider: &Provider, delivery: Delivery) -> PreparedRequest {
        let endpoint = Endpoint::new(self.api, &(self.base)(provider)).unwrap().with_key(self.scheme, Secret::new(KEY)).unwrap();
        endpoint.prepare(&RawRequest::new(self.body.clone()), "m-1", delivery).unwrap()
    }
}

fn chat() -> Scene {
    let [chat, ..] = scenes();
    chat
}

fn transport(patience: Duration) -> Transport {
    let timeouts = Timeouts { first_byte: patience, idle: patience, total: patience * 10 };
    let config = TransportConfig { timeouts, system_proxy: false, ..TransportConfig::default() };
    Transport::new(&config, Arc::new(SystemNames), Arc::new(AnyAddress)).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

/// The answer to a request that wants it whole.
fn whole(scene: &Scene, provider: &Provider) -> Result<Value, TransportError> {
    let request = scene.request(provider, Delivery::Whole);
    run(async { transport(Duration::from_secs(20)).send(&request).await }).map(|reply| reply.body)
}

/// The texts and the aggregate of a stream, and the error that ended it.
fn streamed(scene: &Scene, provider: &Provider) -> (Vec<String>, Value, Option<TransportError>) {
    let request = scene.request(provider, Delivery::Stream);
    let codec = scene.api.protocol();
    run(async {
        let mut stream = transport(Duration::from_secs(20)).open(&request).await.unwrap();
        let (mut texts, mut aggregate) = (Vec::new(), codec.aggregator());
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    texts.extend(codec.text_delta(&event));
                    aggregate.push(&event).unwrap();
                }
                Err(error) => return (texts, aggregate.finish(), Some(error)),
            }
        }
        (texts, aggregate.finish(), None)
    })
}

/// Text, tool calls, why it stopped, tokens.
type Essence = (String, Vec<(String, Value)>, Option<FinishReason>, [Option<u64>; 3]);

/// What counts of a response: text, tools, finish, tokens read, written, cached.
fn essence(response: &ChatResponse) -> Essence {
    let tools = response.tool_calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect();
    let usage = response.usage.clone().unwrap_or_default();
    let counts = [response.input_tokens(), usage.completion_tokens, usage.cache_read_tokens];
    (response.text(), tools, response.finish_reason.clone(), counts)
}

#[test]
fn every_protocol_is_understood_whole_and_streamed() {
    let arguments = json!({ "path": "ä.rs" });
    for scene in scenes() {
        let answer = || {
            let pieces = Reaction::pieces(["Grü", "ße ", "🦀"]).usage(20, 9).of_which(5, 3).from_model("m-2");
            pieces.and_tool_call("call_1", "read_file", arguments.clone())
        };
        let provider = Provider::answering([answer(), answer()]);
        let codec = scene.api.protocol();
        let one = codec.decode_response(&whole(&scene, &provider).unwrap()).unwrap();
        let (texts, aggregate, error) = streamed(&scene, &provider);
        assert!(error.is_none(), "{:?}: {error:?}", scene.api);
        let other = codec.decode_response(&aggregate).unwrap();
        assert_eq!(texts, ["Grü", "ße ", "🦀"], "{:?}", scene.api);
        assert_eq!(essence(&one), essence(&other), "{:?}", scene.api);
        let (text, tools, _, counts) = essence(&one);
        assert_eq!((text.as_str(), tools), ("Grüße 🦀", vec![("read_file".to_owned(), arguments.clone())]), "{:?}", scene.api);
        assert_eq!(counts, [Some(20), Some(9), Some(5)], "{:?}", scene.api);
        assert_eq!(one.model.as_deref(), Some("m-2"), "{:?}", scene.api);
        // What it was asked is on record.
        let calls = provider.calls();
        assert_eq!(calls.len(), 2);
        for (number, call) in calls.iter().enumerate() {
            let asked = &call.received;
            assert_eq!((asked.number, asked.protocol, asked.method.as_str()), (number, Some(scene.protocol), "POST"));
            assert_eq!((asked.model().as_str(), asked.is_streamed()), ("m-1", number == 1));
            assert_eq!(asked.key(), Some(KEY));
            assert_eq!(asked.tools(), ["read_file"]);
            let said = asked.conversation();
            let said: Vec<(&str, &str)> = said.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
            assert_eq!(said, [("system", "Be brief."), ("user", "Hello")], "{:?}", scene.api);
            assert_eq!(call.ending, Ending::Whole);
            assert!(call.sent > 0);
        }
        assert!(calls[0].received.at < calls[1].received.at);
    }
}

#[test]
fn models_stop_for_reasons() {
    for scene in scenes() {
        let provider = Provider::answering([Finish::Stop, Finish::Length].map(|why| Reaction::text("Half a").finish(why)));
        for expected in [FinishReason::Complete, FinishReason::Length] {
            let response = scene.api.protocol().decode_response(&whole(&scene, &provider).unwrap()).unwrap();
            assert_eq!(response.finish_reason, Some(expected), "{:?}", scene.api);
        }
    }
}

#[test]
fn errors_have_the_status_the_headers_and_the_body_of_the_script() {
    for scene in scenes() {
        let provider =
            Provider::answering([Reaction::status(429).header("retry-after", "7"), Reaction::redirect("http://10.0.0.1/")]);
        let Err(TransportError::Status(error)) = whole(&scene, &provider) else { panic!("a status is an error") };
        assert_eq!(error.report.status, Some(429));
        assert_eq!(error.retry_after, Some(RetryAfter::Delay(Duration::from_secs(7))));
        assert!(error.to_string().contains("The provider says no."), "{:?}: {error}", scene.api);
        assert_eq!(whole(&scene, &provider).unwrap_err().status(), Some(307));
        // A call that nobody scripted is refused.
        assert_eq!(whole(&scene, &provider).unwrap_err().status(), Some(400));
        provider.then(Reaction::text("Scripted after all."));
        assert!(whole(&scene, &provider).is_ok());
        assert_eq!(provider.left(), 0);
    }
}

#[test]
fn the_key_is_echoed_where_the_script_says_so() {
    let provider = Provider::answering([Reaction::echoed_key(401)]);
    let answer =
        plain(&provider, "POST", "/v1/chat/completions", &format!("authorization: Bearer {KEY}\r\n"), r#"{"model":"m"}"#);
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains(KEY), "{answer}");
}

#[test]
fn bytes_that_are_no_answer() {
    let provider = Provider::answering([Reaction::raw("application/json", ["{\"choices\":", " [{"])]);
    assert!(matches!(whole(&chat(), &provider), Err(TransportError::BadBody { .. })));
    let provider = Provider::answering([Reaction::pieces(["a ", "b"]).with_text_after(1, "data: {no json\n\n")]);
    let (texts, _, error) = streamed(&chat(), &provider);
    assert_eq!(texts, ["a "]);
    assert!(error.is_some());
}

#[test]
fn a_hundred_megabytes_are_made_and_not_held() {
    for announced in [true, false] {
        let provider = Provider::answering([Reaction::bulk(100 << 20, announced)]);
        assert!(matches!(whole(&chat(), &provider), Err(TransportError::TooLarge { .. })));
        let left = until("the end of the answer", || provider.calls().pop().filter(|call| call.ending != Ending::Open));
        assert_eq!(left.ending, Ending::Abandoned);
        assert!(left.sent < 80 << 20, "{} bytes", left.sent);
    }
}

#[test]
fn whoever_hangs_is_left() {
    let provider = Provider::answering([Reaction::hang(), Reaction::pieces(["a ", "b"]).hang_after(1)]);
    for delivery in [Delivery::Whole, Delivery::Stream] {
        let request = chat().request(&provider, delivery);
        let patience = Duration::from_millis(200);
        run(async {
            let transport = transport(patience);
            match delivery {
                Delivery::Whole => {
                    assert!(matches!(transport.send(&request).await, Err(TransportError::Timeout { .. })));
                }
                Delivery::Stream => {
                    let mut stream = transport.open(&request).await.unwrap();
                    // The greeting, and the first piece.
                    for _ in 0..2 {
                        assert!(matches!(stream.next().await, Some(Ok(_))));
                    }
                    assert!(matches!(stream.next().await, Some(Err(TransportError::Timeout { .. }))));
                }
            }
        });
    }
    until("both to be abandoned", || provider.calls().iter().all(|call| call.ending == Ending::Abandoned).then_some(()));
}

#[test]
fn a_connection_is_cut_where_the_script_says_so() {
    for scene in scenes() {
        let provider =
            Provider::answering([Reaction::pieces(["a ", "b ", "c"]).cut_after(2), Reaction::text("Never whole.").cut_after(1)]);
        let (texts, _, error) = streamed(&scene, &provider);
        assert_eq!(texts, ["a ", "b "], "{:?}", scene.api);
        assert!(matches!(error, Some(TransportError::CutOff { .. })), "{:?}: {error:?}", scene.api);
        assert!(matches!(whole(&scene, &provider), Err(TransportError::CutOff { .. })), "{:?}", scene.api);
        assert!(provider.calls().iter().all(|call| call.ending == Ending::Cut));
    }
}

#[test]
fn a_gate_holds_until_the_test_opens_it() {
    let (before, within) = (Gate::new(), Gate::new());
    let provider = Provider::answering([Reaction::pieces(["a ", "b"]).held(&before).held_after(1, &within)]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| streamed(&chat(), &provider));
        before.until_reached(1);
        assert_eq!((provider.calls()[0].sent, provider.calls()[0].ending), (0, Ending::Open));
        before.open();
        within.until_reached(1);
        assert!(!asking.is_finished() && provider.calls()[0].sent > 0);
        assert_eq!(provider.calls()[0].ending, Ending::Open);
        within.open();
        let (texts, _, error) = asking.join().unwrap();
        assert_eq!((texts.concat().as_str(), error.is_none()), ("a b", true));
    });
    assert_eq!(provider.calls()[0].ending, Ending::Whole);
}

#[test]
fn answers_take_their_time() {
    let (delay, pause) = (Duration::from_millis(60), Duration::from_millis(20));
    let provider = Provider::answering([Reaction::pieces(["a ", "b"]).after(delay).paced(pause)]);
    let started = Instant::now();
    let _ = streamed(&chat(), &provider);
    assert!(started.elapsed() >= delay + pause * 2);
}

#[test]
fn a_function_decides() {
    let provider = Provider::reacting(|asked| Reaction::text(&format!("request {} of {}", asked.number, asked.model())));
    for number in 0..2 {
        let response = chat().api.protocol().decode_response(&whole(&chat(), &provider).unwrap()).unwrap();
        assert_eq!(response.text(), format!("request {number} of m-1"));
    }
}

#[test]
fn lists_of_models_and_unknown_paths_take_nothing_from_the_script() {
    let provider = Provider::answering([Reaction::text("Still here.")]);
    provider.set_models(&["m-7"]);
    assert!(plain(&provider, "GET", "/v1/models", "", "").contains("m-7"));
    assert!(plain(&provider, "GET", "/nowhere", "", "").starts_with("HTTP/1.1 404 "));
    assert_eq!((provider.left(), provider.calls().len(), provider.exchanges().len()), (1, 0, 2));
    let address = provider.address();
    drop(provider);
    assert!(TcpStream::connect(address).is_err(), "it stops when it is dropped");
}

/// One request without any client: the whole answer as text.
fn plain(provider: &Provider, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(provider.address()).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: scripted\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
