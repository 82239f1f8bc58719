//! Who waits for a runner of another process does nothing until that lets go or dies, and is told of both (E8, E12). Alone in its process, whose
//! threads are watched.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::fs::DirEntry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{DriveOptions, Engine, EngineSettings, WaitPolicy};
use kitaru_host::ids::{ExecutionId, Ids as _, SystemIds};
use kitaru_host::sandbox::Sandbox;
use kitaru_host::store::Leases as _;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::{Host, Traces, fixture, id, until};
use serde_json::json;

/// How long this process is watched: who looked around once a second would be seen doing so.
const WATCHED: Duration = Duration::from_secs(6);
/// Far below the half minute after which somebody looks around although nobody has told them anything.
const SOON: Duration = Duration::from_secs(5);

/// How often each thread of this process has waited for something; but for the one that ticks while a flow is in memory.
fn waits() -> HashMap<String, u64> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let is_clock =
        |thread: &DirEntry| std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "kitaru-epoch");
    let threads = threads.flatten().filter(|thread| !is_clock(thread));
    let count = |thread: DirEntry| {
        // It may have ended.
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())?;
        Some((thread.file_name().into_string().ok()?, count))
    };
    threads.filter_map(count).collect()
}

/// How often they have since. What a thread did that has ended meanwhile is not known, and takes nothing away from what others did.
fn waits_since(before: &HashMap<String, u64>) -> u64 {
    waits().iter().map(|(thread, now)| now.saturating_sub(before.get(thread).copied().unwrap_or_default())).sum()
}

/// Waits until this process rests; at first threads have to end.
fn until_this_rests() {
    until("this process to rest", || {
        let before = waits();
        std::thread::sleep(WATCHED);
        (waits_since(&before) <= 6).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e8_whoever_waits_for_the_runner_of_another_process_does_nothing_until_it_is_told() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 1, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    let driven: ExecutionId = id(&host.json(["executions", "list"]).items()[0]).parse().unwrap();

    let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
    let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
    let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
    let free = tokio::spawn({
        let engine = engine.clone();
        async move { engine.until_free(driven).await }
    });
    until_this_rests();
    assert!(!free.is_finished(), "somebody drives it");
    let killed = Instant::now();
    running.kill();
    free.await.unwrap().unwrap();
    assert!(killed.elapsed() < SOON, "told after {:?}", killed.elapsed());

    // A parent whose child is somebody else's, who dies with it.
    let parent = host.flow("parent_waits", &json!({ "path": Traces::guest_path() }), &[&host.writable()]);
    let asked = host.json(["executions", "pending-waits"]).items();
    let child: ExecutionId = id(&asked[0]).parse().unwrap();
    let other = SqliteStore::open(&host.home()).unwrap();
    let _held = other.claim(child).await.unwrap();
    let parent: ExecutionId = id(&parent).parse().unwrap();
    let options = DriveOptions { wait: WaitPolicy::Stay, ..DriveOptions::default() };
    let drive = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drive(parent, options).await }
    });
    until_this_rests();
    assert!(!drive.is_finished(), "it stays");
    let epoch = engine.execution(child).await.unwrap().epoch;
    let died = Instant::now();
    drop(other);
    while engine.execution(child).await.unwrap().epoch == epoch {
        assert!(died.elapsed() < SOON, "nobody has taken the child up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = host.json(["executions", "input", &child.to_string(), "--value", "true"]);
    drive.await.unwrap().unwrap();
    assert_eq!(host.get(&parent.to_string())["result"], "parent of child: true");
}
