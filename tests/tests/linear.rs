//! What is read and written grows as the steps do: ten times the steps are ten times the work of the store, whatever is done with them. Counted in
//! instructions of SQLite's machine, which do not depend on how fast the computer is, and not in seconds. Of what a host does beside that, in memory or
//! with files, this says nothing; the benchmark does, in seconds (`docs/performance.md`).

use std::process::Command;

use kitaru_tests::{Host, Reply, Traces, fixture, id};
use serde_json::{Value, json};

/// Steps of a short journal and of a long one.
const STEPS: [u64; 2] = [100, 1000];

/// Has a command's work counted.
fn counting(host: &Host, command: &mut Command) {
    let _ = std::fs::remove_file(host.path("work"));
    command.env("KITARU_FAULT_COUNT", host.path("work"));
}

/// Instructions that were counted.
fn counted(host: &Host) -> u64 {
    let text = std::fs::read_to_string(host.path("work")).expect("this host counts: it is built with `fault-injection`");
    text.lines().map(|line| line.parse::<u64>().expect("a number")).sum()
}

/// What a command came to, and the work that it took.
fn work(host: &Host, words: &[&str]) -> (Reply, u64) {
    let mut command = host.json_command(words);
    counting(host, &mut command);
    let reply = Reply::from(command).ok();
    (reply, counted(host))
}

/// Checks that what took this much for few and for many grows as they do. What does not depend on them makes it grow less. As much as `leeway`
/// times the steps is what times of day account for: how many steps happen to share a commit, how often somebody looks.
fn is_linear(what: &str, work: [u64; 2], [few, many]: [u64; 2], leeway: u64) {
    let [small, large] = work;
    assert!(small > 0, "{what}: no work was counted");
    assert!(large * few <= small * many * leeway, "{what}: {small} instructions for {few}, and {large} for {many}");
}

/// That it does not depend on them at all.
fn is_constant(what: &str, [small, large]: [u64; 2]) {
    assert!(small > 0 && large <= small + small / 4, "{what}: {small} instructions for few, and {large} for many");
}

/// Runs a flow of so many steps, and does everything with it that goes over a journal.
fn of_steps(steps: u64) -> Vec<(&'static str, u64)> {
    let host = Host::warm();
    let mut all = Vec::new();
    let mut doing = |what: &'static str, words: &[&str]| {
        let (reply, work) = work(&host, words);
        all.push((what, work));
        reply
    };
    let input = json!({ "steps": steps }).to_string();
    let run = doing("run", &["run", &fixture("conformance:sequence"), "--input", &input]).item();
    let exec = id(&run);
    let journal = doing("journal", &["executions", "journal", exec]).items();
    assert_eq!(journal.len() as u64, steps);
    let _ = doing("get", &["executions", "get", exec]).item();
    let verified = doing("verify", &["executions", "verify", exec]).items();
    assert_eq!(verified[0]["holds"], true);
    let last = journal[journal.len() - 1]["invocation_id"].as_str().expect("a call has an invocation ID");
    let replay = doing("replay", &["executions", "replay", exec, "--from", last]).item();
    assert_eq!(replay["result"], run["result"]);
    // The first look counts what there is to say, and the second one finds it.
    let _ = doing("first list", &["executions", "list"]).items();
    let _ = doing("list", &["executions", "list"]).items();
    all
}

#[test]
fn p_run_replay_and_verify_do_work_that_grows_with_the_journal() {
    let [small, large] = STEPS.map(of_steps);
    for ((what, small), (same, large)) in small.into_iter().zip(large) {
        assert_eq!(what, same);
        if what == "list" {
            is_constant(what, [small, large]);
        } else {
            is_linear(what, [small, large], STEPS, 2);
        }
    }
}

/// Reads the log of an execution, and follows another one from its first line on while it runs.
fn of_lines(steps: u64) -> [u64; 3] {
    let host = Host::warm();
    let input = json!({ "steps": steps }).to_string();
    let mut begun = host.json_command(["run", &fixture("conformance:moments"), "--input", &input]);
    begun.env("KITARU_FAULT_KILL_BEFORE", "1");
    assert_eq!(Reply::from(begun).code, None, "it dies before its first record");
    let exec = id(&host.json(["executions", "list"]).items()[0]).to_owned();
    let mut following = host.json_command(["executions", "logs", &exec, "--follow"]);
    counting(&host, &mut following);
    let follower = host.spawn(following);
    let resumed = host.item(["executions", "resume", &exec]);
    assert_eq!(resumed["status"], "completed");
    let lines = |reply: &Reply| reply.json_lines().iter().filter(|line| line["event"] == "log").count() as u64;
    let live = lines(&follower.finish().ok());
    let live_work = counted(&host);
    let (again, again_work) = work(&host, &["executions", "logs", &exec, "--follow"]);
    let (whole, whole_work) = work(&host, &["executions", "logs", &exec]);
    assert_eq!((live, whole.items().len() as u64), (lines(&again), live), "each line once");
    assert!(live >= 2 * steps, "{live} lines of {steps} steps");
    [live_work, again_work, whole_work]
}

#[test]
fn p_reading_and_following_a_log_do_work_that_grows_with_its_lines() {
    let [small, large] = STEPS.map(of_lines);
    let all = ["following live", "following what is over", "logs"].into_iter().zip(small.into_iter().zip(large));
    for (what, (small, large)) in all {
        is_linear(what, [small, large], STEPS, 2);
    }
}

/// Lists so many executions, with the few that a page has, and all of them.
fn of_executions(count: u64) -> [u64; 2] {
    let host = Host::warm();
    let input = json!({ "path": Traces::guest_path(), "count": count }).to_string();
    let _ = host.item(["run", &fixture("conformance:parent_of_many"), "--input", &input, &host.writable()]);
    let all = ["executions", "list", "--size", "1000"];
    let listed: Vec<Value> = host.json(all).items();
    assert_eq!(listed.len() as u64, count + 1);
    [work(&host, &all).1, work(&host, &["executions", "list", "--size", "5"]).1]
}

#[test]
fn p_a_list_does_work_that_grows_with_what_it_shows() {
    let counts = [10, 100];
    let [[small, small_page], [large, large_page]] = counts.map(of_executions);
    is_linear("a list", [small, large], counts, 2);
    is_constant("a page of a list", [small_page, large_page]);
}
