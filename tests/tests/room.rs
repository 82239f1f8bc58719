//! Room for flows in memory: those that wait leave when others need theirs, and lose nothing by that (E8). Through the library, so that a test
//! can give a host little room and see how it is used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{
    DriveOptions, Engine, EngineSettings, FrozenSpec, Observer, Occupancy, Submission, Submitted, WaitPolicy,
};
use kitaru_host::ids::{ComponentDigest, ExecutionId, Ids as _, SystemIds};
use kitaru_host::sandbox::{FolderGrant, Grants, Limits, Sandbox};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{ExecutionFilter, ExecutionRow, Page, Status, WaitRow};
use kitaru_tests::{Host, Traces, fixture};
use serde_json::{Value, json};

/// How long anything may take that should happen soon, on a machine that is busy with other tests. Less than a question's polling window.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An engine over a data folder of its own.
struct Place {
    engine: Engine,
    component: ComponentDigest,
    host: Host,
}

impl Place {
    async fn new(settings: EngineSettings) -> Self {
        let host = Host::warm();
        let store = SqliteStore::open(&host.home()).unwrap();
        let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
        let engine = Engine::new(Arc::new(store), sandbox, Arc::new(SystemClock), Arc::new(SystemIds), settings);
        let component = std::fs::read(fixture("conformance")).unwrap();
        let component = engine.store().put_component(&component).await.unwrap();
        Self { engine, component, host }
    }

    /// One with room for so many flows.
    async fn with_room_for(flows: usize) -> Self {
        Self::new(EngineSettings { flows: Some(flows), ..EngineSettings::default() }).await
    }

    /// Does something while the host looks after all executions.
    async fn looked_after(&self, test: impl Future<Output = ()>) {
        let test = async {
            test.await;
            self.engine.stop();
        };
        let (looked, ()) = tokio::join!(self.engine.look_after(Observer::silent()), test);
        looked.unwrap();
        assert_eq!(self.engine.occupancy(), Occupancy::default(), "nothing is left behind");
    }

    async fn submit(&self, flow: &str, input: Value) -> ExecutionId {
        self.submit_with(flow, input, Grants::default()).await
    }

    async fn submit_with(&self, flow: &str, input: Value, grants: Grants) -> ExecutionId {
        let (component, flow) = (Submitted::Stored(self.component), Some(flow.to_owned()));
        let spec = FrozenSpec::new(grants, Limits::default());
        self.engine.submit(Submission { component, flow, input, spec, tags: Vec::new() }).await.unwrap()
    }

    async fn submit_many(&self, flow: &str, input: Value, count: usize) -> Vec<ExecutionId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.submit(flow, input.clone()).await);
        }
        ids
    }

    async fn row(&self, id: ExecutionId) -> ExecutionRow {
        self.engine.execution(id).await.unwrap()
    }

    /// Whether somebody drives it.
    async fn is_driven(&self, id: ExecutionId) -> bool {
        self.row(id).await.runner.is_some()
    }

    /// The question that it has come to.
    async fn asked(&self, id: ExecutionId) -> WaitRow {
        until("a question", async || self.engine.pending_waits(id).await.unwrap().pop()).await
    }

    async fn answer(&self, id: ExecutionId) {
        let wait = self.asked(id).await;
        self.engine.answer(&wait, &Value::Bool(true)).await.unwrap();
    }

    /// Its result. Nothing that led to it was lost or happened twice.
    async fn result(&self, id: ExecutionId) -> Value {
        let row = until("an end", async || Some(self.row(id).await).filter(|row| row.status.is_terminal())).await;
        assert_eq!(row.status, Status::Completed, "{:?}", row.failure);
        let verification = self.engine.verify(id, None).await.unwrap();
        assert!(verification.holds(), "{verification:?}");
        serde_json::from_str(&self.engine.text(&row.result.unwrap()).await.unwrap()).unwrap()
    }

    /// Returns when so many flows do nothing but wait, in memory.
    async fn idle(&self, count: usize) {
        until("flows that wait", async || (self.engine.occupancy().idle == count).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e8_a_flow_that_waits_stays_until_others_need_its_room() {
    let place = Place::with_room_for(2).await;
    let test = async {
        let first = place.submit("wait_bool", json!({})).await;
        place.idle(1).await;
        let second = place.submit("wait_bool", json!({})).await;
        place.idle(2).await;
        assert!(place.is_driven(first).await && place.is_driven(second).await);
        let other = place.submit("sequence", json!({ "steps": 3 })).await;
        assert_eq!(place.result(other).await, 6);
        assert!(!place.is_driven(first).await, "it has waited for longest");
        assert!(place.is_driven(second).await, "there is room for it");
        for id in [first, second] {
            place.answer(id).await;
            assert_eq!(place.result(id).await, "approved");
        }
    };
    place.looked_after(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e8_flows_that_wait_keep_no_others_from_running() {
    let place = Place::with_room_for(4).await;
    let test = async {
        let waiting = place.submit_many("wait_bool", json!({}), 12).await;
        for id in &waiting {
            place.asked(*id).await;
        }
        for id in place.submit_many("sequence", json!({ "steps": 3 }), 12).await {
            assert_eq!(place.result(id).await, 6);
        }
        assert!(place.engine.occupancy().flows <= 4, "{:?}", place.engine.occupancy());
        for id in &waiting {
            assert_eq!(place.row(*id).await.status, Status::Waiting);
            place.answer(*id).await;
        }
        for id in waiting {
            assert_eq!(place.result(id).await, "approved");
        }
    };
    place.looked_after(test).await;
}

/// Sleeps that are short enough to be stayed with make room too, and end when their time has come.
#[tokio::test(flavor = "multi_thread")]
async fn e8_flows_that_sleep_keep_no_others_from_running() {
    let place = Place::with_room_for(2).await;
    let test = async {
        let sleeping = place.submit_many("nap", json!({ "milliseconds": 5_000 }), 6).await;
        for id in &sleeping {
            until("a sleep", async || (place.row(*id).await.status != Status::Running).then_some(())).await;
        }
        for id in place.submit_many("sequence", json!({ "steps": 3 }), 6).await {
            assert_eq!(place.result(id).await, 6);
        }
        for id in sleeping {
            assert_eq!(place.result(id).await, Value::Null);
        }
    };
    place.looked_after(test).await;
}

/// The answer comes before, while and after the flow makes room: in most rounds at another point.
#[tokio::test(flavor = "multi_thread")]
async fn e8_an_answer_that_comes_while_its_flow_makes_room_is_not_lost() {
    let place = Place::with_room_for(1).await;
    let test = async {
        for round in 0..40_u64 {
            let id = place.submit("wait_bool", json!({})).await;
            // Whoever looks after executions may be quicker.
            let engine = place.engine.clone();
            let options = DriveOptions { wait: WaitPolicy::Window, ..DriveOptions::default() };
            let driving = tokio::spawn(async move { engine.drive(id, options).await.map(drop) });
            let wait = place.asked(id).await;
            let waits = async || (place.engine.occupancy().idle == 1 || !place.is_driven(id).await).then_some(());
            until("a runner that only waits", waits).await;
            let other = place.submit("no_calls", json!({})).await;
            let later = |odd: bool| Duration::from_micros(if (round % 2 == 1) == odd { round * 150 } else { 0 });
            let crowd = async {
                tokio::time::sleep(later(true)).await;
                // With it there is one flow too many.
                let _ = place.engine.drive(other, DriveOptions::default()).await;
            };
            let answer = async {
                tokio::time::sleep(later(false)).await;
                place.engine.answer(&wait, &Value::Bool(true)).await.unwrap();
            };
            tokio::join!(crowd, answer);
            assert_eq!(place.result(id).await, "approved", "round {round}");
            assert_eq!(place.result(other).await, "nothing happened", "round {round}");
            let _ = driving.await.unwrap();
        }
    };
    place.looked_after(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e8_a_parent_makes_room_when_its_child_has() {
    let place = Place::with_room_for(1).await;
    let write: Vec<FolderGrant> = vec![format!("{}::out", place.host.work().display()).parse().unwrap()];
    let test = async {
        let grants = Grants { write, ..Grants::default() };
        let parent = place.submit_with("parent_waits", json!({ "path": Traces::guest_path() }), grants).await;
        let children = ExecutionFilter { parent: Some(parent), ..ExecutionFilter::default() };
        let child = until("the child", async || {
            let found = place.engine.store().list(&children, Page { offset: 0, limit: 1 }).await.unwrap().pop();
            found.map(|row| row.new.id)
        })
        .await;
        let _ = place.asked(child).await;
        // The two are one too many: the child leaves, and its parent waits for it.
        until("the child to leave", async || (!place.is_driven(child).await).then_some(())).await;
        let other = place.submit("sequence", json!({ "steps": 3 })).await;
        assert_eq!(place.result(other).await, 6);
        assert!(!place.is_driven(parent).await);
        place.answer(child).await;
        assert_eq!(place.result(parent).await, "parent of child: true");
        assert_eq!(Traces::new(&place.host).steps(), [1, 2, 3]);
    };
    place.looked_after(test).await;
}

/// Somebody waits for this very drive.
#[tokio::test(flavor = "multi_thread")]
async fn a_drive_that_is_to_stay_does_not_make_room() {
    let place = Place::with_room_for(1).await;
    let test = async {
        let id = place.submit("wait_bool", json!({})).await;
        let options = DriveOptions { wait: WaitPolicy::Stay, ..DriveOptions::default() };
        let drive = async {
            // Whoever looks after executions may have it for a moment.
            until("a drive of its own", async || place.engine.drive(id, options.clone()).await.ok()).await
        };
        let others = async {
            let _ = place.asked(id).await;
            for other in place.submit_many("sequence", json!({ "steps": 3 }), 3).await {
                assert_eq!(place.result(other).await, 6);
            }
            until("the one that stays", async || place.is_driven(id).await.then_some(())).await;
            place.answer(id).await;
        };
        let (driven, ()) = tokio::join!(drive, others);
        assert_eq!(driven.status, Status::Completed);
        assert_eq!(place.result(id).await, "approved");
    };
    place.looked_after(test).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn e8_a_process_that_is_too_large_lets_go_of_flows_that_wait() {
    let place = Place::new(EngineSettings { memory_mib: Some(1), ..EngineSettings::default() }).await;
    let test = async {
        let waiting = place.submit_many("wait_bool", json!({}), 5).await;
        for id in &waiting {
            let _ = place.asked(*id).await;
            until("its runner to leave", async || (!place.is_driven(*id).await).then_some(())).await;
        }
        for id in waiting {
            place.answer(id).await;
            assert_eq!(place.result(id).await, "approved");
        }
    };
    place.looked_after(test).await;
}

/// A host of its own, whose size is that of the flows which it drives: those leave that have waited for longest, until it is small enough, and the
/// others stay.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn e8_of_a_process_that_is_too_large_those_leave_that_have_waited_for_longest() {
    const EACH_MIB: u64 = 96;
    const FLOWS: usize = 5;
    /// With anything beside them, three are too many; two are not, beside a host that takes less than one of them.
    const STAY: usize = 2;
    let place = Place::new(EngineSettings::default()).await;
    place.host.file("kitaru.toml", format!("[host]\nmemory_mib = {}\n", EACH_MIB * (STAY as u64 + 1)));
    let serving = place.host.serving();
    let mut waiting = Vec::new();
    for _ in 0..FLOWS {
        // More elements than tables of the pool have: from the system and not from the pool, which gives memory back in batches.
        let limits = Limits { table_elements: 200_000, ..Limits::default() };
        let (component, flow) = (Submitted::Stored(place.component), Some("holds_while_it_waits".to_owned()));
        let spec = FrozenSpec::new(Grants::default(), limits);
        let order = Submission { component, flow, input: json!({ "mebibytes": EACH_MIB }), spec, tags: Vec::new() };
        let id = place.engine.submit(order).await.unwrap();
        let _ = place.asked(id).await;
        waiting.push(id);
    }
    let (leave, stay) = waiting.split_at(FLOWS - STAY);
    for id in leave {
        until("its runner to leave", async || (!place.is_driven(*id).await).then_some(())).await;
    }
    // The size is looked at every second: here, some times more.
    let nap = place.submit("nap", json!({ "milliseconds": 2_500 })).await;
    assert_eq!(place.result(nap).await, Value::Null);
    for id in stay {
        let row = place.row(*id).await;
        assert!(row.runner.is_some() && row.epoch == 1, "it has stayed all the time: {row:?}");
    }
    for id in [stay, leave].concat() {
        place.answer(id).await;
        assert_eq!(place.result(id).await, EACH_MIB);
    }
    drop(serving);
}
