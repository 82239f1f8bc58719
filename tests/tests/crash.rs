//! Hosts that die: K1 (at every journal append), K3 (a torn last record), K4 (two hosts on one execution).
//!
//! The death is a real one: the host is built with fault points at which it sends itself SIGKILL. In `crash/power.rs` the machine dies too.

#[cfg(target_os = "linux")]
#[path = "crash/power.rs"]
mod power;
#[path = "crash/witnessed.rs"]
mod witnessed;

use std::fs::OpenOptions;
use std::path::Path;

use kitaru_tests::{Host, Reply, Trace, Traces, checkpoint, example, fixture, id, names, until};
use serde_json::{Value, json};

/// Where around an append the host dies.
const SIDES: [&str; 2] = ["KITARU_FAULT_KILL_BEFORE", "KITARU_FAULT_KILL_AT"];

/// Runs the command with the fault point set, until it ends or dies.
fn with_fault(host: &Host, arguments: &[&str], side: &str, append: u64) -> Reply {
    let mut command = host.json_command(arguments);
    command.env(side, append.to_string());
    let reply = Reply::from(command);
    assert!(reply.code.is_none() || reply.code == Some(0), "it dies or it works{reply:?}");
    reply
}

/// The only execution of a host that died, if it had come so far as to create one.
fn survivor(host: &Host) -> Option<Value> {
    host.json(["executions", "list"]).items().first().map(|summary| host.get(id(summary)))
}

/// Kills the run of `arguments` before and after each append in turn and resumes; `check` sees every execution that was resumed, with the
/// point of death. Returns how many deaths there were.
fn kill_everywhere(arguments: impl Fn(&Host) -> Vec<String>, check: impl Fn(&Host, &Value, &str)) -> usize {
    let mut deaths = 0;
    for side in SIDES {
        for append in 1.. {
            assert!(append < 100, "the run never gets past its fault point");
            let host = Host::warm();
            let words = arguments(&host);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let killed = with_fault(&host, &words, side, append);
            let place = format!("{side}={append}");
            if killed.code == Some(0) {
                assert!(
                    append > 1,
                    "this host has no fault points: build it with `cargo xtask test`, or with `--features fault-injection`"
                );
                check(&host, &killed.item(), &place);
                break;
            }
            deaths += 1;
            let dead = survivor(&host).unwrap_or_else(|| panic!("{place}: the execution was created before its first append"));
            // A host that died right after the last append left nothing to do.
            let resumed = if dead["status"] == "completed" {
                host.json(["executions", "resume", id(&dead)]).refused("KitaruStateError", &["'completed'"]);
                dead
            } else {
                assert_eq!((&dead["status"], &dead["runner"]), (&json!("running"), &Value::Null), "{place}: {dead:#}");
                host.item(["executions", "resume", id(&dead)])
            };
            check(&host, &resumed, &place);
        }
    }
    deaths
}

/// A run of three bodies that leave traces.
fn counting(host: &Host) -> Vec<String> {
    let input = json!({ "path": Traces::guest_path(), "steps": 3 }).to_string();
    vec!["run".to_owned(), fixture("conformance:count"), "--input".into(), input, host.writable()]
}

/// Each of them ran once, but for the one in flight, which may have run twice with one idempotency key.
fn each_ran_once_but_for_the_one_in_flight(host: &Host, execution: &Value, place: &str) {
    assert_eq!((&execution["status"], &execution["result"]), (&json!("completed"), &json!(6)), "{place}");
    let traces = Traces::new(host).read();
    let mut repeated = Vec::new();
    for (index, step) in (0..3).zip(1..) {
        let runs: Vec<&Trace> = traces.iter().filter(|trace| trace.step == step).collect();
        assert!(matches!(runs.len(), 1 | 2), "{place}: step {step} ran {} times", runs.len());
        let key = format!("{}:{index}", id(execution));
        assert!(runs.iter().all(|trace| trace.key == key), "{place}: {runs:?}");
        if let [first, second] = runs[..] {
            assert!(first.attempt < second.attempt, "{place}: {runs:?}");
            repeated.push(step);
        }
    }
    assert!(repeated.len() <= 1, "{place}: only one body was in flight, and these ran twice: {repeated:?}");
    let mut order: Vec<u64> = traces.iter().map(|trace| trace.step).collect();
    order.dedup();
    assert_eq!(order, [1, 2, 3], "{place}: in order");
}

/// The first start, each end with what follows it, and the end of the flow, before and after each.
const COUNTING_DEATHS: usize = 2 * 4;

/// K1 and E4 on bodies that leave traces.
#[test]
fn k1_counting_bodies_run_once_but_for_the_one_in_flight() {
    let deaths = kill_everywhere(counting, each_ran_once_but_for_the_one_in_flight);
    assert!(deaths >= COUNTING_DEATHS, "{deaths} deaths");
}

/// Commits that do not wait for the disk survive the death of their process all the same.
#[test]
fn k1_in_process_durability_a_kill_loses_nothing_either() {
    let run = |host: &Host| [counting(host), vec!["--durability".to_owned(), "process".to_owned()]].concat();
    let deaths = kill_everywhere(run, each_ran_once_but_for_the_one_in_flight);
    assert!(deaths >= COUNTING_DEATHS, "{deaths} deaths");
}

/// K1 on the example: the same result at every point of death, and no artifact or log line twice (E11).
#[test]
fn k1_the_content_pipeline_survives_death_at_every_append() {
    let document = kitaru_tests::repository().join("examples/content-pipeline/documents");
    let run = |_: &Host| {
        let grant = format!("--allow-read={}::documents", document.display());
        let words = ["run", &example("content-pipeline"), "--arg", "topic=moon", "--arg", "document=documents/tides.md", &grant];
        words.map(str::to_owned).to_vec()
    };
    let undisturbed = Host::warm();
    let words = run(&undisturbed);
    let expected = undisturbed.item(&words);
    let lines = undisturbed.json(["executions", "logs", id(&expected)]).items();
    let deaths = kill_everywhere(run, |host, execution, place| {
        assert_eq!(execution["result"], expected["result"], "{place}");
        assert_eq!(names(&execution["artifacts"], "name"), names(&expected["artifacts"], "name"), "{place}");
        let interrupted = |call: &Value| {
            call["attempts"].as_array().unwrap().iter().filter(|attempt| attempt["status"] == "interrupted").count()
        };
        let calls = execution["checkpoints"].as_array().unwrap();
        assert!(calls.iter().map(interrupted).sum::<usize>() <= 1, "{place}: {execution:#}");
        for call in calls {
            assert_eq!(call["status"], "completed", "{place}");
            let statuses = names(&call["attempts"], "status");
            assert!(
                matches!(statuses[..], ["completed"] | ["interrupted", "completed"]),
                "{place}: each body ran once: {call:#}"
            );
        }
        let found = host.json(["executions", "logs", id(execution)]).items();
        let attempts = checkpoint(execution, "research")["attempts"].as_array().unwrap().len();
        assert!(found.len() <= lines.len() * attempts, "{place}: {found:#?}");
    });
    // Two of its three checkpoints declare that they need nothing: nobody can see them, and their records go with the last one.
    assert!(deaths >= 2 * 2, "{deaths} deaths");
}

/// A wait is asked once, whenever the host dies around it, and its answer is never lost.
#[test]
fn k1_a_question_survives_death_at_every_append() {
    for side in SIDES {
        for append in 1.. {
            let host = Host::warm();
            let input = json!({ "path": Traces::guest_path() }).to_string();
            let (target, grant) = (fixture("conformance:count_wait"), host.writable());
            let run = with_fault(&host, &["run", &target, "--input", &input, &grant], side, append);
            let place = format!("{side}={append}");
            let mut execution = survivor(&host).unwrap();
            if execution["status"] == "running" {
                execution = host.item(["executions", "resume", id(&execution)]);
            }
            assert_eq!((&execution["status"], &execution["pending_wait"]["name"]), (&json!("waiting"), &json!("go")), "{place}");
            assert_eq!(execution["waits"].as_array().unwrap().len(), 1, "{place}");
            let answer = with_fault(&host, &["executions", "input", id(&execution), "--value", "true"], side, append);
            let answered = host.get(id(&execution));
            let done =
                if answered["status"] == "completed" { answered } else { host.item(["executions", "resume", id(&execution)]) };
            assert_eq!(done["result"], json!({ "before": 1, "go": true, "after": 2 }), "{place}");
            let mut steps = Traces::new(&host).steps();
            assert!(steps.len() <= 4, "{place}: {steps:?}");
            steps.dedup();
            assert_eq!(steps, [1, 2], "{place}");
            if run.code == Some(0) && answer.code == Some(0) {
                assert!(append > 2, "this host has no fault points");
                break;
            }
        }
    }
}

/// E4: who was interrupted is told, and an interruption does not use up a retry.
#[test]
fn e4_an_interrupted_attempt_is_recorded_and_costs_no_retry() {
    let input = json!({ "path": Traces::guest_path(), "succeed_on": 3 }).to_string();
    // In one of its appends the host has recorded that the first attempt began, and not yet how it ended. Which one that is depends on how
    // many steps share an append.
    let interrupted = (2..8).find_map(|append| {
        let host = Host::warm();
        let words = ["run", &fixture("conformance:count_flaky"), "--input", &input, &host.writable()];
        let killed = with_fault(&host, &words, SIDES[0], append);
        let done = match killed.code {
            None => host.item(["executions", "resume", id(&survivor(&host).unwrap())]),
            _ => killed.item(),
        };
        assert_eq!(done["status"], "completed", "append {append}");
        let flaky = checkpoint(&done, "flaky_tick").clone();
        (names(&flaky["attempts"], "status")[0] == "interrupted").then_some((host, flaky))
    });
    let (host, flaky) = interrupted.expect("an attempt that was interrupted");
    assert_eq!(names(&flaky["attempts"], "status"), ["interrupted", "failed", "completed"]);
    let runs: Vec<_> = Traces::new(&host).read().into_iter().filter(|trace| trace.step == 2).collect();
    assert_eq!(runs.iter().map(|trace| trace.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(runs.iter().all(|trace| trace.key == flaky["call_id"]), "the same key for all: {runs:?}");
}

/// The process of somebody who pulls the plug in the middle of a body.
#[test]
fn e4_a_host_killed_in_a_body_runs_that_body_again_and_no_other() {
    let host = Host::warm();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": Traces::HELD }).to_string();
    traces.open([1]);
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the second body", || (traces.steps().len() == 2).then_some(()));
    running.kill();
    let dead = survivor(&host).unwrap();
    assert_eq!((&dead["status"], &dead["runner"]), (&json!("running"), &Value::Null), "a dead runner is no runner: {dead:#}");
    traces.open([2]);
    let done = host.item(["executions", "resume", id(&dead)]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(3)));
    assert_eq!(traces.steps(), [1, 2, 2]);
    assert_eq!(names(&checkpoint(&done, "slow_tick_2")["attempts"], "status"), ["interrupted", "completed"]);
}

/// A question that stands open hides nothing: what ran beside it when the host died runs again, before anybody answers.
#[test]
fn e4_work_beside_an_open_wait_is_not_forgotten() {
    let host = Host::warm();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "milliseconds": Traces::HELD }).to_string();
    let flow = fixture("conformance:works_while_it_waits");
    let running = host.spawn(host.json_command(["run", &flow, "--input", &input, &host.writable()]));
    until("the body, beside the question", || {
        (traces.steps().len() == 1 && !host.json(["executions", "pending-waits"]).items().is_empty()).then_some(())
    });
    running.kill();
    traces.open([1]);
    let dead = survivor(&host).unwrap();
    let asked = host.item(["executions", "resume", id(&dead)]);
    assert_eq!((&asked["status"], traces.steps()), (&json!("waiting"), vec![1, 1]), "{asked:#}");
    host.json(["executions", "resume", id(&dead)]).refused("KitaruStateError", &["Resolve pending wait input"]);
    let done = host.item(["executions", "input", id(&dead), "--value", "true"]);
    assert_eq!((&done["status"], &done["result"], traces.steps()), (&json!("completed"), &json!(true), vec![1, 1]));
}

/// Cuts the last record of the write-ahead log at every few bytes, as a power failure may: what was whole is kept, what is torn is not there.
#[test]
fn k3_a_torn_last_record_is_as_if_it_had_not_been_written() {
    let mut cuts = 0;
    for append in [2, 3] {
        let host = Host::warm();
        let input = json!({ "path": Traces::guest_path(), "steps": 3 }).to_string();
        let killed =
            with_fault(&host, &["run", &fixture("conformance:count"), "--input", &input, &host.writable()], SIDES[1], append);
        assert_eq!(killed.code, None);
        let wal = host.home().join("kitaru.db-wal");
        let whole = std::fs::metadata(&wal).unwrap().len();
        assert!(whole > 4096, "the last records are in the write-ahead log");
        for cut in [1, 100, 4000] {
            let torn = Host::warm();
            copy_folder(&host.home(), &torn.home());
            let before = torn_records(&torn, whole);
            // The index of the log lies in memory, and does not survive a power failure.
            let _ = std::fs::remove_file(torn.home().join("kitaru.db-shm"));
            std::fs::copy(host.path("traces"), torn.path("traces")).unwrap();
            let file = OpenOptions::new().write(true).open(torn.home().join("kitaru.db-wal")).unwrap();
            file.set_len(whole - cut).unwrap();
            drop(file);
            assert!(torn_records(&torn, whole - cut) < before, "append {append}, cut {cut}: a record was torn off");
            let dead = survivor(&torn).unwrap();
            assert_eq!(dead["status"], "running");
            // The grant names the first host's folder, which is where the lines go.
            let done = torn.item(["executions", "resume", id(&dead)]);
            assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(6)), "append {append}, cut {cut}");
            cuts += 1;
        }
    }
    assert_eq!(cuts, 6);
}

/// How many journal records a copy of the data folder has, whose write-ahead log ends at `end`.
fn torn_records(torn: &Host, end: u64) -> usize {
    let copy = Host::warm();
    copy_folder(&torn.home(), &copy.home());
    let _ = std::fs::remove_file(copy.home().join("kitaru.db-shm"));
    OpenOptions::new().write(true).open(copy.home().join("kitaru.db-wal")).unwrap().set_len(end).unwrap();
    let dead = survivor(&copy).unwrap();
    copy.records(id(&dead)).len()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// E12: the second host says who runs it, changes nothing, and the first one goes on.
#[test]
fn k4_of_two_hosts_on_one_execution_one_runs_and_the_other_says_so() {
    let host = Host::warm();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the first body", || (!traces.steps().is_empty()).then_some(()));
    let execution = survivor(&host).unwrap();
    let process = format!("process {}", running.id());
    assert!(execution["runner"].as_str().unwrap().contains(&process), "{execution:#}");
    host.json(["executions", "resume", id(&execution)]).refused("KitaruStateError", &[id(&execution), &process]);
    traces.open([1, 2]);
    assert_eq!(running.finish().item()["result"], 3);
    assert_eq!(traces.steps(), [1, 2]);
}

/// The same at once: a dead host's execution is resumed by several, and one of them runs it.
#[test]
fn k4_several_hosts_that_resume_at_once_run_it_once() {
    let host = Host::warm();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3 }).to_string();
    let killed = with_fault(&host, &["run", &fixture("conformance:count"), "--input", &input, &host.writable()], SIDES[1], 2);
    assert_eq!(killed.code, None);
    let exec = id(&survivor(&host).unwrap()).to_owned();
    let resumed: Vec<_> = (0..4).map(|_| host.spawn(host.json_command(["executions", "resume", &exec]))).collect();
    let replies: Vec<Reply> = resumed.into_iter().map(kitaru_tests::Running::finish).collect();
    assert!(replies.iter().any(|reply| reply.code == Some(0)), "{replies:?}");
    for reply in &replies {
        if reply.code != Some(0) {
            assert_eq!(reply.error()["type"], "KitaruStateError", "it runs elsewhere, or has ended{reply:?}");
        }
    }
    let done = host.get(&exec);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(6)));
    assert_eq!(traces.steps(), [1, 2, 3], "no body ran twice");
}

/// Nobody can see bodies without a capability, so the flow runs ahead of the disk through them. Whatever is read afterwards fits together
/// all the same: a line or an artifact of an attempt that did not count is nowhere (E3, E11).
#[test]
fn e3_what_was_said_and_kept_is_what_is_recorded_whenever_the_host_died() {
    for append in 1.. {
        let host = Host::warm();
        let mut command = host.json_command(["run", &fixture("conformance:moments"), "--input", r#"{"steps":4}"#]);
        let side = if append % 2 == 0 { "KITARU_FAULT_KILL_BEFORE" } else { "KITARU_FAULT_KILL_AT" };
        command.env(side, append.to_string());
        let is_over = Reply::from(command).code == Some(0);
        let Some(execution) = host.json(["executions", "list"]).items().first().cloned() else { continue };
        let heard = |lines: &[Value]| -> Vec<String> {
            let messages = lines.iter().filter_map(|line| line["message"].as_str());
            messages.filter_map(|message| message.strip_prefix("heard ").map(str::to_owned)).collect()
        };
        let outputs = || -> Vec<String> {
            host.journal(id(&execution)).iter().filter_map(|call| call["output"].as_str().map(str::to_owned)).collect()
        };
        let lines = || host.json(["executions", "logs", id(&execution)]).items();
        // What can be read now was not said too early.
        let early = heard(&lines());
        assert_eq!(early, outputs()[..early.len()], "append {append}");
        // A host that died right after its last append left nothing to do.
        if !is_over && execution["status"] != "completed" {
            let _ = host.item(["executions", "resume", id(&execution)]);
        }
        let outputs = outputs();
        assert_eq!(outputs.len(), 8, "append {append}");
        assert_eq!(heard(&lines()), outputs, "append {append}");
        let kept: Vec<String> = outputs.iter().step_by(2).map(|moment| format!("at {moment}")).collect();
        let artifacts = json!(host.json(["artifacts", "list", id(&execution)]).items());
        let saved: Vec<&str> = names(&artifacts, "name").into_iter().filter(|name| name.starts_with("at ")).collect();
        assert_eq!(saved, kept, "append {append}");
        if is_over {
            assert!(append > 3, "the host was to be killed");
            return;
        }
    }
}
