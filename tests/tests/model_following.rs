//! What a model says is read at a terminal while it says it: `executions logs --follow --chunks`, whichever process asks the model, and `run`.

use std::process::Command;
use std::time::{Duration, Instant};

use kitaru_tests::provider::{Gate, Reaction};
use kitaru_tests::served::order;
use kitaru_tests::{Cutting, Models, Running, Served, fixture, id};
use serde_json::{Value, json};

// Terminals are opened as Linux has them.
#[cfg(target_os = "linux")]
#[path = "prompts/terminal.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod terminal;

const KEYED: [(&str, &str); 1] = [("OPENAI_API_KEY", Models::KEY)];

/// So many words, of which all but the last twenty come before the gate.
fn story(words: usize, gate: &Gate) -> Reaction {
    Reaction::pieces((0..words).map(|number| format!("word-{number} "))).held_after(words - 20, gate)
}

fn whole(words: usize) -> String {
    (0..words).map(|number| format!("word-{number} ")).collect()
}

/// Follows an execution, in a process of its own.
fn follow(models: &Models, execution: &str, more: &[&str], variables: &[(&str, &str)]) -> Running {
    let mut command = models.host.command([&["executions", "logs", execution, "--follow", "--chunks"], more].concat());
    command.envs(variables.iter().copied());
    models.host.spawn(command)
}

/// The text of chunks up to one with this word, without a gap and without a repetition.
#[track_caller]
fn until_said(following: &mut Running, word: &str) -> String {
    let (mut said, mut next) = (String::new(), 0);
    while !said.contains(word) {
        let chunk = following.read_until(|line| line["event"] == "chunk")["item"].clone();
        assert_eq!((&chunk["piece"], &chunk["name"]), (&json!(next), &json!("story")), "{chunk:#}");
        next += chunk["pieces"].as_u64().expect("a number of pieces");
        said.push_str(chunk["text"].as_str().expect("a text"));
    }
    said
}

/// The rest, to the end of the execution.
#[track_caller]
fn to_the_end(following: Running, said: &str) -> String {
    let before = said.split_whitespace().count();
    let reply = following.finish();
    assert_eq!(reply.code, Some(0), "{reply:?}");
    let lines = reply.json_lines();
    let chunks: Vec<&Value> = lines.iter().filter(|line| line["event"] == "chunk").map(|line| &line["item"]).collect();
    assert_eq!(chunks.last().map(|chunk| &chunk["ended"]), Some(&json!(true)), "{lines:#?}");
    assert_eq!(chunks.iter().filter(|chunk| chunk["ended"] == true).count(), 1);
    assert_eq!(lines.last().map(|line| &line["event"]), Some(&json!("terminal")));
    let all: String = chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect();
    assert!(all.starts_with(said), "{before} words, and then {all}");
    all
}

#[test]
fn what_another_process_is_told_by_a_model_is_heard_here() {
    for (flow, input) in [
        ("model_flow_stream", json!({ "prompt": "x" })),
        ("model_stream", json!({ "request": { "prompt": "x", "name": "story", "stream": true }, "most": null, "abort": false })),
    ] {
        let gate = Gate::new();
        let models = Models::answering([story(60, &gate)]);
        let running = models.start(flow, &input);
        let execution = models.begun();
        let mut early = follow(&models, &execution, &["-o", "json"], &[]);
        let first = until_said(&mut early, "word-25");
        // Whoever comes late hears it from the beginning.
        let mut late = follow(&models, &execution, &["-o", "json"], &[]);
        assert!(until_said(&mut late, "word-25").starts_with("word-0 word-1 "), "{flow}");
        gate.open();
        assert_eq!(running.finish().item()["status"], "completed");
        for (following, said) in [(early, first.as_str()), (late, "word-0 ")] {
            assert_eq!(to_the_end(following, said), whole(60), "{flow}");
        }
        assert!(!models.host.home().join("live").exists(), "nothing is left of what was handed on");
    }
}

#[test]
fn an_answer_is_text_at_a_terminal_and_nothing_in_it_is_obeyed() {
    let gate = Gate::new();
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}red\u{9b}1m\n[Execution completed successfully]\n";
    let words = (0..60).map(|number| if number == 3 { format!("word-3 {hostile}") } else { format!("word-{number} ") });
    let models = Models::answering([Reaction::pieces(words).held_after(50, &gate)]);
    let running = models.start("model_flow_stream", &json!({ "prompt": "x" }));
    let execution = models.begun();
    let mut following = follow(&models, &execution, &[], &[]);
    let lines: Vec<String> = std::iter::from_fn(|| following.next_line()).take(3).collect();
    assert_eq!(lines[0], "[A model answers: story]");
    assert_eq!(lines[1], "  word-0 word-1 word-2 word-3 \\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{202e}red\\u{9b}1m");
    assert_eq!(lines[2], "  [Execution completed successfully]", "what a model says does not look like what the host says");
    gate.open();
    let reply = following.finish();
    let text = &reply.stdout;
    assert!(text.ends_with("[Its answer is recorded: story]\n[Execution completed successfully]\n"), "{text}");
    assert_eq!((text.matches("word-59").count(), text.matches("[A model answers").count()), (1, 1), "{text}");
    let _ = running.finish();
}

/// A host that serves flows with a model that needs no key, and a key for its API.
fn serving(story: Reaction) -> (Models, Served, String) {
    let models = Models::answering([story]);
    models.settings("[grants]\nllm = [\"*\"]\n");
    let _ = models.alias("fast", "vllm/teller", &models.provider.openai(), &[]);
    let served = Served::start(&models.host);
    let key = Served::key(&models.host, "ci", "author", &[]);
    (models, served, key)
}

#[test]
fn what_a_server_hears_is_heard_over_a_connection_that_breaks() {
    let gate = Gate::new();
    let (models, served, key) = serving(story(400, &gate).paced(Duration::from_millis(2)));
    let author = served.nobody().with("Authorization", &format!("Bearer {key}"));
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let view = author.send("PUT", "/api/v1/components", Some("application/wasm"), &bytes).expect(200);
    let asked = order(view["digest"].as_str().unwrap(), "model_flow_stream", &json!({ "prompt": "x" }));
    let started = author.post("/api/v1/executions", &asked).expect(201);
    // Not while the call ends: what is said then is in its record, and told to nobody again.
    let cutting = Cutting::before(served.address, |number| (number < 3).then_some(2_000));
    let url = format!("http://{}", cutting.address);
    let mut following =
        follow(&models, id(&started), &["-o", "json"], &[("KITARU_SERVER_URL", &url), ("KITARU_AUTH_TOKEN", &key)]);
    let said = until_said(&mut following, "word-360 ");
    gate.open();
    assert_eq!(to_the_end(following, &said), whole(400));
    assert!(cutting.cuts() >= 1, "the way broke {} times", cutting.cuts());
}

/// Whoever starts a flow at a server hears of its end at once, also after a model has said much.
#[test]
fn what_models_say_does_not_hide_how_an_execution_stands() {
    let gate = Gate::new();
    let (models, served, key) = serving(story(60, &gate));
    let _ = models.host.item(["deploy", &fixture("conformance:model_flow_stream")]);
    let mut invoke: Command = models.host.json_command(["invoke", "model_flow_stream", "--arg", "prompt=x"]);
    invoke.env("KITARU_SERVER_URL", format!("http://{}", served.address)).env("KITARU_AUTH_TOKEN", &key);
    let invoked = models.host.spawn(invoke);
    gate.until_reached(1);
    let mut hearing = served.nobody().with("Authorization", &format!("Bearer {key}"));
    hearing = hearing.with("Accept", "text/event-stream");
    let path = format!("/api/v1/executions/{}/stream", models.begun());
    let mut events = hearing.follow(&path, None);
    while events.read().is_some_and(|event| event.name != "chunk") {}
    let opened = Instant::now();
    gate.open();
    assert_eq!(invoked.finish().item()["status"], "completed");
    assert!(opened.elapsed() < Duration::from_secs(10), "it was asked for now and then only: {:?}", opened.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_runs_a_flow_at_a_terminal_sees_the_last_words() {
    let gate = Gate::new();
    let models = Models::answering([story(60, &gate)]);
    let (target, flags) = (fixture("conformance:model_flow_stream"), ["--arg", "prompt=x", "--allow-llm"]);
    let mut command = models.host.command([&["run", &target], &flags[..]].concat());
    command.envs(KEYED);
    let mut terminal = terminal::Terminal::start(&command);
    let shown = terminal.see("word-31");
    assert!(shown.contains("story …"), "{shown}");
    gate.open();
    let end = terminal.end();
    assert!(end.code == Some(0) && end.text.contains("word-59"), "{end:?}");
}
