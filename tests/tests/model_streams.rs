//! Answers in pieces: as they come in a checkpoint, from the record in a flow (A5, A11).

use kitaru_tests::models::{entry, failed, usage};
use kitaru_tests::provider::{Ending, Finish, Gate, Protocol, Provider, Reaction};
use kitaru_tests::{Models, PROTOCOLS, checkpoint, id, names, until};
use serde_json::{Value, json};

/// A stream in a checkpoint: all of it, or so many pieces before it is aborted or let go of.
fn stream(models: &Models, most: Option<usize>, abort: bool) -> Value {
    let request = json!({ "prompt": "x", "name": "asked", "stream": true });
    models.run("model_stream", &json!({ "request": request, "most": most, "abort": abort }))
}

#[test]
fn pieces_reach_a_checkpoint_as_they_come() {
    let gate = Gate::new();
    let models = Models::answering([Reaction::pieces(["One ", "two ", "three."]).held_after(1, &gate)]);
    let request = json!({ "prompt": "x", "name": "asked", "stream": true });
    let running = models.start("model_stream", &json!({ "request": request, "most": null, "abort": false }));
    let exec = models.begun();
    until("the first piece", || (models.heard(&exec) == ["One"]).then_some(()));
    assert!(models.provider.calls()[0].ending == Ending::Open, "the second piece was not sent yet");
    gate.open();
    let done = running.finish().item();
    let result = &done["result"];
    assert_eq!(result["pieces"], json!(["One ", "two ", "three."]));
    assert_eq!((&result["end"]["ok"]["text"], &result["end"]["ok"]["pieces"]), (&json!("One two three."), &json!([4, 4, 6])));
    let call = checkpoint(&done, "model_stream_of_body");
    assert_eq!((&entry(call, "asked")["tokens_output"], &entry(call, "asked")["cost_usd"]), (&json!(7), &json!(5.85e-6)));
    assert_eq!(models.artifact(&done, "asked_response").1, "One two three.");
    assert!(models.provider.calls()[0].received.is_streamed());
}

/// Each piece leaves a mark with a number and no content.
#[test]
fn pieces_leave_marks_without_content() {
    let models = Models::always("Whispered word.");
    let done = stream(&models, None, false);
    let marks = |execution: &Value| {
        let records = models.records(id(execution));
        records[0].events.iter().filter(|event| event["name"] == "llm.chunk").cloned().collect::<Vec<_>>()
    };
    let found = marks(&done);
    assert!(found.len() >= 2, "{found:#?}");
    let start = models.records(id(&done))[0].start()["uuid"].clone();
    for (index, mark) in found.iter().enumerate() {
        assert_eq!((&mark["kind"], &mark["data"]["chunk_index"], &mark["parent_uuid"]), (&json!("mark"), &json!(index), &start));
        assert!(!mark.to_string().contains("Whispered") && !mark.to_string().contains("word."), "{mark:#}");
    }
    models.settings("[llm]\nchunk_marks = false\n");
    assert_eq!(marks(&stream(&models, None, false)), [] as [Value; 0]);
}

/// In a flow the whole answer is recorded first. What the flow does between two pieces, it does again at its next run.
#[test]
fn a_flow_gets_recorded_pieces() {
    let models = Models::answering([Reaction::pieces(["Grü", "ße ", "an alle."])]);
    let done = models.run("model_flow_stream", &json!({ "prompt": "x" }));
    assert_eq!(done["result"], json!(["Grü", "ße ", "an alle.", "Grüße an alle."]));
    assert_eq!(names(&done["checkpoints"], "name"), ["story", "model_step", "model_step", "model_step"]);
    let recorded = &models.host.journal(id(&done))[0]["output"];
    assert_eq!((&recorded["text"], &recorded["pieces"]), (&json!("Grüße an alle."), &json!([4, 4, 8])));
    let again = models.item(&["executions", "replay", id(&done), "--from", "model_step_2"]);
    assert_eq!((&again["result"], models.hits()), (&done["result"], 1));
}

/// A connection that is let go of ends, and its call has one end, with what had come.
fn ends_early(abort: bool) {
    let gate = Gate::new();
    let models = Models::answering([Reaction::pieces(["One ", "two."]).held_after(1, &gate)]);
    let done = stream(&models, Some(1), abort);
    assert_eq!((&done["status"], &done["result"]["pieces"]), (&json!("completed"), &json!(["One "])));
    until("the connection's end", || (models.provider.calls()[0].ending == Ending::Abandoned).then_some(()));
    let records = models.records(id(&done));
    let [record] = &records[..] else { panic!("one record: {records:#?}") };
    let end = record.end();
    assert!(end["metadata"]["error.type"].is_string(), "it says that it broke off: {end:#}");
    assert!(end.to_string().contains("One "), "what had come is in its end: {end:#}");
    let [used] = &record.usage[..] else { panic!("one attempt: {record:#?}") };
    assert_eq!((&used["status"], &used["billing_effect"]), (&json!("failed"), &json!("unknown")), "nobody knows what it cost");
    if abort {
        // It has ended, as whoever asks is told.
        assert!(done["result"]["end"]["kind"].is_string(), "{done:#}");
    }
}

#[test]
fn a5_a_stream_that_is_aborted_ends_once() {
    ends_early(true);
}

#[test]
fn a5_a_stream_that_is_let_go_of_ends_once() {
    ends_early(false);
}

/// Whoever has seen enough can still have all of it.
#[test]
fn a_stream_that_is_finished_early_is_read_to_its_end() {
    let models = Models::answering([Reaction::pieces(["One ", "two ", "three."])]);
    let done = models.run("model_finished_early", &json!({ "prompt": "x" }));
    assert_eq!(done["result"], json!(["One ", "One two three."]));
    assert_eq!(models.provider.calls()[0].ending, Ending::Whole);
    assert_eq!(usage(checkpoint(&done, "model_finishes_early"))[0]["status"], "completed");
}

/// A request, whole and in pieces, to each protocol; in pairs.
fn pairs(models: &Models, flow: &str, more: &Value) -> Vec<(&'static str, [Value; 2])> {
    models.add_protocols();
    let request = |alias: &str, stream: bool| {
        let mut request = json!({ "prompt": "x", "system": "Be brief.", "model": alias, "stream": stream });
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        request
    };
    let requests: Vec<Value> = PROTOCOLS.iter().flat_map(|alias| [request(alias, false), request(alias, true)]).collect();
    let answers = models.ask_protocols(flow, &json!(requests));
    PROTOCOLS.into_iter().zip(answers.chunks(2).map(|pair| [pair[0].clone(), pair[1].clone()])).collect()
}

/// An answer without what only one of a whole and a streamed one has.
fn comparable(told: &Value) -> Value {
    let mut answer = told["ok"].clone();
    let fields = answer.as_object_mut().unwrap_or_else(|| panic!("an answer: {told:#}"));
    fields.remove("pieces");
    answer
}

#[test]
fn a11_a_stream_adds_up_to_the_whole_answer_in_each_protocol() {
    let reactions: [fn() -> Reaction; 4] = [
        || Reaction::text("A durable hello."),
        || Reaction::text("A durable hello.").usage(20, 9).of_which(6, 0),
        || Reaction::text("Cut shor").finish(Finish::Length),
        || Reaction::tool_call("call_1", "look_up", json!({ "word": "Nile" })).and_text("Let me look."),
    ];
    let tools = json!([{ "type": "function", "function": { "name": "look_up", "parameters": { "type": "object" } } }]);
    for (number, reaction) in reactions.into_iter().enumerate() {
        let models = Models::of(Provider::reacting(move |_| reaction()));
        for flow in ["model_calls", "model_body"] {
            for (alias, [whole, streamed]) in pairs(&models, flow, &json!({ "tools": tools })) {
                assert_eq!(comparable(&streamed), comparable(&whole), "{alias}, reaction {number}, {flow}");
                assert!(whole["ok"]["usage"]["total_tokens"].is_u64(), "{alias}: {whole:#}");
            }
        }
        let streamed: Vec<bool> = models.provider.calls().iter().map(|call| call.received.is_streamed()).collect();
        assert_eq!(streamed, [[false, true]; 8].concat());
    }
}

/// Byte for byte, but for the order of keys, which events have sorted.
#[test]
fn a10_what_is_recorded_is_what_was_sent_in_each_protocol() {
    let models = Models::always("Said.");
    let _ = pairs(&models, "model_calls", &json!({ "max_tokens": 9, "temperature": 0.5 }));
    let (records, calls) = (models.records(id(&models.newest())), models.provider.calls());
    assert_eq!((records.len(), calls.len()), (8, 8));
    for (record, call) in records.iter().zip(&calls) {
        let (mut recorded, mut sent) = (record.start()["data"]["content"].clone(), call.received.json());
        if call.received.protocol == Some(Protocol::Gemini) {
            // Its address says both.
            let body = recorded.as_object_mut().unwrap();
            let _ = (body.remove("model"), body.remove("stream"));
        }
        recorded.sort_all_objects();
        sent.sort_all_objects();
        assert_eq!(recorded.to_string(), sent.to_string(), "{}", call.received.path);
    }
}

#[test]
fn a12_cached_tokens_are_part_of_the_input_in_each_protocol() {
    let models = Models::of(Provider::reacting(|_| Reaction::text("Said.").usage(20, 9).of_which(6, 0)));
    for (alias, answers) in pairs(&models, "model_calls", &json!({})) {
        for answer in answers {
            let used = &answer["ok"]["usage"];
            let counts = ["input_tokens", "output_tokens", "total_tokens", "cached_input_tokens"].map(|key| used[key].as_u64());
            assert_eq!(counts, [Some(20), Some(9), Some(29), Some(6)], "{alias}: {used:#}");
        }
    }
}

#[test]
fn a_stream_that_nobody_grants_is_refused_before_its_first_piece() {
    let models = Models::always("Said.");
    let input = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false }).to_string();
    let done = models.item(&["run", &kitaru_tests::fixture("conformance:model_stream"), "--input", &input]);
    failed(&done["result"], "capability", &["--allow-llm"]);
    assert!(models.provider.exchanges().is_empty());
}
