//! Instances that the pool has no room for, and processes that have no pool: they get their memory from the system, and nothing else of them differs.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings, FrozenSpec, Observer, Submission, Submitted};
use kitaru_host::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use kitaru_host::sandbox::{Grants, LimitChanges, Limits, Sandbox};
use kitaru_host::store::Status;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::{Host, Reply, example, fixture};
use serde_json::{Value, json};

/// Instances that the pool has room for here.
const ROOM: u32 = 2;

/// How long anything may take that should happen soon, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An engine whose pool is soon full.
struct Place {
    engine: Engine,
    sandbox: Arc<Sandbox>,
    component: ComponentDigest,
    _host: Host,
}

/// What somebody can tell of how an execution ended: its status, its result, and its failure's kind and message.
type End = (Status, Option<Value>, Option<(String, String)>);

impl Place {
    async fn new() -> Self {
        let host = Host::warm();
        let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
        let sandbox = Sandbox::with_pool_of(Some(&host.home()), SystemIds.seed(), ROOM).unwrap();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let engine = Engine::new(store, sandbox.clone(), clock, ids, EngineSettings::default());
        let bytes = std::fs::read(fixture("conformance")).unwrap();
        let component = engine.store().put_component(&bytes).await.unwrap();
        Self { engine, sandbox, component, _host: host }
    }

    async fn submit(&self, flow: &str, input: Value, limits: LimitChanges) -> ExecutionId {
        let spec = FrozenSpec::new(Grants::default(), limits.over(Limits::default()));
        let (component, flow) = (Submitted::Stored(self.component), Some(flow.to_owned()));
        self.engine.submit(Submission { component, flow, input, spec, tags: Vec::new() }).await.unwrap()
    }

    async fn asks(&self) -> ExecutionId {
        self.submit("wait_bool", json!({}), LimitChanges::default()).await
    }

    async fn end(&self, id: ExecutionId) -> End {
        until("an end", async || self.engine.execution(id).await.unwrap().status.is_terminal()).await;
        let row = self.engine.execution(id).await.unwrap();
        let result = match &row.result {
            Some(result) => Some(serde_json::from_str(&self.engine.text(result).await.unwrap()).unwrap()),
            None => None,
        };
        (row.status, result, row.failure.map(|failure| (failure.kind, failure.message)))
    }

    /// Bodies, and limits that an instance can meet: how each flow ends.
    async fn ends(&self) -> Vec<End> {
        let usual = LimitChanges::default();
        let memory = LimitChanges { memory_mib: Some(16), ..usual };
        let time = LimitChanges { flow_seconds: Some(1), checkpoint_seconds: Some(1), ..usual };
        let mut ends = Vec::new();
        for (flow, input, limits) in [
            ("sequence", json!({ "steps": 3 }), usual),
            ("memory_beside", json!({ "bodies": 3, "mebibytes": 4 }), memory),
            ("memory_flow", json!({ "mebibytes": 64 }), memory),
            ("memory_checkpoint", json!({ "mebibytes": 64 }), memory),
            ("recursion_checkpoint", json!({ "depth": 200_000 }), usual),
            ("no_calls", json!({}), LimitChanges { table_elements: Some(1), ..usual }),
            ("spin_flow", json!({}), time),
            ("spin_checkpoint", json!({}), time),
        ] {
            let id = self.submit(flow, input, limits).await;
            ends.push(self.end(id).await);
        }
        ends
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pool_has_no_room_for_runs_outside_it_as_it_would_inside() {
    let place = Place::new().await;
    let (engine, in_pool) = (&place.engine, || place.sandbox.pooled_now());
    // Where nobody is given the addresses of a pool, there is nothing to see here: the next test is about that.
    let test = async {
        if in_pool().is_none() {
            return engine.stop();
        }
        let inside = place.ends().await;
        assert_eq!((&inside[0].1, &inside[1].1), (&Some(json!(6)), &Some(json!(12))), "{inside:#?}");
        for (status, _, failure) in &inside[2..] {
            assert_eq!(
                (*status, failure.as_ref().map(|(kind, _)| kind.as_str())),
                (Status::Failed, Some("limit")),
                "{inside:#?}"
            );
        }
        until("the last to leave the pool", async || in_pool() == Some(0)).await;
        // One flow more than the pool has room for, all of which wait in memory.
        let mut waiting = Vec::new();
        for number in 1..=u64::from(ROOM) + 1 {
            waiting.push(place.asks().await);
            until("a flow that waits", async || engine.occupancy().idle as u64 == number).await;
            assert_eq!(in_pool(), Some(number.min(ROOM.into())));
        }
        // Of flows and bodies beside them, none finds a place in the pool.
        assert_eq!(place.ends().await, inside);
        assert_eq!((in_pool(), engine.occupancy().idle), (Some(ROOM.into()), waiting.len()), "nobody has left for them");
        for id in waiting {
            let wait = engine.pending_waits(id).await.unwrap().pop().unwrap();
            engine.answer(&wait, &Value::Bool(true)).await.unwrap();
            assert_eq!(place.end(id).await, (Status::Completed, Some(json!("approved")), None));
        }
        until("the last to leave the pool", async || in_pool() == Some(0)).await;
        // Whoever comes then has the pool again.
        let _ = place.asks().await;
        until("a flow that waits", async || engine.occupancy().idle == 1).await;
        assert_eq!(in_pool(), Some(1));
        engine.stop();
    };
    let (looked, ()) = tokio::join!(engine.look_after(Observer::silent()), test);
    looked.unwrap();
}

/// Addresses that a process without a pool gets along with, in KiB: the pool alone takes some terabytes.
const ADDRESSES_KIB: u64 = 64 << 20;

/// The same command in a process that has no more addresses.
fn without_a_pool(command: &Command) -> Reply {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -v {ADDRESSES_KIB} && exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    Reply::from(limited)
}

#[test]
fn a_process_that_gets_no_addresses_for_a_pool_does_without_one() {
    let host = Host::new();
    let flow = |flow: &str, input: &Value, flags: &[&str]| {
        let (target, input) = (fixture(&format!("conformance:{flow}")), input.to_string());
        without_a_pool(&host.json_command([&["run", &target, "--input", &input], flags].concat()))
    };
    let mut hello = host.json_command(["run", &example("hello"), "--arg", "name=World"]);
    hello.env("KITARU_LOG", "kitaru_host=debug");
    let reply = without_a_pool(&hello);
    assert!(reply.stderr.contains("no pool of instances"), "{reply:?}");
    assert_eq!(reply.item()["result"], "Hello, World! Yours durably, Kitaru.");
    // Bodies one after the other and beside each other, and a limit.
    assert_eq!(flow("sequence", &json!({ "steps": 20 }), &[]).item()["result"], 210);
    assert_eq!(flow("memory_beside", &json!({ "bodies": 8, "mebibytes": 4 }), &[]).item()["result"], 32);
    let limited = flow("memory_checkpoint", &json!({ "mebibytes": 64 }), &["--max-memory=16"]);
    assert_eq!(limited.refused("KitaruExecutionError", &["`memory_mib`"])["failure_kind"], "limit");
    // Code that was compiled there is the same as in a process with a pool.
    let mut compiled = host.json_command(["run", &example("hello"), "--arg", "name=World"]);
    compiled.env("KITARU_LOG", "kitaru_host=debug");
    let reply = Reply::from(compiled);
    assert!(!reply.stderr.contains("compiling again"), "{reply:?}");
    assert_eq!(reply.item()["status"], "completed");
}
