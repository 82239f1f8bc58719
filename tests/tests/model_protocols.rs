//! The same faults in each protocol, whole and in pieces, of a flow's calls and of a checkpoint's.

use std::collections::HashSet;

use kitaru_tests::models::failed;
use kitaru_tests::provider::{Ending, Protocol, Provider, Reaction, Received};
use kitaru_tests::{Models, PROTOCOLS, id, until};
use serde_json::{Value, json};

/// Who makes the calls.
const SCOPES: [&str; 2] = ["model_calls", "model_body"];
/// Settings with which nothing is tried twice.
const ONCE: &str = "[llm.retry]\nattempts = 1\n";
/// And nothing is waited for long: for providers that say nothing.
const IMPATIENT: &str = "[llm.retry]\nattempts = 1\n[llm.timeouts]\nfirst_byte_ms = 300\nidle_ms = 300\n";

/// What became of a call in each protocol, whole and in pieces: the protocol's alias, whether it was in pieces, and what is told of it.
fn ask(models: &Models, scope: &str) -> Vec<(&'static str, bool, Value)> {
    let ways: Vec<(&str, bool)> = PROTOCOLS.into_iter().flat_map(|alias| [(alias, false), (alias, true)]).collect();
    let request = |(alias, stream): &(&str, bool)| json!({ "prompt": scope, "model": alias, "stream": stream });
    let answers = models.ask_protocols(scope, &ways.iter().map(request).collect());
    assert_eq!(answers.len(), ways.len());
    ways.into_iter().zip(answers).map(|((alias, stream), told)| (alias, stream, told)).collect()
}

fn models_of(provider: Provider, settings: &str) -> Models {
    let models = Models::of(provider);
    models.settings(settings);
    models.add_protocols();
    models
}

/// A provider with which the first attempt of each call goes so, and the next one well.
fn at_first(fault: fn(&Received) -> Reaction) -> Provider {
    let mut seen = HashSet::new();
    Provider::reacting(move |received| {
        let call = (received.path.clone(), received.is_streamed(), received.conversation());
        if seen.insert(call) { fault(received) } else { Reaction::text("At last.") }
    })
}

/// A provider with which nothing goes well: each call fails with this kind, and with these parts in its message.
#[track_caller]
fn fails(fault: fn(&Received) -> Reaction, kind: &str, parts: &[&str]) {
    fails_with(ONCE, fault, kind, parts);
}

/// The same with these settings.
#[track_caller]
fn fails_with(settings: &str, fault: fn(&Received) -> Reaction, kind: &str, parts: &[&str]) {
    let models = models_of(Provider::reacting(fault), settings);
    for scope in SCOPES {
        for (alias, stream, told) in ask(&models, scope) {
            assert_eq!(told["kind"], kind, "{alias}, in pieces: {stream}, {scope}: {told:#}");
            failed(&told, kind, parts);
        }
    }
    assert_eq!(models.hits(), 2 * SCOPES.len() * PROTOCOLS.len(), "each was asked once");
    Models::PLANTED.is_in_no_file_of(&models.host);
}

#[test]
fn what_passes_is_tried_again() {
    let faults: [fn(&Received) -> Reaction; 3] =
        [|_| Reaction::status(429).header("retry-after", "0"), |_| Reaction::status(500), |_| Reaction::echoed_key(503)];
    for fault in faults {
        let models = models_of(at_first(fault), Models::QUICK);
        for scope in SCOPES {
            for (alias, stream, told) in ask(&models, scope) {
                assert_eq!(told["ok"]["text"], "At last.", "{alias}, in pieces: {stream}, {scope}: {told:#}");
            }
        }
        assert_eq!(models.hits(), 4 * SCOPES.len() * PROTOCOLS.len());
        Models::PLANTED.is_in_no_file_of(&models.host);
    }
}

#[test]
fn a_provider_that_stays_busy_is_given_up() {
    fails(|_| Reaction::status(429), "rate-limited", &["429"]);
}

#[test]
fn a_provider_that_stays_broken_is_given_up() {
    fails(|_| Reaction::status(500), "provider", &["500"]);
}

#[test]
fn l20_a_key_that_a_refusal_quotes_is_taken_out() {
    fails(|_| Reaction::echoed_key(401), "credentials", &["Incorrect API key provided: [redacted]."]);
}

#[test]
fn a_hung_connection_ends_with_the_time_limit() {
    fails_with(IMPATIENT, |_| Reaction::hang(), "timeout", &["300 ms"]);
    // Nobody waits for the rest of an answer longer than for its beginning; the beginning itself may take its time.
    let idle = "[llm.retry]\nattempts = 1\n[llm.timeouts]\nidle_ms = 300\n";
    fails_with(idle, |_| Reaction::pieces(["One ", "two."]).hang_after(1), "timeout", &["300 ms"]);
}

/// What was not delivered is asked for again; what was, in part, is not.
#[test]
fn an_answer_that_is_cut_off_fails_once_a_piece_was_delivered() {
    let models = models_of(at_first(|_| Reaction::pieces(["One ", "two."]).cut_after(1)), Models::QUICK);
    for scope in SCOPES {
        for (alias, stream, told) in ask(&models, scope) {
            let says = format!("{alias}, in pieces: {stream}, {scope}: {told:#}");
            match stream {
                true => assert_eq!(told["kind"], "provider", "{says}"),
                false => assert_eq!(told["ok"]["text"], "At last.", "{says}"),
            }
        }
    }
    assert_eq!(models.hits(), 3 * SCOPES.len() * PROTOCOLS.len());
}

/// In both deliveries what comes is what is wanted, and makes no sense.
#[test]
fn nonsense_is_the_providers_fault_and_is_not_quoted() {
    let nonsense = |received: &Received| match received.is_streamed() {
        true => Reaction::pieces(["One ", "two."]).with_text_after(1, "data: {\"nonsense-4f1c\n\n"),
        false => Reaction::raw("application/json", ["{\"nonsense-4f1c"]),
    };
    let models = models_of(Provider::reacting(nonsense), Models::QUICK);
    for scope in SCOPES {
        for (alias, stream, told) in ask(&models, scope) {
            assert_eq!(told["kind"], "provider", "{alias}, in pieces: {stream}, {scope}: {told:#}");
            assert!(!told.to_string().contains("nonsense-4f1c"), "{told:#}");
        }
    }
    assert_eq!(models.hits(), 2 * SCOPES.len() * PROTOCOLS.len(), "an answer was written and charged");
}

/// An error in the protocol's own words where an answer should be, or go on.
fn broken_inside(received: &Received) -> Reaction {
    let message = format!("overloaded, {}", received.key().unwrap_or_default());
    let error = match received.protocol.expect("a model call") {
        Protocol::OpenAiChat => json!({ "error": { "message": message, "type": "server_error" } }),
        Protocol::OpenAiResponses => json!({ "type": "error", "code": "server_error", "message": message, "param": null }),
        Protocol::Anthropic => json!({ "type": "error", "error": { "type": "overloaded_error", "message": message } }),
        Protocol::Gemini => json!({ "error": { "code": 503, "message": message, "status": "UNAVAILABLE" } }),
    };
    match received.is_streamed() {
        true => Reaction::pieces(["One ", "two."]).with_text_after(1, format!("event: error\ndata: {error}\n\n")),
        false => Reaction::raw("application/json", [error.to_string()]),
    }
}

#[test]
fn l20_an_error_inside_of_an_answer_ends_it_and_gives_no_key_away() {
    fails(broken_inside, "provider", &["overloaded, [redacted]"]);
}

#[test]
fn a_stream_without_an_end_is_read_no_further_than_its_limit() {
    let endless = |_: &Received| Reaction::pieces(["x".repeat(10_000)]).endless_after(1);
    let models = models_of(Provider::reacting(endless), "[llm.answers]\nanswer_bytes = 1000000\n");
    for scope in SCOPES {
        let requests: Value = PROTOCOLS.iter().map(|alias| json!({ "prompt": "x", "model": alias, "stream": true })).collect();
        for told in models.ask_protocols(scope, &requests) {
            failed(&told, "too-large", &[]);
        }
    }
    assert_eq!(models.hits(), SCOPES.len() * PROTOCOLS.len());
    until("the connections' ends", || models.provider.calls().iter().all(|call| call.ending == Ending::Abandoned).then_some(()));
}

/// A call whose stream says the key back, cut after so many bytes of it, and once more in the arguments of a tool.
fn said_back(received: &Received) -> Reaction {
    let key = received.key().unwrap_or_default().to_owned();
    let conversation = received.conversation();
    let cut: usize = conversation[0].1.split(' ').next_back().and_then(|cut| cut.parse().ok()).expect("a prompt with a number");
    let pieces = ["A quokka and ", &key[..cut], &key[cut..], ", and more."];
    Reaction::pieces(pieces).and_tool_call("call_1", "look_up", json!({ "word": key }))
}

/// Nothing that somebody could recognise the key by.
#[track_caller]
fn assert_clean(text: &str) {
    let found = Models::KEY.as_bytes().windows(8).any(|part| text.as_bytes().windows(8).any(|window| window == part));
    assert!(!found, "{text}");
}

/// Whoever asks gets none of it, and neither do the journal, the records and the cache.
#[test]
fn l11_a_key_that_is_said_back_in_pieces_reaches_nothing() {
    let models = models_of(Provider::reacting(said_back), "[llm.cache]\nttl_seconds = 3600\nrules = { namespace = \"n\" }\n");
    let cuts = 1..Models::KEY.len();
    let requests = |scope: &str| -> Value {
        let request = |alias: &&str, cut: usize| json!({ "prompt": format!("{scope} {cut}"), "model": alias, "stream": true, "temperature": 0 });
        PROTOCOLS.iter().flat_map(|alias| cuts.clone().map(move |cut| request(alias, cut))).collect()
    };
    // The last time the cache answers.
    for (scope, cached) in [(SCOPES[0], false), (SCOPES[1], false), (SCOPES[0], true)] {
        let execution = models.run_protocols(scope, &json!({ "requests": requests(scope) }));
        assert_clean(&execution.to_string());
        for told in execution["result"].as_array().unwrap() {
            let text = told["ok"]["text"].as_str().unwrap_or_else(|| panic!("{told:#}"));
            assert!(text.starts_with("A quokka and ") && text.ends_with("[redacted], and more."), "{told:#}");
            assert_eq!(told["ok"]["tool_calls"][0]["arguments"], json!({ "word": "[redacted]" }), "{told:#}");
        }
        let served = execution["result"].as_array().unwrap().iter().filter(|told| told["ok"]["cached"] == true).count();
        assert_eq!(served > 0, cached, "{served} answers of the cache");
        for words in [&["export", id(&execution), "--format", "atof", "--content"][..], &["journal", id(&execution)]] {
            assert_clean(&models.host.text([&["executions"], words].concat()).ok().stdout);
        }
    }
    assert!(models.hits() >= 2 * PROTOCOLS.len() * cuts.len());
    // And the pieces themselves, as they come.
    for alias in PROTOCOLS {
        let request = json!({ "prompt": "pieces 12", "model": alias, "stream": true });
        let done = models.run_protocols("model_stream", &json!({ "request": request, "most": null, "abort": false }));
        assert_eq!(done["result"]["pieces"], json!(["A quokka and ", "[redacted]", ", and more."]), "{alias}");
    }
    Models::PLANTED.is_in_no_file_of(&models.host);
}
