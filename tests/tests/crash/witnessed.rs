//! What the world saw of a host that died: never anything that its journal does not have (E3).
//!
//! The flow runs ahead of the disk through bodies that nobody can see, whose values are others each time that they run. Then somebody sees
//! those values. Whatever ran ahead too far would run again after the death, with other values than those that were seen.

use std::collections::HashSet;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use kitaru_tests::{Host, Models, Reply, Running, id, until};
use serde_json::{Value, json};

/// Bodies that nobody sees, before each thing that somebody does.
pub(super) const STEPS: usize = 3;
/// Values that are seen when the flow asks its question: in the file three times, in a child, by a model, in the question.
pub(super) const SEEN: usize = 6 * STEPS;
/// Those that the journal has in the end: the result is of more of them.
pub(super) const RECORDED: usize = 7 * STEPS;

/// Longer than a follower who is not told of anything rests between two looks.
pub(super) const A_LOOK: Duration = Duration::from_millis(350);
/// Digits of a time in nanoseconds since 1970, from 2001 until 2286.
const NANOSECONDS: usize = 19;

/// The values in a text, whatever else it says: times in nanoseconds, and no other number is as long.
pub(super) fn values(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == NANOSECONDS).map(str::to_owned)
}

/// What a command said.
pub(super) fn said(reply: &Reply) -> Vec<String> {
    values(&reply.stdout).chain(values(&reply.stderr)).collect()
}

/// Everything that anybody has seen so far who is no host: in a file, and as a model.
pub(super) fn outside(models: &Models) -> Vec<String> {
    let file = std::fs::read_to_string(models.host.path("testimony")).unwrap_or_default();
    let mut seen: Vec<String> = values(&file).collect();
    for exchange in models.provider.calls() {
        seen.extend(exchange.received.conversation().into_iter().flat_map(|(_, text)| values(&text).collect::<Vec<_>>()));
    }
    seen
}

/// The same, with what somebody sees who asks a host now.
fn seen(models: &Models) -> Vec<String> {
    let mut seen = outside(models);
    for execution in models.host.json(["executions", "list"]).items() {
        let whole = models.host.get(id(&execution));
        for pointer in ["/pending_wait/question", "/input/value", "/result"] {
            seen.extend(whole.pointer(pointer).map(|value| values(&value.to_string()).collect::<Vec<_>>()).unwrap_or_default());
        }
    }
    seen
}

/// The values that the journal has.
pub(super) fn recorded(host: &Host, execution: &str) -> HashSet<String> {
    let calls = host.journal(execution);
    let fleeting = calls.iter().filter(|call| call["name"] == "fleeting");
    fleeting.filter_map(|call| call["output"].as_str().map(str::to_owned)).collect()
}

/// The execution of `witnessed`, if the host had come so far as to create one.
pub(super) fn witnessed(host: &Host) -> Option<Value> {
    host.json(["executions", "list"]).items().into_iter().find(|execution| execution["flow_name"] == "witnessed")
}

/// Checks that the journal has all that was seen.
pub(super) fn are_in_the_journal(host: &Host, execution: &str, seen: &[String], place: &str) {
    let recorded = recorded(host, execution);
    for value in seen {
        assert!(recorded.contains(value), "{place}: somebody saw {value}, and the journal has {recorded:?}");
    }
}

/// A provider that answers, and a host whose flow `witnessed` may call it and write where it is to.
pub(super) fn models() -> Models {
    let models = Models::always("Noted.");
    // No other body is granted anything.
    let grant = |checkpoint: &str| format!("[grants.checkpoints.{checkpoint}]\nwrite = [\".::out\"]\n");
    models.settings(&(grant("testify") + &grant("testify_once")));
    models
}

/// A command with the key of the provider, and without `--output json`: people watch it.
pub(super) fn watched(models: &Models, words: &[&str]) -> Command {
    let mut command = models.host.command(words);
    command.env("OPENAI_API_KEY", Models::KEY).arg("-v");
    command
}

/// The command that runs `witnessed`.
pub(super) fn run(models: &Models) -> Command {
    models.flow_with(&[("OPENAI_API_KEY", Models::KEY)], "witnessed", &json!({ "path": "out/testimony", "steps": STEPS }))
}

/// An execution of `witnessed` that nothing has happened in: its host died before its first record.
pub(super) fn created(models: &Models) -> String {
    let mut command = run(models);
    command.env("KITARU_FAULT_KILL_BEFORE", "1");
    assert_eq!(Reply::from(command).code, None, "this host has no fault points");
    id(&witnessed(&models.host).expect("an execution is there before its first record")).to_owned()
}

/// A command that follows an execution, once it listens: nothing that happens from then on happened before it was there.
pub(super) fn follower(models: &Models, command: Command) -> Running {
    let mailboxes = || -> HashSet<OsString> {
        let found = std::fs::read_dir(models.host.home().join("wake"));
        found.into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
    };
    let before = mailboxes();
    let follower = models.host.spawn(command);
    until("somebody who listens", || (!mailboxes().is_subset(&before)).then_some(()));
    follower
}

/// Waits until a follower has said a value.
pub(super) fn until_heard(follower: &mut Running) {
    let _ = follower.read_until(|line| values(&line.to_string()).next().is_some());
}

fn is_in_the_journal(models: &Models, execution: &str, place: &str) -> usize {
    let seen = seen(models);
    are_in_the_journal(&models.host, execution, &seen, place);
    seen.len()
}

/// Where around an append the host dies: each in turn.
fn side(append: u64) -> &'static str {
    if append.is_multiple_of(2) { "KITARU_FAULT_KILL_BEFORE" } else { "KITARU_FAULT_KILL_AT" }
}

#[test]
fn e3_whatever_the_world_saw_is_in_the_journal_whenever_the_host_died() {
    let mut early = HashSet::new();
    for append in 1.. {
        assert!(append < 100, "the run never gets past its fault point");
        let models = models();
        let mut command = run(&models);
        command.env(side(append), append.to_string());
        let is_over = Reply::from(command).code == Some(0);
        let Some(execution) = witnessed(&models.host) else { continue };
        let (exec, place) = (id(&execution).to_owned(), format!("{}={append}", side(append)));
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
        assert_eq!(recorded(&models.host, &exec).len(), RECORDED, "{place}");
        if is_over {
            assert!(early.len() > 4, "deaths came at {} different moments of what was seen", early.len());
            return;
        }
    }
}

/// The same of what people see while it happens: at the terminal of the command that drives it, and of one that follows it from elsewhere.
#[test]
fn e3_what_people_see_live_is_in_the_journal_whenever_the_host_died() {
    let mut live = [HashSet::new(), HashSet::new()];
    // Watched, every step is written by itself: there are many.
    for append in (1..).step_by(3) {
        assert!(append < 100, "the run never gets past its fault point");
        let models = models();
        let exec = created(&models);
        let mut follower = follower(&models, models.host.json_command(["executions", "logs", &exec, "--follow"]));
        let mut command = watched(&models, &["executions", "resume", &exec]);
        command.env(side(append), append.to_string());
        let told = Reply::from(command);
        let is_over = told.code == Some(0);
        assert!(is_over || told.code.is_none(), "it dies or it works{told:?}");
        if is_over {
            until_heard(&mut follower);
        } else {
            // Whoever follows may have looked last before the death.
            std::thread::sleep(A_LOOK);
        }
        let heard = [said(&told), said(&follower.killed())];
        for ((heard, live), place) in heard.iter().zip(&mut live).zip(["at the terminal", "from elsewhere"]) {
            live.insert(heard.len());
            are_in_the_journal(&models.host, &exec, heard, &format!("{place}, {}={append}", side(append)));
        }
        if is_over {
            assert!(live[0].len() > 4, "at the terminal, deaths came at {} different moments", live[0].len());
            assert!(live[1].len() > 2, "from elsewhere, they came at {} different moments", live[1].len());
            return;
        }
    }
}

/// What it is that is run; the tests of this file and of `power.rs` stand on it.
#[test]
fn the_witnessed_flow_shows_different_values_everywhere() {
    let models = models();
    let waiting = Reply::from(run(&models)).item();
    assert_eq!(waiting["status"], "waiting", "{waiting:#}");
    let all: HashSet<String> = seen(&models).into_iter().collect();
    assert_eq!(all.len(), SEEN);
    assert_eq!(recorded(&models.host, id(&waiting)), all);
    let input = watched(&models, &["executions", "input", id(&waiting), "--value", "true"]);
    let told: HashSet<String> = said(&Reply::from(input).ok()).into_iter().collect();
    assert_eq!(told.difference(&all).count(), STEPS, "the result has its own");
}
