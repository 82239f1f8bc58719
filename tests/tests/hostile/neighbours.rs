//! A flow that behaves, beside those that do not, in one process.

use std::time::{Duration, Instant};

use kitaru_host::clock::{Clock as _, SystemClock};
use kitaru_host::ids::{ExecutionId, Ids as _, SystemIds};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Executions as _, NewExecution, Status};
use kitaru_tests::{Host, id, peak_of};
use serde_json::json;

use super::row::{Guest, Row};
use super::{GROUPS, host};

/// How long hostile flows may take together, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(150);
/// Durable calls of the flow that behaves.
const STEPS: u64 = 300;
/// The most memory that the process may hold, in MiB: of each flow, some sixty.
const CEILING: u64 = 2_000;

/// What all of them may use.
const LITTLE: [&str; 5] = ["--max-memory=64", "--flow-seconds=1", "--checkpoint-seconds=1", "--max-log=1", "--max-calls=300"];

/// The hostile flows that take most: time, memory, log text.
fn worst() -> impl Iterator<Item = &'static Row> {
    let groups = ["Loops", "Memory and stack", "Traps and re-entrance", "Handles", "Floods", "WASI"];
    GROUPS.into_iter().filter(move |(name, _)| groups.contains(name)).flat_map(|(_, rows)| rows)
}

/// An execution of a hostile component, as somebody submitted it.
async fn model(host: &Host, store: &SqliteStore, target: &str) -> NewExecution {
    let mut command = host.json_command(["run", target, "--input", "{}"]);
    command.args(LITTLE);
    let (reply, _) = host.measured(command);
    let exec = reply.failed_execution();
    store.execution(exec.parse().unwrap()).await.unwrap().new
}

/// Executions to be submitted: all flows of the guest `hostile` that are among the worst, and what is as bad without an SDK.
async fn models(host: &Host, store: &SqliteStore) -> Vec<NewExecution> {
    let flow = model(host, store, &kitaru_tests::fixture("hostile:exits")).await;
    let mut models = Vec::new();
    for row in worst() {
        match row.guest {
            Guest::Flow(name) => models.push(NewExecution { flow: name.to_owned(), ..flow.clone() }),
            Guest::Wat if matches!(row.name, "flow-spins" | "realloc-spins" | "memory-grows" | "table-grows") => {
                models.push(model(host, store, &row.target(|name, bytes| host.file(name, bytes))).await);
            }
            _ => {}
        }
    }
    models
}

async fn submit(store: &SqliteStore, model: &NewExecution) -> ExecutionId {
    let (id, created_at) = (SystemIds.execution(), SystemClock.now());
    store.create(NewExecution { id, created_at, ..model.clone() }).await.unwrap();
    id
}

/// How an execution ended, as soon as it has.
async fn end_of(store: &SqliteStore, id: ExecutionId) -> Status {
    let started = Instant::now();
    loop {
        let row = store.execution(id).await.unwrap();
        if row.ended_at.is_some() {
            return row.status;
        }
        assert!(started.elapsed() < PATIENCE, "{id} has not ended: {row:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_flow_that_behaves_keeps_going_beside_those_that_do_not() {
    let host = host();
    let good = host.flow("sequence", &json!({ "steps": STEPS }), &[]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = SqliteStore::open(&host.home()).unwrap();
        let good = store.execution(id(&good).parse().unwrap()).await.unwrap().new;
        let hostile = models(&host, &store).await;
        assert!(hostile.len() >= 30, "only {} hostile flows", hostile.len());
        let mut server = host.serving();

        let alone = Instant::now();
        let first = submit(&store, &good).await;
        assert_eq!(end_of(&store, first).await, Status::Completed);
        let alone = alone.elapsed();

        let mut bad = Vec::new();
        for model in &hostile {
            bad.push(submit(&store, model).await);
        }
        let beside = Instant::now();
        let second = submit(&store, &good).await;
        assert_eq!(end_of(&store, second).await, Status::Completed);
        let beside = beside.elapsed();
        let ratio = beside.as_secs_f64() / alone.as_secs_f64();
        println!("{STEPS} steps: {alone:?} alone, {beside:?} beside {} hostile flows ({ratio:.1} times as long)", hostile.len());

        for id in bad {
            let row = (end_of(&store, id).await, store.execution(id).await.unwrap());
            let kind = row.1.failure.as_ref().map(|failure| failure.kind.as_str());
            assert_ne!(kind, Some("internal"), "{row:?}");
        }
        assert!(server.is_alive(), "the host serves on");
        let peak = peak_of(server.id()).unwrap_or_default();
        println!("the host held at most {peak} MiB");
        assert!(peak < CEILING, "it held {peak} MiB");
        let third = submit(&store, &good).await;
        assert_eq!(end_of(&store, third).await, Status::Completed, "and does its work");
        let result = host.get(&third.to_string());
        assert_eq!(result["result"], STEPS * (STEPS + 1) / 2);
        server.kill();
    });
}

/// Flows and bodies that compute without end, so many of each.
const SPINNERS: usize = 24;

#[test]
fn a_flow_that_behaves_is_through_while_others_compute_without_end() {
    let host = host();
    let good = host.flow("sequence", &json!({ "steps": STEPS }), &[]);
    let spinning = |flow: &str| {
        let target = kitaru_tests::fixture(&format!("conformance:{flow}"));
        let limits = ["--flow-seconds=120", "--checkpoint-seconds=120", "--cpu-seconds=120"];
        let command = [&["run", &target, "--input", "{}", "--detach"][..], &limits].concat();
        id(&host.item(command)).to_owned()
    };
    let spinners: Vec<ExecutionId> = ["spin_flow", "spin_checkpoint"]
        .into_iter()
        .flat_map(|flow| std::iter::repeat_n(flow, SPINNERS))
        .map(|flow| spinning(flow).parse().unwrap())
        .collect();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = SqliteStore::open(&host.home()).unwrap();
        let good = store.execution(id(&good).parse().unwrap()).await.unwrap().new;
        let server = host.serving();
        let began = Instant::now();
        for spinner in &spinners {
            while store.execution(*spinner).await.unwrap().runner.is_none() {
                assert!(began.elapsed() < PATIENCE, "{spinner} has not begun");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let beside = Instant::now();
        assert_eq!(end_of(&store, submit(&store, &good).await).await, Status::Completed);
        println!("{STEPS} steps beside {} that compute without end: {:?}", spinners.len(), beside.elapsed());
        for spinner in &spinners {
            let row = store.execution(*spinner).await.unwrap();
            assert!(row.ended_at.is_none() && row.runner.is_some(), "it computes all the while: {row:?}");
        }
        server.kill();
    });
}
