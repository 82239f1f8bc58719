//! The pipeline's promises, one by one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::middleware::{Chunks, ReadyChunks, Sanitizer};
use super::probe::{self, Log, TinyChat};
use super::{
    CallEnd, CallError, CallInfo, CallOptions, Cause, Draft, Execute, Failure, FromFn, LlmCall, LlmStream, NewScope, Next,
    Pipeline, Registration, ScopeEnd, ScopeError, ScopeStack, Stage, ToolCall, Verdict,
};
use crate::chat::{ChatRequest, Message, RawRequest};
use crate::event::{Category, DeliveryError, Event, Phase, Subscriber};

mod reasons;
mod scopes;
mod streams;

const SECRET: &str = "123-45-6789";

fn request() -> RawRequest {
    let mut request = RawRequest::new(json!({"model": "m", "messages": [{"role": "user", "content": "my ssn is 123-45-6789"}]}));
    request.headers.insert("Authorization".into(), json!("Bearer sk-secret"));
    request
}

fn answer() -> Value {
    json!({"choices": [{"message": {"content": "yours is 123-45-6789"}}]})
}

fn call() -> LlmCall {
    LlmCall {
        codec: Some(Arc::new(TinyChat)),
        response_codec: Some(Arc::new(TinyChat)),
        stream_codec: Some(Arc::new(TinyChat)),
        ..LlmCall::new("openai", request())
    }
}

fn answering() -> Arc<dyn Execute<RawRequest>> {
    Arc::new(FromFn(|_: RawRequest| std::future::ready(Ok(answer()))))
}

type Streaming = FromFn<Box<dyn Fn(RawRequest) -> std::future::Ready<Result<Chunks, Failure>> + Send + Sync>>;

fn streaming(chunks: Vec<Result<Value, &'static str>>) -> Arc<Streaming> {
    Arc::new(FromFn(Box::new(move |_| {
        let chunks: Vec<_> = chunks.iter().map(|chunk| chunk.clone().map_err(|error| Failure::new("upstream", error))).collect();
        std::future::ready(Ok(Box::new(ReadyChunks(chunks.into_iter())) as Chunks))
    })))
}

/// Replaces the secret wherever it is, so that the payload can still be decoded.
fn redacting<T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static>() -> Arc<dyn Sanitizer<T>> {
    Arc::new(FromFn(|_: &CallInfo, payload: T| {
        let text = serde_json::to_string(&payload)?.replace(SECRET, "[SSN]");
        Ok(Some(serde_json::from_str(&text)?))
    }))
}

fn ends(log: &Log) -> Vec<Event> {
    log.events().into_iter().filter(|event| event.is_end() && event.category() == Some(&Category::Llm)).collect()
}

struct Fixture {
    pipeline: Pipeline,
    stack: ScopeStack,
    log: Log,
}

fn fixture() -> Fixture {
    let pipeline = probe::pipeline();
    Fixture { stack: pipeline.stack(), log: Log::of(&pipeline), pipeline }
}

#[tokio::test]
async fn a2_a_redacted_secret_is_nowhere_in_the_events() {
    let Fixture { pipeline, stack, log } = fixture();
    pipeline.registrations().llm.request_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    pipeline.registrations().llm.response_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    assert_eq!(call().run(&stack, answering()).await.unwrap(), answer());
    let open = call().start(&stack, Some(ChatRequest::new("m", vec![Message::user(SECRET)]))).await;
    open.end(answer(), CallEnd::default()).await.unwrap();
    let chunks = vec![Ok(json!({"delta": "123-45"})), Ok(json!({"delta": "-6789"}))];
    let mut stream = call().stream(&stack, streaming(chunks), None).await.unwrap();
    while stream.next().await.is_some() {}

    let text = log.text();
    assert!(!text.contains(SECRET), "{text}");
    assert!(!text.contains("sk-secret"), "{text}");
    // And the annotations are still there, made from what is left.
    let annotated = |event: &Event| {
        let profile = event.profile.clone().unwrap();
        profile.response().map(|response| response.text()).or(profile.request().map(|request| request.messages[0].text()))
    };
    let texts: Vec<_> = log.events().iter().filter(|event| !event.is_mark()).map(|event| annotated(event).unwrap()).collect();
    assert_eq!(texts, ["my ssn is [SSN]", "yours is [SSN]", "my ssn is [SSN]", "yours is [SSN]", "my ssn is [SSN]", "[SSN]"]);
}

#[tokio::test]
async fn credentials_are_not_recorded_even_without_a_sanitizer() {
    let Fixture { stack, log, .. } = fixture();
    call().run(&stack, answering()).await.unwrap();
    assert_eq!(log.events()[0].data["headers"], json!({}));
    assert!(!log.text().contains("sk-secret"));
    // Without a sanitizer the annotations are those of the call.
    assert_eq!(ends(&log)[0].profile.clone().unwrap().response().unwrap().text(), "yours is 123-45-6789");
}

#[tokio::test]
async fn a3_guardrails_run_by_priority_then_owner_then_name() {
    let Fixture { pipeline, stack, log } = fixture();
    let scope = stack.push(NewScope::new("s", Category::Agent)).unwrap();
    let local = stack.registrations(scope.uuid).unwrap();
    probe::register_guardrail(pipeline.registrations(), &log, "cond-b", 10, Verdict::Allow);
    probe::register_guardrail(pipeline.registrations(), &log, "cond-a", 10, Verdict::Allow);
    probe::register_guardrail(&local, &log, "cond-scope", 1, Verdict::Allow);
    call().check(&stack).await.unwrap();
    let said: Vec<_> = log.text().lines().filter(|line| line.starts_with('>')).map(str::to_owned).collect();
    assert_eq!(said, ["> cond-scope", "> cond-a", "> cond-b"]);
    // A stand-alone check records guardrails and nothing else.
    assert!(log.events().iter().skip(1).all(|event| event.category() == Some(&Category::Guardrail)));
}

#[tokio::test]
async fn a4_a_call_that_never_reaches_its_model_has_a_start_and_an_end() {
    let Fixture { pipeline, stack, log } = fixture();
    let short = FromFn(|call: Arc<CallInfo>, _: RawRequest, _: Next<RawRequest>| async move {
        call.mark("response_cache", json!({"status": "hit"}));
        call.note("kitaru.llm.cache", json!("hit"));
        Ok(answer())
    });
    pipeline.registrations().llm.execution_intercepts.register(Registration::new("cache", 0), Arc::new(short)).unwrap();
    let never = FromFn(|_: RawRequest| async { panic!("the model was reached") });
    assert_eq!(call().run(&stack, Arc::new(never)).await.unwrap(), answer());
    let events = log.events();
    assert!(events[0].is_start() && events[1].is_mark() && events[2].is_end());
    assert_eq!(events[1].parent, Some(events[0].uuid));
    assert_eq!(events[2].metadata, json!({"kitaru.llm.cache": "hit"}));
}

#[tokio::test]
async fn an_intercept_may_change_the_request_and_run_what_comes_next_again() {
    let Fixture { pipeline, stack, log } = fixture();
    let retry = FromFn(|_: Arc<CallInfo>, mut request: RawRequest, next: Next<RawRequest>| async move {
        let first = next.run(request.clone()).await;
        request.content["model"] = json!("fallback");
        if first.is_err() { next.run(request).await } else { first }
    });
    pipeline.registrations().llm.execution_intercepts.register(Registration::new("retry", 0), Arc::new(retry)).unwrap();
    let model = FromFn(|request: RawRequest| async move {
        if request.content["model"] == json!("fallback") { Ok(answer()) } else { Err(probe::boom()) }
    });
    assert_eq!(call().run(&stack, Arc::new(model)).await.unwrap(), answer());
    assert_eq!(log.events().len(), 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_or_panics_ends_as_an_error() {
    let Fixture { stack, log, .. } = fixture();
    let hanging = Arc::new(FromFn(|_: RawRequest| std::future::pending::<Result<Value, Failure>>()));
    assert!(tokio::time::timeout(Duration::from_millis(5), call().run(&stack, hanging)).await.is_err());
    assert_eq!(ends(&log)[0].error_type(), Some("cancelled"));
    log.take();
    let in_task = stack.clone();
    let panicking = Arc::new(FromFn(|_: RawRequest| async { panic!("a defect") }));
    assert!(tokio::spawn(async move { call().run(&in_task, panicking).await }).await.is_err());
    assert_eq!((ends(&log).len(), ends(&log)[0].error_type()), (1, Some("panic")));
    log.take();
    drop(call().start(&stack, None).await);
    assert_eq!((ends(&log).len(), ends(&log)[0].error_type()), (1, Some("not_ended")));
}

#[tokio::test]
async fn a_rejection_stops_everything_behind_it() {
    let Fixture { pipeline, stack, log } = fixture();
    probe::register_guardrail(pipeline.registrations(), &log, "a", 0, Verdict::Reject { reason: "no".into() });
    probe::register_guardrail(pipeline.registrations(), &log, "b", 1, Verdict::Allow);
    probe::register_intercept(pipeline.registrations(), &log);
    let error = call().run(&stack, answering()).await.unwrap_err();
    assert!(matches!(&error, CallError::Rejected { guardrail, reason } if guardrail == "a" && reason == "no"));
    let names: Vec<_> = log.events().iter().map(|event| event.name.clone()).collect();
    assert_eq!(names, ["a", "a", "openai"]);
    assert!(log.events()[2].is_mark());
    assert_eq!(log.text().matches('>').count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guardrail_that_fails_or_takes_too_long_stops_the_call() {
    let Fixture { pipeline, stack, log } = fixture();
    let guardrails = &pipeline.registrations().llm.guardrails;
    let failing = FromFn(|_: &CallInfo, _: &RawRequest| Err(Cause::from("broken")));
    guardrails.register(Registration::new("g", 0), Arc::new(failing)).unwrap();
    let error = call().run(&stack, answering()).await.unwrap_err();
    assert!(matches!(&error, CallError::Middleware { stage: Stage::Guardrail, name, .. } if name == "g"));
    assert_eq!(log.events()[1].data, json!({"allowed": false, "error": "broken"}));
    assert!(guardrails.deregister("g"));

    struct Hanging;
    #[async_trait::async_trait]
    impl super::Guardrail<RawRequest> for Hanging {
        async fn check(&self, _: &Arc<CallInfo>, _: &RawRequest) -> Result<Verdict, Cause> {
            std::future::pending().await
        }
    }
    guardrails.register(Registration::new("h", 0).time_limit(Duration::from_secs(1)), Arc::new(Hanging)).unwrap();
    let error = call().run(&stack, answering()).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.error_type()), ("guardrail `h` took longer than 1s", "timeout"));
    assert!(ends(&log).is_empty());
}

#[tokio::test(start_paused = true)]
async fn time_in_the_model_does_not_count_for_what_wraps_it() {
    let Fixture { pipeline, stack, .. } = fixture();
    let wrap = FromFn(|_: Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>| async move { next.run(request).await });
    let intercepts = &pipeline.registrations().llm.execution_intercepts;
    intercepts.register(Registration::new("wrap", 0).time_limit(Duration::from_millis(10)), Arc::new(wrap)).unwrap();
    let slow = Arc::new(FromFn(|_: RawRequest| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(answer())
    }));
    assert_eq!(call().run(&stack, slow).await.unwrap(), answer());
    assert!(intercepts.deregister("wrap"));

    let slow = FromFn(|_: Arc<CallInfo>, _: RawRequest, _: Next<RawRequest>| std::future::pending());
    intercepts.register(Registration::new("slow", 0).time_limit(Duration::from_millis(10)), Arc::new(slow)).unwrap();
    assert_eq!(call().run(&stack, answering()).await.unwrap_err().error_type(), "timeout");
}

/// An intercept that changes drafts.
fn add_intercept(
    pipeline: &Pipeline,
    registration: Registration,
    change: impl Fn(&mut Draft<RawRequest>) + Send + Sync + 'static,
) {
    let intercept = FromFn(move |_: &CallInfo, mut draft: Draft<RawRequest>| {
        change(&mut draft);
        Ok(draft)
    });
    pipeline.registrations().llm.request_intercepts.register(registration, Arc::new(intercept)).unwrap();
}

#[tokio::test]
async fn a_change_that_would_be_lost_under_a_codec_is_an_error() {
    let Fixture { pipeline, stack, log } = fixture();
    let edit = |draft: &mut Draft<RawRequest>| draft.request.content["temperature"] = json!(1);
    add_intercept(&pipeline, Registration::new("body", 0), edit);
    let error = call().run(&stack, answering()).await.unwrap_err();
    assert!(matches!(&error, CallError::BodyEdited { name } if name == "body"));
    assert!(log.events().is_empty(), "nothing was recorded");
    // Without a codec, or without the annotation, the body counts.
    assert_eq!(LlmCall { codec: None, ..call() }.preview(&stack).await.unwrap().content["temperature"], json!(1));
    add_intercept(&pipeline, Registration::new("a", -1), |draft| draft.annotated = None);
    assert_eq!(call().preview(&stack).await.unwrap().content["temperature"], json!(1));
    let change = |draft: &mut Draft<RawRequest>| draft.annotated.as_mut().unwrap().params.max_tokens = Some(1);
    add_intercept(&pipeline, Registration::new("b", -2), change);
    let error = call().preview(&stack).await.unwrap_err();
    assert!(matches!(&error, CallError::AnnotationDropped { name } if name == "a"));
}

#[tokio::test]
async fn an_intercept_can_break_the_chain() {
    let Fixture { pipeline, stack, .. } = fixture();
    let header =
        |name: &'static str| move |draft: &mut Draft<RawRequest>| drop(draft.request.headers.insert(name.into(), json!(1)));
    add_intercept(&pipeline, Registration::new("1", 1), header("one"));
    add_intercept(&pipeline, Registration::new("2", 2).break_chain(), header("two"));
    add_intercept(&pipeline, Registration::new("3", 3), header("three"));
    let headers = call().preview(&stack).await.unwrap().headers;
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["Authorization", "one", "two"]);
}

#[tokio::test]
async fn a_sanitizer_that_fails_leaves_the_payload_out() {
    let Fixture { pipeline, stack, log } = fixture();
    let hooks = &pipeline.registrations().llm;
    let failing = FromFn(|_: &CallInfo, _: RawRequest| Err(Cause::from(SECRET)));
    hooks.request_sanitizers.register(Registration::new("broken", 0), Arc::new(failing)).unwrap();
    let omitting = FromFn(|_: &CallInfo, _: Value| Ok(None));
    hooks.response_sanitizers.register(Registration::new("omit", 0), Arc::new(omitting)).unwrap();
    let call = LlmCall { options: CallOptions { data: json!("mine"), ..CallOptions::default() }, ..call() };
    assert_eq!(call.run(&stack, answering()).await.unwrap(), answer());
    let events = log.events();
    assert_eq!((&events[0].data, &events[1].data), (&Value::Null, &Value::Null));
    assert_eq!(events[0].metadata, json!({"kitaru.omitted_by": "broken"}));
    assert_eq!(events[1].metadata, json!({"kitaru.omitted_by": "omit"}));
    assert!(!log.text().contains(SECRET));
    assert_eq!((hooks.request_sanitizers.failures("broken"), hooks.response_sanitizers.failures("omit")), (Some(1), Some(0)));
    assert_eq!(pipeline.isolated_failures(), 1);
}

#[tokio::test]
async fn a_response_sanitised_to_null_shows_the_callers_payload() {
    let Fixture { pipeline, stack, log } = fixture();
    let nothing = FromFn(|_: &CallInfo, _: Value| Ok(Some(Value::Null)));
    pipeline.registrations().llm.response_sanitizers.register(Registration::new("null", 0), Arc::new(nothing)).unwrap();
    let call = LlmCall { options: CallOptions { data: json!("mine"), ..CallOptions::default() }, ..call() };
    call.run(&stack, answering()).await.unwrap();
    assert_eq!(ends(&log)[0].data, json!("mine"));
}

#[tokio::test]
async fn callbacks_may_register_and_running_calls_do_not_notice() {
    let Fixture { pipeline, stack, log } = fixture();
    let (outer, runs) = (pipeline.clone(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&runs);
    let registering = FromFn(move |_: &CallInfo, _: &RawRequest| {
        counted.fetch_add(1, Ordering::Relaxed);
        let never = FromFn(|_: &CallInfo, _: RawRequest| Ok(None));
        let hooks = &outer.registrations().llm;
        let _ = hooks.request_sanitizers.register(Registration::new("late", 0), Arc::new(never));
        hooks.guardrails.deregister("first");
        Ok(Verdict::Allow)
    });
    pipeline.registrations().llm.guardrails.register(Registration::new("first", 0), Arc::new(registering)).unwrap();
    call().run(&stack, answering()).await.unwrap();
    assert_ne!(log.take()[2].data, Value::Null, "the sanitiser came too late for this call");
    call().run(&stack, answering()).await.unwrap();
    assert_eq!((&log.events()[0].data, runs.load(Ordering::Relaxed)), (&Value::Null, 1));
}

#[tokio::test]
async fn subscribers_are_called_in_order_and_do_not_disturb_each_other() {
    struct Failing;
    impl Subscriber for Failing {
        fn on_event(&self, _: &Event) -> Result<(), DeliveryError> {
            Err(DeliveryError("full".into()))
        }
    }
    let pipeline = probe::pipeline();
    let order = Arc::new(Mutex::new(String::new()));
    let say = |name: char| {
        let order = Arc::clone(&order);
        Arc::new(move |_: &Event| order.lock().unwrap().push(name))
    };
    let subscribers = &pipeline.registrations().subscribers;
    subscribers.register(Registration::new("z", 0), say('z')).unwrap();
    subscribers.register(Registration::new("failing", 0), Arc::new(Failing)).unwrap();
    subscribers.register(Registration::new("panicking", 0), Arc::new(|_: &Event| panic!("a defect"))).unwrap();
    subscribers.register(Registration::new("a", -1), say('a')).unwrap();
    let stack = pipeline.stack();
    let scope = stack.push(NewScope::new("s", Category::Agent)).unwrap();
    let local = stack.registrations(scope.uuid).unwrap();
    local.subscribers.register(Registration::new("l", 0), say('l')).unwrap();
    stack.pop(&scope, ScopeEnd::default()).unwrap();
    stack.mark("m", Value::Null, Value::Null);
    assert_eq!(*order.lock().unwrap(), "zazalza");
    assert_eq!((subscribers.failures("failing"), subscribers.failures("panicking")), (Some(3), Some(3)));
    assert_eq!(pipeline.isolated_failures(), 6);
}

#[tokio::test]
async fn tools_go_the_same_way() {
    let Fixture { pipeline, stack, log } = fixture();
    let hooks = &pipeline.registrations().tool;
    hooks.request_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    hooks.response_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    let rewrite = FromFn(|_: &CallInfo, mut draft: Draft<Value>| {
        draft.request["b"] = json!(2);
        Ok(draft)
    });
    hooks.request_intercepts.register(Registration::new("r", 0), Arc::new(rewrite)).unwrap();
    let tool = Arc::new(FromFn(|arguments: Value| async { Ok(arguments) }));
    let call = || ToolCall { tool_call_id: Some("c1".into()), ..ToolCall::new("echo", json!({"a": SECRET})) };
    assert_eq!(call().run(&stack, tool).await.unwrap(), json!({"a": SECRET, "b": 2}));
    call().start(&stack).await.end(json!(SECRET), CallEnd::default()).await.unwrap();
    assert_eq!(call().preview(&stack).await.unwrap(), json!({"a": SECRET, "b": 2}));
    call().check(&stack).await.unwrap();
    assert!(!log.text().contains(SECRET));
    let events = log.events();
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|event| event.profile.as_ref().unwrap().tool_call_id.as_deref() == Some("c1")));
    assert_eq!(events[1].data, json!({"a": "[SSN]", "b": 2}));
}

#[tokio::test]
async fn an_end_by_hand_says_what_went_wrong() {
    let Fixture { stack, log, .. } = fixture();
    let options = CallOptions { metadata: json!({"a": 1, "b": {"x": 1}}), ..CallOptions::default() };
    let open = LlmCall { options, ..call() }.start(&stack, None).await;
    let end = CallEnd { metadata: serde_json::from_value(json!({"b": 2})).unwrap(), ..CallEnd::default() };
    let error = open.end(json!("no chat response"), end).await.unwrap_err();
    assert!(matches!(error, CallError::Codec(_)));
    let end = &ends(&log)[0];
    assert_eq!((&end.data, &end.metadata), (&json!("no chat response"), &json!({"a": 1, "b": 2})));
    assert!(end.timestamp > log.events()[0].timestamp);
    let phase = |event: &Event| matches!(event.kind, crate::event::Kind::Scope { phase: Phase::End, .. });
    assert!(phase(end) && end.profile.as_ref().unwrap().annotated_response.is_none());
}
