//! Limits of executions and of the host: each ends in a failure that names it, and the memory that all instances share is waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings, FrozenSpec, JournalRead, Observer, Submission, Submitted, read_journal};
use kitaru_host::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use kitaru_host::sandbox::{Grants, Limits, Sandbox};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{ExecutionRow, Status};
use kitaru_tests::web::Say;
use kitaru_tests::{Host, Reply, Web, fixture, id};
use serde_json::{Value, json};

/// It ended with a limit of this name, and a person is told what to do.
#[track_caller]
fn limited(reply: &Reply, key: &str) -> Value {
    let error = reply.refused("KitaruExecutionError", &[key]);
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("limit"), &json!("runtime")), "{key}{reply:?}");
    error
}

/// What a collector got that has `text` for a name or a value: how many reports of metrics.
fn reports_of(web: &Web, text: &str) -> usize {
    // As a string of a protocol buffer's first field: its length stands before it, so that nothing longer is taken for it.
    let string = [&[0x0a, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let has = |body: &[u8]| body.windows(string.len()).any(|part| part == string);
    web.asked().iter().filter(|asked| asked.path == "/v1/metrics" && has(&asked.body)).count()
}

/// A host whose commands tell a collector what happened.
fn watched(host: &Host, web: &Web, flow: &str, arguments: &Value, flags: &[&str]) -> Reply {
    let (target, input) = (fixture(&format!("conformance:{flow}")), arguments.to_string());
    let mut command = host.json_command([&["run", &target, "--input", &input], flags].concat());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", web.url(""));
    Reply::from(command)
}

/// Each limit of an instance, of an attempt and of an execution ends in a failure that names its key and says what raises it, and is counted by that
/// key. What ends no instance (`parallel`, `requests` and the like) has tests beside what it bounds.
#[test]
fn each_limit_ends_in_a_failure_that_names_it() {
    let (host, web) = (Host::new(), Web::always(Say::text("")));
    let mib = json!({ "bytes": 2_000_000 });
    let cases: [(&str, Value, &[&str], &str, &str); 19] = [
        ("memory_flow", json!({ "mebibytes": 64 }), &["--max-memory=16"], "`memory_mib`", "--max-memory"),
        ("spin_flow", json!({}), &["--flow-seconds=1"], "`flow_seconds`", "--flow-seconds"),
        ("spin_checkpoint", json!({}), &["--checkpoint-seconds=1"], "`checkpoint_seconds`", "--checkpoint-seconds"),
        ("big_checkpoint_result", mib.clone(), &["--max-value=1"], "`value_mib`", "--max-value"),
        ("save_large", mib.clone(), &["--max-artifact=1"], "`artifact_mib`", "--max-artifact"),
        ("log_volume", json!({ "lines": 64, "bytes": 65_536 }), &["--max-log=1"], "`log_mib`", "--max-log"),
        ("sequence", json!({ "steps": 5 }), &["--max-calls=3"], "`calls`", "--max-calls"),
        ("recursion_checkpoint", json!({ "depth": 200_000 }), &[], "stack_kib", "stack_kib"),
        ("no_calls", json!({}), &["--max-table-elements=1"], "table_elements", "--max-table-elements"),
        ("no_calls", json!({}), &["--max-instances=1"], "`instances`", "--max-instances"),
        ("spin_flow", json!({}), &["--cpu-seconds=1"], "cpu_seconds", "--cpu-seconds"),
        ("spin_checkpoint", json!({}), &["--cpu-seconds=1"], "cpu_seconds", "--cpu-seconds"),
        // A loop of small calls, and a few large values.
        ("ignores_refusals", json!({}), &["--max-history=1"], "history_mib", "--max-history"),
        (
            "save_many",
            json!({ "calls": 9, "count": 1, "bytes": 500_000 }),
            &["--max-artifacts=2"],
            "artifacts_mib",
            "--max-artifacts",
        ),
        (
            "save_many",
            json!({ "calls": 1, "count": 9, "bytes": 500_000 }),
            &["--max-artifacts=2"],
            "artifacts_mib",
            "--max-artifacts",
        ),
        ("big_argument", mib.clone(), &["--max-argument=1"], "argument_mib", "--max-argument"),
        ("save_large", mib, &["--max-argument=1"], "argument_mib", "--max-argument"),
        ("many_values", json!({ "count": 100_000 }), &["--max-argument=1"], "argument_mib", "--max-argument"),
        ("memory_checkpoint", json!({ "mebibytes": 64 }), &["--max-instances-memory=32"], "instances_mib", "instances_mib"),
    ];
    for (flow, arguments, flags, key, hint) in cases {
        let key_alone = key.trim_matches('`');
        let before = reports_of(&web, key_alone);
        let error = limited(&watched(&host, &web, flow, &arguments, flags), key);
        assert!(error["hint"].as_str().unwrap().contains(hint), "{flow}: {error:#}");
        assert!(reports_of(&web, key_alone) > before, "{flow}: nobody was told that `{key_alone}` was reached");
    }
    let fits: [(&str, Value, &[&str]); 7] = [
        // More than the pool has tables for: from the system.
        ("no_calls", json!({}), &["--max-table-elements=1000000"]),
        ("memory_checkpoint", json!({ "mebibytes": 8 }), &["--max-table-elements=1000000"]),
        ("save_many", json!({ "calls": 2, "count": 1, "bytes": 500_000 }), &["--max-artifacts=2"]),
        ("many_values", json!({ "count": 100_000 }), &[]),
        ("memory_checkpoint", json!({ "mebibytes": 64 }), &["--max-instances-memory=128"]),
        // What it waits for is no computing, however often it does: by ticks it would be four seconds.
        ("naps", json!({ "naps": 800, "milliseconds": 1 }), &["--cpu-seconds=1"]),
        ("sleep_checkpoint", json!({ "milliseconds": 1_500 }), &["--cpu-seconds=1"]),
    ];
    for (flow, arguments, flags) in fits {
        assert_eq!(host.flow(flow, &arguments, flags)["status"], "completed", "{flow}");
    }
}

/// A flow that its history ended has as much on record as it may, and a replay may have more.
#[test]
fn a_history_that_is_full_is_kept() {
    let host = Host::new();
    let steps = json!({ "steps": 20_000 });
    let reply = host.try_flow("sequence", &steps, &["--max-history=1"]);
    limited(&reply, "history_mib");
    let failed = reply.failed_execution();
    let recorded = host.journal(&failed).len();
    assert!(recorded > 100, "{recorded} calls");
    // It goes over them all again, and comes to the same end.
    limited(&host.json(["executions", "retry", &failed]), "history_mib");
    assert_eq!(host.journal(&failed).len(), recorded);
    assert_eq!(host.json(["executions", "verify", &failed]).items()[0]["verdict"], "holds");
    let anchor = format!("--from=:{}", recorded - 1);
    let replay = host.item(["executions", "replay", &failed, &anchor, "--max-history=64"]);
    assert_eq!(replay["status"], "completed");
}

/// Whoever watches a host by OpenTelemetry sees which limits its executions met.
#[test]
fn a_collector_is_told_which_limits_were_reached() {
    let (host, web) = (Host::new(), Web::always(Say::text("")));
    // By the clock on the wall it may take long, on a machine that is busy with other tests.
    let target = fixture("conformance:spin_flow");
    let mut command = host.json_command(["run", &target, "--cpu-seconds=1", "--flow-seconds=600"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", web.url(""));
    limited(&Reply::from(command), "cpu_seconds");
    assert!(reports_of(&web, "kitaru.limit.reached") > 0 && reports_of(&web, "cpu_seconds") > 0);
    assert!(reports_of(&web, "kitaru.bodies.limit") > 0, "what `parallel` is");
}

#[test]
fn stacks_are_as_deep_as_the_host_says() {
    let host = Host::new();
    let recurse = |depth: u64| host.try_flow("recursion_checkpoint", &json!({ "depth": depth }), &[]);
    limited(&recurse(200_000), "stack_kib");
    host.file("kitaru.toml", "[host]\nstack_kib = 32768\n");
    assert_eq!(recurse(200_000).item()["status"], "completed");
    host.file("kitaru.toml", "[host]\nstack_kib = 256\n");
    limited(&recurse(20_000), "stack_kib");
    // The command's own word counts more.
    let target = fixture("conformance:recursion_checkpoint");
    let deep = |kib: &str| host.json(["run", &target, "--arg", "depth=20000", &format!("--max-stack={kib}")]);
    assert_eq!(deep("16384").item()["status"], "completed");
    assert!(deep("1").refused("KitaruUsageError", &["64 to 65536"])["hint"].as_str().unwrap().contains("--max-stack"));
    for kib in ["1", "1000000"] {
        host.file("kitaru.toml", format!("[host]\nstack_kib = {kib}\n"));
        let error = recurse(1).refused("KitaruUsageError", &["stack_kib", kib, "64 to 65536"]);
        assert!(error["hint"].as_str().unwrap().contains("kitaru.toml"), "{error}");
    }
}

#[test]
fn a_project_file_has_the_limits_too_and_they_are_kept() {
    let host = Host::new();
    host.file("kitaru.toml", "[limits]\ncpu_seconds = 5\nargument_mib = 300\n[host]\ninstances_mib = 64\n");
    let execution = host.flow("no_calls", &json!({}), &["--max-history=7"]);
    let limits = &host.get(id(&execution))["frozen_execution_spec"]["limits"];
    assert_eq!((&limits["cpu_seconds"], &limits["argument_mib"], &limits["history_mib"]), (&json!(5), &json!(300), &json!(7)));
    limited(&host.try_flow("memory_flow", &json!({ "mebibytes": 80 }), &[]), "`instances_mib` of 64 MiB");
    let huge = u64::MAX.to_string();
    let flags = ["--cpu-seconds", "--max-history", "--max-artifacts", "--max-argument", "--max-table-elements"];
    let flags = flags.map(|flag| format!("{flag}={huge}"));
    assert_eq!(host.flow("sequence", &json!({ "steps": 2 }), &flags.each_ref().map(String::as_str))["result"], 3);
}

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(300);
const MIB: u64 = 1024 * 1024;

/// An engine with little memory for all its instances.
struct Place {
    engine: Engine,
    sandbox: Arc<Sandbox>,
    component: ComponentDigest,
    _host: Host,
}

impl Place {
    async fn of_mib(instances_mib: u64) -> Self {
        let host = Host::warm();
        let store = SqliteStore::open(&host.home()).unwrap();
        let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
        let settings = EngineSettings { instances_mib: Some(instances_mib), ..EngineSettings::default() };
        let engine = Engine::new(Arc::new(store), sandbox.clone(), Arc::new(SystemClock), Arc::new(SystemIds), settings);
        let component = std::fs::read(fixture("conformance")).unwrap();
        let component = engine.store().put_component(&component).await.unwrap();
        Self { engine, sandbox, component, _host: host }
    }

    async fn submit(&self, flow: &str, input: Value, grants: Grants) -> ExecutionId {
        let (component, flow) = (Submitted::Stored(self.component), Some(flow.to_owned()));
        let spec = FrozenSpec::new(grants, Limits::default());
        self.engine.submit(Submission { component, flow, input, spec, tags: Vec::new() }).await.unwrap()
    }

    /// Returns when they have all ended, while the host looks after them.
    async fn all(&self, ids: &[ExecutionId]) -> Vec<ExecutionRow> {
        let ended = async {
            let (mut rows, started) = (Vec::new(), Instant::now());
            for id in ids {
                loop {
                    let row = self.engine.execution(*id).await.unwrap();
                    if row.status.is_terminal() {
                        rows.push(row);
                        break;
                    }
                    let held = self.sandbox.ceiling().held();
                    assert!(started.elapsed() < PATIENCE, "{id} does not end: {held:?}");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            self.engine.stop();
            rows
        };
        let (looked, rows) = tokio::join!(self.engine.look_after(Observer::silent()), ended);
        looked.unwrap();
        let held = self.sandbox.ceiling().held();
        assert_eq!((held.now, held.waiting), (0, 0), "nothing is left behind");
        rows
    }

    /// They all come to this result, and nothing of what led to it was lost.
    async fn all_come_to(&self, ids: &[ExecutionId], result: Value) {
        for row in self.all(ids).await {
            assert_eq!(row.status, Status::Completed, "{:?}", row.failure);
            let text = self.engine.text(&row.result.unwrap()).await.unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), result);
            let verification = self.engine.verify(row.new.id, None).await.unwrap();
            assert!(verification.holds(), "{verification:?}");
        }
        let held = self.sandbox.ceiling().held();
        // What is not made to wait is there too.
        assert!(held.peak <= held.ceiling.unwrap() + 16 * MIB, "{held:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_that_do_not_fit_together_come_one_after_the_other() {
    let place = Place::of_mib(48).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(place.submit("memory_flow", json!({ "mebibytes": 30 }), Grants::default()).await);
    }
    place.all_come_to(&ids, json!(30)).await;
    assert!(place.sandbox.ceiling().held().waits > 0, "{:?}", place.sandbox.ceiling().held());
}

/// Flows and their bodies grow in turns, so that all are in each other's way.
#[tokio::test(flavor = "multi_thread")]
async fn e6_flows_that_are_put_off_come_to_what_they_would_have_come_to() {
    let place = Place::of_mib(64).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(place.submit("memory_steps", json!({ "steps": 3, "mebibytes": 7 }), Grants::default()).await);
    }
    place.all_come_to(&ids, json!(24)).await;
    assert!(place.engine.measures().memory.waits > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_nobody_can_see_begin_again_until_there_is_room() {
    let place = Place::of_mib(64).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(place.submit("memory_beside", json!({ "bodies": 8, "mebibytes": 20 }), Grants::default()).await);
    }
    place.all_come_to(&ids, json!(160)).await;
}

/// E5: what a body with a capability did may have happened. Its attempt has failed, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn e5_a_body_that_can_be_seen_is_not_run_again_unasked() {
    let place = Place::of_mib(64).await;
    let grants = Grants { env: vec!["KITARU_NOBODY".into()], ..Grants::default() };
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(place.submit("memory_beside", json!({ "bodies": 8, "mebibytes": 20 }), grants.clone()).await);
    }
    for row in place.all(&ids).await {
        let JournalRead { history, .. } = read_journal(place.engine.store().as_ref(), row.new.id).await.unwrap();
        let attempts: Vec<usize> = history.calls().iter().map(|call| call.attempts.len()).collect();
        assert!(attempts.iter().all(|attempts| *attempts <= 1), "no body began twice: {attempts:?}");
        let Some(failure) = row.failure else {
            assert_eq!(row.status, Status::Completed);
            continue;
        };
        assert_eq!(row.status, Status::Failed);
        assert!(failure.kind == "limit" && failure.retryable && failure.message.contains("instances_mib"), "{failure:?}");
    }
}

/// Flows that only wait make room, and are answered later.
#[tokio::test(flavor = "multi_thread")]
async fn e8_flows_that_wait_leave_when_others_need_their_memory() {
    let place = Place::of_mib(40).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(place.submit("wait_bool", json!({}), Grants::default()).await);
    }
    let large = place.submit("memory_flow", json!({ "mebibytes": 32 }), Grants::default()).await;
    let test = async {
        let started = Instant::now();
        while !place.engine.execution(large).await.unwrap().status.is_terminal() {
            assert!(started.elapsed() < PATIENCE, "{:?}", place.sandbox.ceiling().held());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for id in &waiting {
            let wait = loop {
                assert!(started.elapsed() < PATIENCE, "{:?}", place.sandbox.ceiling().held());
                if let Some(wait) = place.engine.pending_waits(*id).await.unwrap().pop() {
                    break wait;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            place.engine.answer(&wait, &Value::Bool(true)).await.unwrap();
        }
    };
    let all = [waiting.as_slice(), &[large]].concat();
    let ((), rows) = tokio::join!(test, place.all(&all));
    assert!(rows.iter().all(|row| row.status == Status::Completed), "{rows:#?}");
}

/// A flow and a body that never fit together are told so, and do not wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_fits_is_a_failure_that_can_be_retried() {
    let place = Place::of_mib(32).await;
    let ids = [
        place.submit("memory_steps", json!({ "steps": 1, "mebibytes": 20 }), Grants::default()).await,
        place.submit("memory_flow", json!({ "mebibytes": 40 }), Grants::default()).await,
        place.submit("memory_beside", json!({ "bodies": 2, "mebibytes": 40 }), Grants::default()).await,
    ];
    for row in place.all(&ids).await {
        let failure = row.failure.unwrap();
        assert!(failure.kind == "limit" && failure.retryable, "{failure:?}");
        assert!(failure.message.contains("`instances_mib` of 32 MiB"), "{failure:?}");
    }
    let reached = place.engine.measures().reached;
    assert!(reached.iter().any(|(key, count)| *key == "instances_mib" && *count >= 3), "{reached:?}");
}
