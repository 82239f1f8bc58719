//! What the world saw of a host that died: never anything that its journal does not have (E3).
//!
//! The flow runs ahead of the disk through bodies that nobody can see, whose values are others each time that they run. Then somebody sees
//! those values. Whatever ran ahead too far would run again after the death, with other values than those that were seen.

use std::collections::HashSet;

use kitaru_tests::{Host, Models, Reply, id};
use serde_json::{Value, json};

/// Bodies that nobody sees, before each thing that somebody does.
const STEPS: usize = 3;
/// Values that are seen in the end: in the file three times, in a child, by a model, in a question.
const SEEN: usize = 6 * STEPS;

/// The values in a text of several.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

/// What a value's place in a JSON value says, if it is there.
fn told<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Everything that anybody outside has seen so far.
fn seen(models: &Models) -> Vec<String> {
    let file = std::fs::read_to_string(models.host.path("testimony")).unwrap_or_default();
    let mut seen: Vec<String> = words(&file).collect();
    for exchange in models.provider.calls() {
        seen.extend(exchange.received.conversation().into_iter().flat_map(|(_, text)| words(&text).collect::<Vec<_>>()));
    }
    for execution in models.host.json(["executions", "list"]).items() {
        let whole = models.host.get(id(&execution));
        seen.extend(words(told(&whole, "/pending_wait/question")));
        seen.extend(words(told(&whole, "/input/value")));
    }
    seen
}

/// The values that the journal has.
fn recorded(host: &Host, execution: &str) -> HashSet<String> {
    let calls = host.journal(execution);
    let fleeting = calls.iter().filter(|call| call["name"] == "fleeting");
    fleeting.filter_map(|call| call["output"].as_str().map(str::to_owned)).collect()
}

/// The execution of `witnessed`, if the host had come so far as to create one.
fn witnessed(host: &Host) -> Option<Value> {
    host.json(["executions", "list"]).items().into_iter().find(|execution| execution["flow_name"] == "witnessed")
}

fn is_in_the_journal(models: &Models, execution: &str, place: &str) -> usize {
    let (seen, recorded) = (seen(models), recorded(&models.host, execution));
    for value in &seen {
        assert!(recorded.contains(value), "{place}: somebody saw {value}, and the journal has {recorded:?}");
    }
    seen.len()
}

#[test]
fn e3_whatever_the_world_saw_is_in_the_journal_whenever_the_host_died() {
    let mut early = HashSet::new();
    for append in 1.. {
        assert!(append < 100, "the run never gets past its fault point");
        let models = Models::always("Noted.");
        // No other body is granted anything.
        let grant = |checkpoint: &str| format!("[grants.checkpoints.{checkpoint}]\nwrite = [\".::out\"]\n");
        models.settings(&(grant("testify") + &grant("testify_once")));
        let input = json!({ "path": "out/testimony", "steps": STEPS });
        let mut command = models.flow_with(&[("OPENAI_API_KEY", Models::KEY)], "witnessed", &input);
        let side = if append % 2 == 0 { "KITARU_FAULT_KILL_BEFORE" } else { "KITARU_FAULT_KILL_AT" };
        command.env(side, append.to_string());
        let is_over = Reply::from(command).code == Some(0);
        let Some(execution) = witnessed(&models.host) else { continue };
        let (exec, place) = (id(&execution).to_owned(), format!("{side}={append}"));
        early.insert(is_in_the_journal(&models, &exec, &place));
        if !is_over && execution["status"] == "running" {
            let waiting = models.item(&["executions", "resume", &exec]);
            assert_eq!(waiting["status"], "waiting", "{place}: {waiting:#}");
        }
        // What was written twice is the same twice.
        assert!(is_in_the_journal(&models, &exec, &place) >= SEEN, "{place}");
        let done = models.item(&["executions", "input", &exec, "--value", "true"]);
        assert_eq!(done["status"], "completed", "{place}: {done:#}");
        is_in_the_journal(&models, &exec, &place);
        if is_over {
            assert!(early.len() > 4, "deaths came at {} different moments of what was seen", early.len());
            return;
        }
    }
}
