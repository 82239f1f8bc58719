//! What a host does that has nothing to do: nothing, until it is told (E8). That goes for the death of a runner too, which tells nobody itself.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::clock::{Clock as _, SystemClock};
use kitaru_host::engine::{Engine, EngineSettings};
use kitaru_host::ids::{ExecutionId, Ids as _, SystemIds};
use kitaru_host::journal::Payload;
use kitaru_host::sandbox::Sandbox;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Leases as _, Resolution, Waits as _};
use kitaru_tests::{Host, Running, Served, Traces, fixture, id, until};
use serde_json::json;

/// How long an idle host is watched. One that looked around twice a second would be seen doing so a dozen times.
const WATCHED: Duration = Duration::from_secs(6);
/// Far below the half minute after which a host looks around although nobody has told it anything.
const SOON: Duration = Duration::from_secs(5);

/// How often each thread of a process has waited for something, and the processor time of all of them, in hundredths of a second.
fn used(process: u32) -> (HashMap<String, u64>, u64) {
    let mut waits = HashMap::new();
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let thread = thread.unwrap();
        // It may have ended.
        let Ok(status) = std::fs::read_to_string(thread.path().join("status")) else { continue };
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        waits.insert(thread.file_name().into_string().unwrap(), count.trim().parse().unwrap());
    }
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    (waits, fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum())
}

/// Waits until a host rests: while it is watched, its threads wake up no more than some times altogether. At first some have to end.
fn until_it_rests(host: &Running) {
    until("the host to rest", || {
        let (before, cpu_before) = used(host.id());
        std::thread::sleep(WATCHED);
        let (after, cpu) = used(host.id());
        let woken: u64 = after.iter().map(|(thread, count)| count - before.get(thread).copied().unwrap_or_default()).sum();
        (woken <= 6 && cpu - cpu_before <= 2).then_some(())
    });
}

/// A flow whose runner is killed in its first body, and whether a host that looks after it follows soon.
fn is_followed_soon(host: &Host) {
    let traces = Traces::new(host);
    let before = traces.steps().len();
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("a body", || (traces.steps().len() > before).then_some(()));
    let orphan = host.json(["executions", "list", "--flow", "count_slow"]).items()[0].clone();
    assert_eq!(orphan["status"], "running");
    traces.open([1, 2]);
    let killed = Instant::now();
    running.kill();
    until("the orphan's end", || (host.get(id(&orphan))["result"] == 3).then_some(()));
    assert!(killed.elapsed() < SOON, "followed after {:?}", killed.elapsed());
}

#[test]
fn e8_a_host_with_nothing_to_do_does_nothing() {
    let host = Host::new();
    let asked = host.flow("wait_bool", &json!({}), &[]);
    // With a page and an API, and without: both look after the same.
    let (with, without) = (Served::start(&host), host.serving());
    until_it_rests(&with.running);
    until_it_rests(&without);
    // And they are there.
    let _ = host.item(["executions", "input", id(&asked), "--value", "true"]);
    until("the answer's end", || (host.get(id(&asked))["result"] == "approved").then_some(()));
}

#[test]
fn e8_a_killed_runner_is_followed_at_once_by_a_host_that_rests() {
    let host = Host::new();
    let server = host.serving();
    until_it_rests(&server);
    is_followed_soon(&host);
    server.kill();
}

/// The folder of lock files is another one, which nobody was asked to watch.
#[test]
fn e8_a_killed_runner_is_followed_also_where_the_lock_files_are_elsewhere() {
    let host = Host::new();
    let server = host.serving();
    until_it_rests(&server);
    std::fs::remove_dir_all(host.home().join("runners")).unwrap();
    is_followed_soon(&host);
    until_it_rests(&server);
    server.kill();
}

/// As where too many files are watched on this machine.
#[test]
fn e8_a_host_that_may_watch_no_file_looks_around() {
    let host = Host::new();
    let serve = host.json_command(["serve", "--no-http"]);
    let script = r#"echo 0 >/proc/sys/user/max_inotify_watches; exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-euc", script, "sh"]).arg(serve.get_program()).args(serve.get_args());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("KITARU_LOG", "kitaru_host=warn");
    command.current_dir(host.work()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = host.spawn(command);
    let _ = server.read_until(|line| line["event"] == "ready");
    server.until_said("cannot watch the data folder");
    is_followed_soon(&host);
    server.kill();
}

/// An upgrade holds what waits, and where the other code will not do it gives it back as it was. An answer that came meanwhile found it held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e8_an_answer_to_what_an_upgrade_holds_is_taken_up_when_that_is_given_back() {
    let host = Host::new();
    let asked = host.flow("wait_bool", &json!({}), &[]);
    let server = host.serving();
    let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
    let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
    let engine = Engine::new(store.clone(), sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
    let exec: ExecutionId = id(&asked).parse().unwrap();
    // As by an upgrade that takes its time; whoever waits is not told that it is given back.
    let held = store.claim(exec).await.unwrap();
    let question = store.waits(exec).await.unwrap().remove(0).id;
    let answer = Resolution::Answered(Payload::Inline(b"true".to_vec()));
    store.resolve(question, None, answer, SystemClock.now()).await.unwrap();
    until_it_rests(&server);
    store.release(&held).await.unwrap();

    let given_back = Instant::now();
    engine.upgrade(exec, b"no component").await.unwrap_err();
    until("the answer's end", || (host.get(id(&asked))["result"] == "approved").then_some(()));
    assert!(given_back.elapsed() < SOON, "taken up after {:?}", given_back.elapsed());
    server.kill();
}

/// As where the disk is full for a moment: the store says that the host drives it, which nobody else doubts.
#[test]
fn e8_what_could_not_be_given_back_is_searched_for_at_once() {
    let host = Host::new();
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    until_it_rests(&served.running);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.busy_timeout(Duration::from_secs(60)).unwrap();
    let refuses =
        "CREATE TRIGGER refuses BEFORE UPDATE OF runner ON executions WHEN NEW.runner IS NULL AND NEW.status = 'running'
                   BEGIN SELECT RAISE(ABORT, 'no room'); END";
    store.execute_batch(refuses).unwrap();
    // Reopened, and not given back.
    let retried = admin.post(&format!("/api/v1/executions/{failed}/retry"), &json!({}));
    assert!(retried.status >= 500, "{retried:?}");

    let refused = Instant::now();
    store.execute_batch("DROP TRIGGER refuses").unwrap();
    until("the second failure", || (host.get(&failed)["status"] == "failed").then_some(()));
    assert!(refused.elapsed() < SOON, "taken up after {:?}", refused.elapsed());
}
