//! Middleware of model calls as components: every place in the pipeline, with a real component, and everything that one may do wrong.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kitaru_host::config::{MiddlewareConfig, MiddlewareSource};
use kitaru_host::sandbox::ComponentError;
use kitaru_host::sandbox::middleware::{
    MiddlewareComponent, MiddlewareProblem, MiddlewareSettings, RegisterError, SettingsError, StreamedCalls, Surface,
    register_all,
};
use kitaru_host::service::{MiddlewareLoadProblem, load_middleware};
use kitaru_host::signing::Trust;
use kitaru_host::store::Components as _;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_llm::chat::RawRequest;
use kitaru_llm::codec::OpenAiChat;
use kitaru_llm::pipeline::{CallError, CallInfo, Cause, Chunks, Draft, Failure, FromFn, ReadyChunks, Registration, Verdict};
use kitaru_tests::{example, fixture};
use serde_json::{Value, json};

#[path = "middleware/bench.rs"]
mod bench;
#[path = "middleware/wrong.rs"]
mod wrong;

use bench::{Bench, Lines, call, content, context, load, misbehaving, not_executed, rejected, sandbox, settings};

#[tokio::test]
async fn a_guardrail_rejects_and_lets_pass() {
    let bench = Bench::with(settings(json!({ "reject_words": ["secret"] }))).await;
    assert_eq!(rejected(bench.run().await), "it says secret");
    assert!(bench.asked().is_empty() && !bench.is_recorded());

    let bench = Bench::with(settings(json!({ "reject_words": ["other"] }))).await;
    assert_eq!(bench.run().await.unwrap(), json!({ "echo": content() }));
}

#[tokio::test]
async fn middleware_is_told_of_the_call_and_sees_no_credentials() {
    let bench = Bench::with(settings(json!({ "show_call": true }))).await;
    let told: Value = rejected(bench.run().await).parse().unwrap();
    let expected = json!({
        "name": "chat", "model": "test/model", "alias": "fast", "flow": "writer", "metadata": { "flow": "writer" }, "headers": {},
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_intercept_rewrites_headers_and_the_body_or_its_annotation() {
    let change = json!({ "header": "x-added", "most_tokens": 100 });
    let mut expected = content();
    expected["max_tokens"] = json!(100);
    for with_codec in [false, true] {
        let bench = Bench::with(settings(change.clone())).await;
        let call = if with_codec { call().protocol(Arc::new(OpenAiChat)) } else { call() };
        bench.call(call).await.unwrap();
        let asked = &bench.asked()[0];
        assert_eq!(asked.content, expected, "codec: {with_codec}");
        let headers = json!({ "x-added": "added", "Authorization": "Bearer marker" });
        assert_eq!(Value::Object(asked.headers.clone()), headers, "codec: {with_codec}");
    }
}

#[tokio::test]
async fn sanitisers_change_the_record_and_nothing_else() {
    let bench = Bench::with(settings(json!({ "mask": "secret" }))).await;
    let response = bench.call(call().protocol(Arc::new(OpenAiChat))).await.unwrap();
    assert_eq!(response, json!({ "echo": content() }));
    assert_eq!(bench.asked()[0].content, content());
    let (start, end) = bench.recorded();
    let profile = start.profile.clone().unwrap();
    for shown in [start.data.to_string(), end.data.to_string(), profile.annotated_request.unwrap().to_string()] {
        assert!(shown.contains("my ****** is kept") && !shown.contains("secret"), "{shown}");
    }

    let bench = Bench::with(settings(json!({ "omit": true }))).await;
    bench.run().await.unwrap();
    let (start, end) = bench.recorded();
    for event in [start, end] {
        assert_eq!((&event.data, &event.metadata["kitaru.omitted_by"]), (&Value::Null, &json!("configured")));
    }
}

#[tokio::test]
async fn an_execution_intercept_answers_by_itself_or_asks_twice() {
    let bench = Bench::with(settings(json!({ "execute": "answer" }))).await;
    assert_eq!(bench.run().await.unwrap(), json!({ "answer": "made up" }));
    assert!(bench.asked().is_empty());
    assert_eq!(bench.recorded().1.data, json!({ "answer": "made up" }));

    let bench = Bench::with(settings(json!({ "execute": "twice" }))).await;
    let mut again = content();
    again["again"] = json!(true);
    assert_eq!(bench.run().await.unwrap(), json!([{ "echo": content() }, { "echo": again }]));
    // Credentials are put back for each.
    assert!(bench.asked().len() == 2 && bench.asked().iter().all(|asked| asked.headers["Authorization"] == "Bearer marker"));
}

#[tokio::test]
async fn a_failure_of_next_can_be_mended_or_passed_on_as_it_came() {
    let bench = Bench::with(settings(json!({ "execute": "retry" }))).await;
    bench.failing.store(1, Ordering::Relaxed);
    assert_eq!(bench.run().await.unwrap(), json!({ "echo": content() }));
    assert_eq!(bench.asked().len(), 2);

    bench.failing.store(2, Ordering::Relaxed);
    let Err(CallError::Execution(failure)) = bench.run().await else { panic!("it should fail") };
    assert_eq!(failure.error_type(), "503");
    assert!(failure.downcast_ref::<std::io::Error>().is_some(), "the very failure of the provider: {failure:?}");

    let bench = Bench::with(settings(json!({ "execute": "own" }))).await;
    let (kind, problem) = not_executed(bench.run().await);
    assert_eq!((kind.as_str(), problem), ("quota", MiddlewareProblem::Said("the quota is used up".into())));
    assert_eq!(bench.recorded().1.error_type(), Some("quota"));
}

#[tokio::test]
async fn calls_of_next_are_counted_and_their_time_is_not() {
    let bench = Bench::with(settings(json!({ "execute": "endless" }))).await;
    let (kind, problem) = not_executed(bench.run().await);
    assert!(matches!(&problem, MiddlewareProblem::Limit(why) if why.contains("more than 16 times")), "{problem:?}");
    assert_eq!((kind.as_str(), bench.asked().len()), ("middleware", 16));

    // The model takes longer than the middleware may.
    let limited = MiddlewareSettings { timeout: Duration::from_millis(400), ..settings(json!({})) };
    let slow = |request: RawRequest| async move {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok::<_, Failure>(request.content)
    };
    let answer = call().run(&Bench::with(limited).await.pipeline.stack(), Arc::new(FromFn(slow))).await;
    assert_eq!(answer.unwrap(), content());
}

#[tokio::test]
async fn middleware_can_read_any_protocol_by_the_codec_of_the_call() {
    let bench = Bench::with(settings(json!({ "execute": "decode" }))).await;
    let answer = json!({ "choices": [{ "message": { "role": "assistant", "content": "kept" }, "finish_reason": "stop" }] });
    let model = move |_: RawRequest| std::future::ready(Ok::<_, Failure>(answer.clone()));
    let read = call().protocol(Arc::new(OpenAiChat)).run(&bench.pipeline.stack(), Arc::new(FromFn(model))).await.unwrap();
    assert_eq!(read["asked"]["params"]["max_tokens"], 500);
    assert!(read["answered"].to_string().contains("kept"), "{read}");

    let (_, problem) = not_executed(bench.run().await);
    assert_eq!(problem, MiddlewareProblem::Said("the call has no codec".into()));
}

#[tokio::test]
async fn components_and_what_is_built_in_run_in_the_order_of_priorities() {
    let guardrail = |priority, verdict: &'static str| {
        let check = FromFn(move |_: &CallInfo, _: &RawRequest| Ok::<_, Cause>(Verdict::Reject { reason: verdict.into() }));
        (Registration::new("built-in", priority), Arc::new(check))
    };
    for (priority, expected) in [(49, "built-in"), (51, "it says secret")] {
        let bench = Bench::with(settings(json!({ "reject_words": ["secret"] }))).await;
        let (registration, check) = guardrail(priority, "built-in");
        bench.pipeline.registrations().llm.guardrails.register(registration, check).unwrap();
        let Err(CallError::Rejected { reason, .. }) = bench.run().await else { panic!("it should be rejected") };
        assert_eq!(reason, expected);
    }

    // A priority of its own, between two that are built in.
    let between = MiddlewareSettings { priority: Some(-3), ..settings(json!({ "most_tokens": 100 })) };
    let bench = Bench::with(between).await;
    for (priority, name) in [(-4, "before"), (-2, "after")] {
        let rewrite = FromFn(move |_: &CallInfo, mut draft: Draft<RawRequest>| {
            draft.request.headers.insert(name.into(), draft.request.content["max_tokens"].clone());
            Ok::<_, Cause>(draft)
        });
        let registration = Registration::new(name, priority);
        bench.pipeline.registrations().llm.request_intercepts.register(registration, Arc::new(rewrite)).unwrap();
    }
    bench.run().await.unwrap();
    let headers = &bench.asked()[0].headers;
    assert_eq!((&headers["before"], &headers["after"]), (&json!(500), &json!(100)));
}

#[tokio::test]
async fn calls_of_other_flows_go_past_it() {
    let only = |flow: &str| MiddlewareSettings { flows: vec![flow.into()], ..settings(json!({ "reject_words": ["secret"] })) };
    assert_eq!(rejected(Bench::with(only("writer")).await.run().await), "it says secret");
    Bench::with(only("other")).await.run().await.unwrap();
}

#[tokio::test]
async fn streamed_calls_go_past_execute_unless_it_refuses_them() {
    let model = || {
        Arc::new(FromFn(|_: RawRequest| async {
            Ok::<_, Failure>(Box::new(ReadyChunks([Ok(json!({ "piece": 1 }))].into_iter())) as Chunks)
        }))
    };
    let bench = Bench::with(settings(json!({}))).await;
    let Err(CallError::Execution(failure)) = call().stream(&bench.pipeline.stack(), model(), None).await else {
        panic!("it should be refused")
    };
    assert_eq!(failure.error_type(), "middleware");

    // Who installs it has the last word.
    let passing = MiddlewareSettings { streams: Some(StreamedCalls::Pass), ..settings(json!({})) };
    let component = load(passing.clone()).await;
    assert_eq!(component.policy()["streams"], "pass");
    let bench = Bench::with(passing).await;
    let mut stream = call().stream(&bench.pipeline.stack(), model(), None).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), json!({ "piece": 1 }));

    let elsewhere = MiddlewareSettings { surfaces: Some(vec![Surface::Check, Surface::SanitizeResponse]), ..settings(json!({})) };
    let bench = Bench::with(elsewhere).await;
    let mut stream = call().stream(&bench.pipeline.stack(), model(), None).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), json!({ "piece": 1 }));
}

#[tokio::test]
async fn events_arrive_in_order_behind_the_call() {
    let lines = Arc::new(Lines::default());
    let only = MiddlewareSettings { surfaces: Some(vec![Surface::OnEvent]), flows: vec!["writer".into()], ..settings(json!({})) };
    let bench = Bench::new();
    let registered = bench.register(&load(only).await.logging_to(lines.clone()));
    bench.run().await.unwrap();
    let mut other = call();
    other.options.metadata = json!({ "flow": "other" });
    bench.call(other).await.unwrap();
    registered.flush().await;
    assert_eq!(*lines.0.lock().unwrap(), ["log: \"scope\" \"chat\"", "log: \"scope\" \"chat\""]);
    assert_eq!(registered.failed_events(), 0);

    // What one does wrong concerns nobody else.
    let bench = Bench::new();
    let registered = bench.register(&load(misbehaving(Surface::OnEvent, "trap")).await);
    bench.run().await.unwrap();
    registered.flush().await;
    // Of the guardrail's scope, and of the call.
    assert_eq!(registered.failed_events(), 4);
    registered.deregister();
    assert!(bench.pipeline.registrations().llm.guardrails.names().is_empty());
    assert_eq!(bench.pipeline.registrations().subscribers.names(), ["log"]);
}

#[tokio::test]
async fn it_stands_in_all_its_places_or_in_none() {
    let bench = Bench::new();
    let taken = FromFn(|_: &CallInfo, response: Value| Ok::<_, Cause>(Some(response)));
    let sanitizers = &bench.pipeline.registrations().llm.response_sanitizers;
    sanitizers.register(Registration::new("configured", 0), Arc::new(taken)).unwrap();
    let component = load(settings(json!({}))).await;
    let refused = component.register(bench.pipeline.registrations(), &context());
    let Err(RegisterError::Registry { surface: Surface::SanitizeResponse, .. }) = refused else { panic!("the name is taken") };
    let hooks = &bench.pipeline.registrations().llm;
    assert!(hooks.guardrails.names().is_empty() && hooks.request_intercepts.names().is_empty());
    assert!(hooks.request_sanitizers.names().is_empty() && hooks.execution_intercepts.names().is_empty());

    // And so do several.
    let another = load(MiddlewareSettings { name: Some("another".into()), ..settings(json!({})) }).await;
    let all = [another.clone(), component.clone()];
    assert!(register_all(&all, bench.pipeline.registrations(), &context()).is_err());
    assert!(hooks.guardrails.names().is_empty() && hooks.response_sanitizers.names() == ["configured"]);
    assert_eq!(register_all(&all[..1], bench.pipeline.registrations(), &context()).unwrap().len(), 1);
    assert_eq!(hooks.guardrails.names(), ["another"]);

    let named = MiddlewareSettings { name: Some("mine".into()), ..settings(json!({ "reject_words": ["x"] })) };
    let policy = load(named).await.policy();
    assert_eq!((&policy["name"], &policy["version"], &policy["priority"]), (&json!("mine"), &json!("1.2.3"), &json!(50)));
    assert_eq!(policy["component"], component.digest().to_string());
    assert_ne!(policy["config_sha256"], component.policy()["config_sha256"]);
}

fn configured(component: &str, name: &str) -> MiddlewareConfig {
    let value = json!({ "component": component, "name": name });
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_configuration_is_loaded_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = fixture("middleware");
    let sandbox = sandbox().await;
    let store = SqliteStore::open(&folder.path().join("home")).unwrap();
    let load = async |second: MiddlewareConfig| {
        load_middleware(&sandbox, &store, &[configured(&good, "first"), second], &Trust::default()).await
    };

    let loaded = load(configured(&good, "second")).await.unwrap();
    assert_eq!(loaded.iter().map(MiddlewareComponent::name).collect::<Vec<_>>(), ["first", "second"]);
    let digest = store.put_component(&std::fs::read(&good).unwrap()).await.unwrap();
    let stored = configured(&digest.to_string(), "second");
    assert!(matches!(stored.component, MiddlewareSource::Stored(_)));
    assert_eq!(load(stored).await.unwrap().len(), 2);

    let wrong = |surfaces: &[Surface]| MiddlewareConfig { surfaces: Some(surfaces.to_vec()), ..configured(&good, "second") };
    let core = wat::parse_str("(module)").unwrap();
    let unknown = wat::parse_str("(component (import \"wasi:keyvalue/store@0.2.0\" (instance)))").unwrap();
    type Expected = fn(&MiddlewareLoadProblem) -> bool;
    let cases: [(MiddlewareConfig, Expected); 9] = [
        (configured(&"ab".repeat(32), "second"), |problem| matches!(problem, MiddlewareLoadProblem::Stored(_))),
        (configured("/no/such/file.wasm", "second"), |problem| matches!(problem, MiddlewareLoadProblem::Read(_))),
        (configured(&good, "first"), |problem| matches!(problem, MiddlewareLoadProblem::Duplicate(_))),
        (configured(&good, "a b"), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::MiddlewareSettings(SettingsError::Name(_))))
        }),
        (wrong(&[]), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::MiddlewareSettings(SettingsError::NoSurface)))
        }),
        (configured(&file("text.wasm", b"not wasm"), "second"), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::NotWasm))
        }),
        (configured(&file("core.wasm", &core), "second"), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::CoreModule))
        }),
        (configured(&file("unknown.wasm", &unknown), "second"), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::UnknownImports { .. }))
        }),
        // A flow is something else, and uses what middleware has not.
        (configured(&example("hello"), "second"), |problem| {
            matches!(problem, MiddlewareLoadProblem::Component(ComponentError::UnknownImports { .. }))
        }),
    ];
    for (second, expected) in cases {
        let component = second.component.to_string();
        let error = load(second).await.unwrap_err();
        assert!(expected(&error.problem), "{component}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(&component) && text.contains("entry 2"), "{text}");
    }
}
