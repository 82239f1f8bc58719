//! Everything that middleware may do wrong, or cannot do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::sandbox::middleware::{MiddlewareProblem, MiddlewareSettings, Surface};
use kitaru_llm::codec::OpenAiChat;
use kitaru_llm::pipeline::{CallError, Stage};
use serde_json::{Value, json};

use crate::bench::{Bench, call, content, failed, misbehaving, not_executed, rejected, settings};

#[tokio::test]
async fn an_intercept_that_changes_what_would_be_lost_or_what_is_not_its_own_fails_the_call() {
    let bench = Bench::with(settings(json!({ "edit_body": true }))).await;
    bench.run().await.unwrap();
    assert_eq!(bench.asked()[0].content["edited"], true);
    let error = bench.call(call().protocol(Arc::new(OpenAiChat))).await.unwrap_err();
    assert!(matches!(&error, CallError::BodyEdited { name } if name == "configured"), "{error:?}");

    let bench = Bench::with(settings(json!({ "header": "X-Api-Key" }))).await;
    let problem = failed(bench.run().await, Stage::RequestIntercept);
    assert!(matches!(&problem, MiddlewareProblem::Answer(why) if why.contains("`X-Api-Key`")), "{problem:?}");
    assert!(bench.asked().is_empty() && !bench.is_recorded());
}

#[tokio::test]
async fn next_is_for_execute_only() {
    let bench = Bench::with(misbehaving(Surface::Check, "next")).await;
    assert_eq!(rejected(bench.run().await), "context: `next` can only be called inside `execute`");
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_time_limit() {
    let limited = |surface| MiddlewareSettings { timeout: Duration::from_millis(200), ..misbehaving(surface, "spin") };
    for surface in [Surface::Check, Surface::Rewrite] {
        let bench = Bench::with(limited(surface)).await;
        let started = Instant::now();
        let error = bench.run().await.unwrap_err();
        assert!(matches!(&error, CallError::TimedOut(over) if over.name == "configured"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(bench.asked().is_empty());
    }
    let bench = Bench::with(limited(Surface::Execute)).await;
    let Err(CallError::Execution(failure)) = bench.run().await else { panic!("it should fail") };
    assert_eq!(failure.error_type(), "timeout");
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn whatever_goes_wrong_in_a_guardrail_or_an_intercept_fails_the_call() {
    type Expected = fn(&MiddlewareProblem) -> bool;
    let cases: [(&str, Expected); 6] = [
        ("memory", |problem| matches!(problem, MiddlewareProblem::Limit(why) if why.contains("`memory_mib` of 64 MiB"))),
        // Nothing of what a panic says, which may be a payload.
        ("trap", |problem| matches!(problem, MiddlewareProblem::Trapped(why) if !why.contains("payload"))),
        ("exit", |problem| matches!(problem, MiddlewareProblem::Exited)),
        ("sleep", |problem| matches!(problem, MiddlewareProblem::Limit(why) if why == "middleware cannot sleep")),
        ("error", |problem| matches!(problem, MiddlewareProblem::Said(why) if why == "it does not feel like it")),
        ("print", |problem| matches!(problem, MiddlewareProblem::Limit(why) if why.contains("`log_mib`"))),
    ];
    for (how, expected) in cases {
        for (surface, stage) in [(Surface::Check, Stage::Guardrail), (Surface::Rewrite, Stage::RequestIntercept)] {
            let bench = Bench::with(misbehaving(surface, how)).await;
            let problem = failed(bench.run().await, stage);
            assert!(expected(&problem), "{surface} {how}: {problem:?}");
            assert!(bench.asked().is_empty() && !bench.is_recorded(), "{surface} {how}");
        }
        let bench = Bench::with(misbehaving(Surface::Execute, how)).await;
        let (kind, problem) = not_executed(bench.run().await);
        assert!(kind == "middleware" && expected(&problem), "execute {how}: {kind}, {problem:?}");
        assert!(bench.asked().is_empty(), "{how}");
    }
}

#[tokio::test]
async fn a_sanitiser_that_fails_leaves_its_payload_out() {
    for how in ["memory", "trap", "exit", "error", "spin"] {
        for surface in [Surface::SanitizeRequest, Surface::SanitizeResponse] {
            let timeout = if how == "spin" { Duration::from_millis(200) } else { Duration::from_secs(20) };
            let bench = Bench::with(MiddlewareSettings { timeout, ..misbehaving(surface, how) }).await;
            assert_eq!(bench.run().await.unwrap(), json!({ "echo": content() }), "the call goes on: {how}");
            let (start, end) = bench.recorded();
            let (without, with) = if surface == Surface::SanitizeRequest { (start, end) } else { (end, start) };
            assert_eq!((&without.data, &without.metadata["kitaru.omitted_by"]), (&Value::Null, &json!("configured")), "{how}");
            assert!(with.data.to_string().contains("secret"), "{how}");
        }
    }
}

#[tokio::test]
async fn what_it_returns_has_a_limit() {
    let reason = |bytes: u64| settings(json!({ "misbehave": { "surface": "check", "how": "big_reason", "bytes": bytes } }));
    let reason_of = async |bytes| Bench::with(reason(bytes)).await.run().await;
    let cut = rejected(reason_of(100_000).await);
    assert!(cut.len() < 5_000 && cut.ends_with('…'), "{}", cut.len());
    // More than the host takes at once.
    failed(reason_of(40 << 20).await, Stage::Guardrail);

    let surfaces = Some(vec![Surface::SanitizeRequest]);
    let small = MiddlewareSettings { value_mib: 1, surfaces, ..settings(json!({ "mask": "x" })) };
    let bench = Bench::with(small).await;
    let mut large = call();
    large.request.content["filling"] = json!("x".repeat(2 << 20));
    bench.call(large).await.unwrap();
    assert_eq!(bench.recorded().0.metadata["kitaru.omitted_by"], "configured");
}

#[tokio::test]
async fn nothing_is_kept_from_one_use_to_the_next() {
    for how in ["count", "sights"] {
        let bench = Bench::with(misbehaving(Surface::Check, how)).await;
        let (first, second) = (rejected(bench.run().await), rejected(bench.run().await));
        assert_eq!(first, second, "{how}");
        assert!(how != "count" || first == "0", "{first}");
    }
}

#[tokio::test]
async fn it_can_reach_nothing() {
    let bench = Bench::with(misbehaving(Surface::Check, "probe")).await;
    let seen: Value = rejected(bench.run().await).parse().unwrap();
    for denied in ["read", "list", "write", "connect", "udp", "resolve"] {
        assert!(seen[denied].as_str().unwrap().starts_with("error: "), "{denied}: {seen:#}");
    }
    assert_eq!((&seen["env"], &seen["arguments"], &seen["stdin"]), (&json!(0), &json!(0), &json!("")));
}
