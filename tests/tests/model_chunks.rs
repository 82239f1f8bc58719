//! What a model says is seen over the API while it says it: `chunk` events of an execution's stream.

use kitaru_tests::provider::{Gate, Reaction};
use kitaru_tests::served::{EventSent, Events, order};
use kitaru_tests::{Asking, Models, Served, fixture};
use serde_json::{Value, json};

const API: &str = "/api/v1";

/// Sixty words, of which forty come before the gate.
fn story(gate: &Gate) -> Reaction {
    Reaction::pieces((0..60).map(|number| format!("word-{number} "))).held_after(40, gate)
}

/// A host that serves flows with a model that needs no key.
fn serving(story: Reaction, settings: &str) -> (Models, Served) {
    let models = Models::answering([story]);
    models.settings(&format!("[grants]\nllm = [\"*\"]\n{settings}"));
    let _ = models.alias("fast", "vllm/teller", &models.provider.openai(), &[]);
    let served = Served::start(&models.host);
    (models, served)
}

fn begin(author: &Asking, flow: &str, input: &Value) -> String {
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let view = author.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    let order = order(view["digest"].as_str().unwrap(), flow, input);
    author.post(&format!("{API}/executions"), &order).expect(201)["exec_id"].as_str().unwrap().to_owned()
}

/// The text of chunks, which follow each other without a gap.
#[track_caller]
fn text(chunks: &[EventSent], first: u64) -> String {
    let mut expected = first;
    chunks
        .iter()
        .map(|chunk| {
            assert_eq!(chunk.data["piece"], expected, "{chunks:#?}");
            expected += chunk.data["pieces"].as_u64().unwrap();
            chunk.data["text"].as_str().unwrap()
        })
        .collect()
}

/// Chunks until one of them says this.
fn until_said(events: &mut Events, word: &str) -> Vec<EventSent> {
    let mut chunks: Vec<EventSent> = Vec::new();
    while !chunks.last().is_some_and(|chunk| chunk.data["text"].as_str().is_some_and(|text| text.contains(word))) {
        let event = events.read().expect("the execution still runs");
        chunks.extend((event.name == "chunk").then_some(event));
    }
    chunks
}

/// What was waited for: the model goes on speaking, and whoever listens later may hear more of it.
fn heard(said: &str) -> &str {
    said.split_inclusive("word-30").next().unwrap_or_default()
}

#[test]
fn a_model_is_heard_while_it_speaks_and_nothing_is_lost_or_repeated() {
    let request = json!({ "prompt": "x", "name": "story", "stream": true });
    let in_body = json!({ "request": request, "most": null, "abort": false });
    for (flow, input) in [("model_stream", in_body), ("model_flow_stream", json!({ "prompt": "x" }))] {
        let gate = Gate::new();
        let (models, served) = serving(story(&gate), "");
        let author = served.account(&models.host, "ci", "author", &[]);
        let execution = begin(&author, flow, &input);
        let path = format!("{API}/executions/{execution}/stream");
        let mut events = author.follow(&path, None);
        let chunks = until_said(&mut events, "word-30");
        let said = text(&chunks, 0);
        assert!(said.starts_with("word-0 word-1 word-2"), "{flow}: {said}");
        let data = &chunks[0].data;
        assert_eq!((&data["exec_id"], &data["name"], &data["attempt"]), (&json!(execution), &json!("story"), &json!(1)));
        assert_eq!(data["call_id"], format!("{execution}:0"));

        // Whoever comes late hears it from the beginning, and who comes again goes on.
        let late = text(&until_said(&mut author.follow(&path, None), "word-30"), 0);
        assert_eq!(heard(&late), heard(&said), "{flow}");
        let first = chunks[0].data["text"].as_str().unwrap();
        let mut again = author.follow(&path, chunks[0].id.as_deref());
        let rest = if first.contains("word-30") { Vec::new() } else { until_said(&mut again, "word-30") };
        let again = format!("{first}{}", text(&rest, chunks[0].data["pieces"].as_u64().unwrap()));
        assert_eq!(heard(&again), heard(&said), "{flow}");
        gate.open();

        // When it is recorded, the record says what was said.
        let rest = events.rest();
        let end = rest.iter().find(|event| event.name == "chunk" && event.data["ended"] == true);
        assert!(end.is_some_and(|end| end.data.get("text").is_none()), "{flow}: {rest:#?}");
        assert_eq!(rest.last().map(|event| event.name.as_str()), Some("end"), "{flow}");
        let after = author.follow(&path, None).rest();
        assert!(after.iter().all(|event| event.data.get("text").is_none()), "{flow}: {after:#?}");
        let artifacts = author.get(&format!("{API}/executions/{execution}")).expect(200);
        let recorded = models.artifact(&artifacts, "story_response").1;
        assert!(
            recorded.as_str().is_some_and(|recorded| recorded.starts_with(&said) && recorded.contains("word-59")),
            "{recorded}"
        );
    }
}

#[test]
fn who_may_not_see_an_execution_does_not_hear_its_models() {
    let gate = Gate::new();
    let (models, served) = serving(story(&gate), "");
    let author = served.account(&models.host, "ci", "author", &[]);
    let execution = begin(&author, "model_flow_stream", &json!({ "prompt": "x" }));
    let path = format!("{API}/executions/{execution}/stream");
    assert_eq!(served.account(&models.host, "other", "viewer", &["another"]).get(&path).status, 404);
    assert_eq!(served.nobody().get(&path).status, 401);
    let _ = until_said(&mut served.account(&models.host, "eyes", "viewer", &[]).follow(&path, None), "word-30");
    gate.open();
}

/// What records leave out stands in no chunk, whatever the pieces; and where a pattern of one's own is to look at all of it, no text is shown.
#[test]
fn chunks_leave_out_what_records_leave_out() {
    let gate = Gate::new();
    let words = ["The key is sk-proj-01", "23456789abcdef, ", "and it is a secret. "].map(str::to_owned);
    let more = (0..30).map(|number| format!("word-{number} "));
    let speech = || Reaction::pieces(words.iter().cloned().chain(more.clone())).held_after(33, &gate);
    let (models, served) = serving(speech(), "");
    let author = served.account(&models.host, "ci", "author", &[]);
    let execution = begin(&author, "model_flow_stream", &json!({ "prompt": "x" }));
    let said = text(&until_said(&mut author.follow(&format!("{API}/executions/{execution}/stream"), None), "word-15"), 0);
    assert!(said.starts_with("The key is [key], and it is a secret."), "{said}");

    let (models, served) = serving(speech(), "[[llm.redact.patterns]]\npattern = \"secret\"\n");
    let author = served.account(&models.host, "ci", "author", &[]);
    let execution = begin(&author, "model_flow_stream", &json!({ "prompt": "x" }));
    let mut events = author.follow(&format!("{API}/executions/{execution}/stream"), None);
    let withheld = std::iter::from_fn(|| events.read()).find(|event| event.name == "chunk").unwrap();
    assert_eq!((&withheld.data["withheld"], withheld.data.get("text")), (&json!(true), None));
    gate.open();
    let rest: Vec<Value> = events.rest().into_iter().filter(|event| event.name == "chunk").map(|event| event.data).collect();
    assert!(matches!(&rest[..], [end] if end["ended"] == true), "{rest:#?}");
}
