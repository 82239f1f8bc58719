//! Providers that misbehave: busy, broken, silent, cut off, talking nonsense, endless, leading elsewhere.

use std::time::Duration;

use kitaru_tests::models::{entry, failed, origin, told, usage};
use kitaru_tests::provider::{Ending, Provider, Reaction};
use kitaru_tests::{Models, checkpoint, id, names, until};
use serde_json::{Value, json};

/// One call in a flow.
fn ask(models: &Models) -> Value {
    models.ask(&json!([{ "prompt": "x", "name": "asked" }])).remove(0)
}

/// A stream in a checkpoint, to its end or to its failure.
fn stream(models: &Models) -> Value {
    let input = json!({ "request": { "prompt": "x", "name": "asked", "stream": true }, "most": null, "abort": false });
    models.run("model_stream", &input)["result"].clone()
}

#[test]
fn a_busy_provider_is_asked_again_when_it_says() {
    let models = Models::answering([Reaction::status(429).header("retry-after", "1"), Reaction::text("At last.")]);
    let done = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "name": "asked" }] }));
    assert_eq!(told(&done)[0]["ok"]["text"], "At last.");
    let calls = models.provider.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[1].received.at.duration_since(calls[0].received.at) >= Duration::from_secs(1));
    let call = checkpoint(&done, "asked");
    assert_eq!(names(&json!(usage(call)), "status"), ["failed", "completed"], "{call:#}");
    assert_eq!(entry(call, "asked")["cost_usd"], 5.85e-6, "nobody charges for a refusal");
    let records = models.records(id(&done));
    let marks: Vec<_> = records[0].events.iter().filter(|event| event["name"] == "llm.retry").collect();
    assert_eq!((marks.len(), &marks[0]["data"]["error_type"]), (1, &json!("429")), "{marks:#?}");
}

#[test]
fn a_provider_that_wants_more_time_than_there_is_is_not_waited_for() {
    let models = Models::answering([Reaction::status(429).header("retry-after", "3600")]);
    let answer = ask(&models);
    failed(&answer, "rate-limited", &["openai/gpt-4o-mini"]);
    assert_eq!((origin(&answer), &answer["retryable"], models.hits()), ("Backend", &json!(true), 1));
}

#[test]
fn a_broken_provider_is_asked_as_often_as_the_settings_say() {
    let models = Models::of(Provider::reacting(|received| match received.number {
        0..2 => Reaction::status(500),
        2 => Reaction::text("Mended."),
        _ => Reaction::status(503),
    }));
    models.settings(Models::QUICK);
    assert_eq!((&ask(&models)["ok"]["text"], models.hits()), (&json!("Mended."), 3));
    let answer = ask(&models);
    failed(&answer, "provider", &["openai/gpt-4o-mini", "503"]);
    assert_eq!((origin(&answer), &answer["retryable"], models.hits()), ("Backend", &json!(true), 6));
    assert_eq!((&answer["details"]["status"], &answer["details"]["attempts"]), (&json!(503), &json!(3)));
    models.settings(Models::ONCE);
    failed(&ask(&models), "provider", &["503"]);
    assert_eq!(models.hits(), 7);
}

#[test]
fn a_request_that_is_refused_is_not_repeated() {
    for (status, kind) in [(400, "provider"), (401, "credentials"), (403, "credentials"), (404, "provider"), (413, "too-large")] {
        let models = Models::answering([Reaction::status(status)]);
        let answer = ask(&models);
        failed(&answer, kind, &["openai/gpt-4o-mini"]);
        assert_eq!((&answer["retryable"], models.hits()), (&json!(false), 1), "{status}: {answer:#}");
    }
}

#[test]
fn a_fallback_answers_and_is_recorded_as_the_model_that_did() {
    let models = Models::answering([Reaction::status(500), Reaction::text("From the other.")]);
    models.settings(Models::ONCE);
    let address = models.provider.openai();
    let _ = models.alias("smart", "openai/gpt-4o", &address, &[]);
    let _ = models.alias("careful", "openai/gpt-4o-mini", &address, &["--fallback", "smart"]);
    let done = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "model": "careful", "name": "asked" }] }));
    assert_eq!(told(&done)[0]["ok"]["text"], "From the other.");
    let found = entry(checkpoint(&done, "asked"), "asked");
    assert_eq!((&found["resolved_model"], &found["effective_model"]), (&json!("openai/gpt-4o-mini"), &json!("openai/gpt-4o")));
    let asked: Vec<_> = models.provider.calls().iter().map(|call| call.received.model()).collect();
    assert_eq!(asked, ["gpt-4o-mini", "gpt-4o"]);
}

#[test]
fn a_hung_connection_ends_with_the_time_limit() {
    let models = Models::answering([Reaction::hang()]);
    models.settings(&format!("{}[llm.timeouts]\nfirst_byte_ms = 300\n", Models::ONCE));
    let answer = ask(&models);
    failed(&answer, "timeout", &["openai/gpt-4o-mini", "300 ms"]);
    assert_eq!((origin(&answer), &answer["retryable"]), ("Backend", &json!(true)));
    until("the connection's end", || (models.provider.calls()[0].ending == Ending::Abandoned).then_some(()));
}

#[test]
fn a_stream_that_falls_silent_ends_with_the_time_limit() {
    let models = Models::answering([Reaction::pieces(["One ", "two."]).hang_after(1)]);
    models.settings("[llm.timeouts]\nidle_ms = 300\n");
    let result = stream(&models);
    assert_eq!(result["pieces"], json!(["One "]));
    failed(&result["failed"], "timeout", &["300 ms"]);
    assert_eq!(models.hits(), 1, "what was delivered cannot be taken back");
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_again_and_a_stream_is_not() {
    let models = Models::answering([Reaction::text("Cut off.").cut_after(1), Reaction::text("Whole.")]);
    models.settings(Models::QUICK);
    assert_eq!((&ask(&models)["ok"]["text"], models.hits()), (&json!("Whole."), 2));
    models.provider.then(Reaction::pieces(["One ", "two ", "three."]).cut_after(2));
    let result = stream(&models);
    assert_eq!(result["pieces"], json!(["One ", "two "]));
    failed(&result["failed"], "provider", &["openai/gpt-4o-mini"]);
    failed(&result["end"], "provider", &["openai/gpt-4o-mini"]);
    assert_eq!((&result["failed"]["retryable"], models.hits()), (&json!(true), 3));
    let newest = models.newest();
    let records = models.records(id(&newest));
    assert_eq!((records.len(), &records[0].usage[0]["status"]), (1, &json!("failed")), "{records:#?}");
    // In a flow nothing was delivered, and what is recorded is the failure.
    models.provider.then(Reaction::pieces(["One ", "two."]).cut_after(1));
    let in_flow = models.try_run("model_flow_stream", &json!({ "prompt": "x" }));
    assert_eq!(in_flow.error()["failure_kind"], "provider", "{in_flow:?}");
}

/// Errors before the first piece are the attempt's, which is repeated.
#[test]
fn a_stream_that_never_began_is_asked_for_again() {
    let models = Models::answering([Reaction::status(503), Reaction::pieces(["One ", "two."])]);
    models.settings(Models::QUICK);
    assert_eq!((&stream(&models)["pieces"], models.hits()), (&json!(["One ", "two."]), 2));
}

#[test]
fn what_is_no_json_is_the_providers_fault_and_is_not_quoted() {
    let nonsense = "{\"choices\": [{\"nonsense-4f1c\"";
    let models = Models::of(Provider::reacting(move |_| Reaction::raw("application/json", [nonsense])));
    models.settings(Models::QUICK);
    for answer in [ask(&models), models.ask_in_body(&json!([{ "prompt": "x" }])).remove(0)] {
        failed(&answer, "provider", &["openai/gpt-4o-mini"]);
        assert!(origin(&answer) == "Backend" && !answer.to_string().contains("nonsense-4f1c"), "{answer:#}");
    }
    assert_eq!(models.hits(), 2, "the answer was written and charged");
}

#[test]
fn a_document_that_is_no_answer_is_the_providers_fault() {
    let documents = ["{}", "[]", "null", r#"{"choices":[]}"#, r#"{"choices":[{"message":{"role":"assistant","content":null}}]}"#];
    for document in documents {
        let models = Models::answering([Reaction::raw("application/json", [document])]);
        failed(&ask(&models), "provider", &["openai/gpt-4o-mini"]);
    }
}

#[test]
fn bad_events_end_a_stream_with_what_came_before() {
    let broken = ["data: {not json\n\n", "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"];
    for event in broken {
        let models = Models::answering([Reaction::pieces(["One ", "two."]).with_text_after(1, event)]);
        let result = stream(&models);
        assert_eq!(result["pieces"], json!(["One "]), "{event}");
        failed(&result["failed"], "provider", &["openai/gpt-4o-mini"]);
        assert_eq!(models.hits(), 1);
    }
    let models = Models::answering([Reaction::raw("text/event-stream", ["<html>", "busy", "</html>"])]);
    models.settings(Models::ONCE);
    let result = stream(&models);
    // It may be told at once, or when nothing came.
    failed(result.get("end").unwrap_or(&result), "provider", &["openai/gpt-4o-mini"]);
}

#[test]
fn l20_a_key_in_the_middle_of_a_stream_is_taken_out() {
    let event = format!("data: {{\"error\":{{\"message\":\"bad key {}\",\"type\":\"server_error\"}}}}\n\n", Models::KEY);
    let models = Models::answering([Reaction::pieces(["One ", "two."]).with_text_after(1, event)]);
    let result = stream(&models);
    failed(&result["failed"], "provider", &["bad key", "[redacted]"]);
    Models::PLANTED.is_in_no_file_of(&models.host);
}

#[test]
fn an_endless_answer_is_read_no_further_than_its_limit() {
    const BYTES: u64 = 500_000_000;
    // What lies in the buffers of both sockets was sent too, and the system lets them grow.
    const BUFFERED: u64 = 150_000_000;
    // The default, whatever the provider says of its length; and a smaller one.
    for (announced, limit, settings) in
        [(true, 0, ""), (false, 33_554_432, ""), (false, 1_000_000, "[llm.answers]\nanswer_bytes = 1000000\n")]
    {
        let models = Models::answering([Reaction::bulk(BYTES, announced)]);
        models.settings(settings);
        let answer = ask(&models);
        failed(&answer, "too-large", &["openai/gpt-4o-mini"]);
        let exchange = until("the connection's end", || {
            let exchange = models.provider.calls().remove(0);
            (exchange.ending != Ending::Open).then_some(exchange)
        });
        assert!(exchange.sent < limit + BUFFERED, "{} bytes were sent, {limit} may be read", exchange.sent);
        assert_eq!((exchange.ending, models.hits()), (Ending::Abandoned, 1));
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Provider::answering([Reaction::text("From a private address.")]);
    let models = Models::answering([Reaction::redirect(&format!("{}/chat/completions", elsewhere.openai()))]);
    let answer = ask(&models);
    failed(&answer, "provider", &["redirect"]);
    assert!(elsewhere.exchanges().is_empty(), "{:#?}", elsewhere.exchanges());
    assert_eq!(models.hits(), 1);
    // A redirect of a stream is none either.
    models.provider.then(Reaction::redirect("http://169.254.169.254/latest/meta-data"));
    failed(&stream(&models), "provider", &["redirect"]);
}

#[test]
fn addresses_of_ones_own_network_are_refused_where_the_settings_say_so() {
    let models = Models::always("Said.");
    models.settings("[llm]\nprivate_addresses = false\n");
    failed(&ask(&models), "provider", &["127.0.0.1"]);
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn a_provider_that_nobody_serves_is_named() {
    let models = Models::answering([]);
    models.settings(Models::ONCE);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _ = models.alias("gone", "openai/gpt-4o", &format!("http://{free}/v1"), &[]);
    let answer = models.ask(&json!([{ "prompt": "x", "model": "gone" }])).remove(0);
    failed(&answer, "provider", &["openai/gpt-4o", &free.to_string()]);
    assert_eq!((origin(&answer), &answer["retryable"]), ("Backend", &json!(true)));
}
