//! A process that kills itself at a chosen append, and what the next one finds.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use super::scenes::{accounts, claimed, event, execution, length, model_call, record, set_aside};
use crate::clock::Timestamp;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    Append, Durability, DurabilityMode, ExecutionFilter, Executions, Journal, Leases, ModelCallRow, ModelCalls, Page, Spending,
    Spent, StartKey, Started, Starts, StoreOptions,
};

const FOLDER: &str = "KITARU_TEST_FOLDER";

/// What the killed process does: each test starts its own executable again, as itself, with the folder to work on.
async fn victim(folder: String, durability: DurabilityMode) {
    let store = SqliteStore::open_with(Path::new(&folder), StoreOptions { durability }).unwrap();
    let lease = claimed(&store).await;
    for seq in 0..10 {
        store.append(&lease, record(seq, 100, if seq % 2 == 0 { Durability::Full } else { Durability::Relaxed })).await.unwrap();
        std::fs::write(Path::new(&folder).join("answered"), (seq + 1).to_string()).unwrap();
    }
}

/// Starts this executable again as the test `test`, on `folder`, to kill itself at the `at`-th append.
fn kill(test: &str, folder: &Path, variable: &str, at: u64) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--quiet", &format!("store::sqlite::tests::fault::{test}")])
        .env(FOLDER, folder)
        .env(variable, at.to_string())
        .output()
        .unwrap()
        .status;
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    assert!(!status.success());
}

async fn killed(test: &str, variable: &str, at: u64) -> (usize, usize) {
    let folder = tempdir().unwrap();
    kill(test, folder.path(), variable, at);
    let answered = std::fs::read_to_string(folder.path().join("answered")).map_or(0, |text| text.parse().unwrap());

    let store = SqliteStore::open(folder.path()).unwrap();
    let rows = store.list(&ExecutionFilter::default(), Page { offset: 0, limit: 10 }).await.unwrap();
    let [row] = &rows[..] else { panic!("one execution") };
    assert_eq!(row.runner, None, "it is dead, though its lock file is there");
    let found = length(&store, row.new.id).await;
    let lease = store.claim(row.new.id).await.unwrap();
    assert_eq!(lease.epoch, 2);
    store.append(&lease, record(found as u64, 10, Durability::Full)).await.unwrap();
    (answered, found)
}

#[tokio::test]
async fn e3_a_kill_after_the_commit_keeps_what_was_not_answered() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return victim(folder, DurabilityMode::Full).await;
    }
    for at in [1, 4, 10] {
        assert_eq!(
            killed("e3_a_kill_after_the_commit_keeps_what_was_not_answered", "KITARU_FAULT_KILL_AT", at as u64).await,
            (at - 1, at)
        );
    }
}

#[tokio::test]
async fn e3_a_kill_before_the_commit_loses_only_what_was_not_answered() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return victim(folder, DurabilityMode::Full).await;
    }
    for at in [1, 5, 10] {
        assert_eq!(
            killed("e3_a_kill_before_the_commit_loses_only_what_was_not_answered", "KITARU_FAULT_KILL_BEFORE", at as u64).await,
            (at - 1, at - 1)
        );
    }
}

#[tokio::test]
async fn e3_in_process_durability_a_kill_loses_as_little() {
    const THIS: &str = "e3_in_process_durability_a_kill_loses_as_little";
    if let Ok(folder) = std::env::var(FOLDER) {
        return victim(folder, DurabilityMode::Process).await;
    }
    for at in [1, 4, 10] {
        assert_eq!(killed(THIS, "KITARU_FAULT_KILL_AT", at as u64).await, (at - 1, at));
        assert_eq!(killed(THIS, "KITARU_FAULT_KILL_BEFORE", at as u64).await, (at - 1, at - 1));
    }
}

/// Makes three model calls, each of which costs 7 of the 10 that were set aside for it.
async fn spender(folder: String) {
    let store = SqliteStore::open(Path::new(&folder)).unwrap();
    let lease = claimed(&store).await;
    for seq in 0..3 {
        let event = event();
        let id = set_aside(&store, lease.execution, event, 10).await;
        store.settle(id, 7).await.unwrap();
        let row = ModelCallRow { event: Some(event), ..model_call(lease.execution, 7) };
        let append = Append { model_calls: vec![row], ..record(seq, 100, Durability::Full) };
        store.append(&lease, append).await.unwrap();
    }
}

#[tokio::test]
async fn a9_a_kill_loses_no_money_and_counts_none_twice() {
    const THIS: &str = "a9_a_kill_loses_no_money_and_counts_none_twice";
    if let Ok(folder) = std::env::var(FOLDER) {
        return spender(folder).await;
    }
    for (variable, at, recorded) in [("KITARU_FAULT_KILL_AT", 2, 2), ("KITARU_FAULT_KILL_BEFORE", 2, 1)] {
        let folder = tempdir().unwrap();
        kill(THIS, folder.path(), variable, at);
        let store = SqliteStore::open(folder.path()).unwrap();
        let rows = store.list(&ExecutionFilter::default(), Page { offset: 0, limit: 10 }).await.unwrap();
        let id = rows[0].new.id;
        assert_eq!(store.model_calls(id).await.unwrap().len() as u64, recorded);
        for scope in accounts(id) {
            let spent = Spent { recorded: 7 * recorded, unrecorded: 0, reserved: 7 * (at - recorded) };
            assert_eq!(store.spent(&scope).await.unwrap(), spent, "{scope:?}");
        }
        assert_eq!(store.close_reservations().await.unwrap(), at - recorded);
        for scope in accounts(id) {
            assert_eq!(store.spent(&scope).await.unwrap().total(), 14, "{scope:?}");
        }
    }
}

const EVER: Timestamp = Timestamp::from_micros(0);

fn start() -> StartKey {
    StartKey { caller: "ada".into(), key: "k".into(), request: [1; 32] }
}

#[tokio::test]
async fn e13_a_kill_leaves_a_key_and_its_execution_or_none_of_them() {
    const THIS: &str = "e13_a_kill_leaves_a_key_and_its_execution_or_none_of_them";
    if let Ok(folder) = std::env::var(FOLDER) {
        let store = SqliteStore::open(Path::new(&folder)).unwrap();
        store.create_once(execution(), start(), EVER).await.unwrap();
        return;
    }
    for (variable, created) in [("KITARU_FAULT_KILL_AT", 1), ("KITARU_FAULT_KILL_BEFORE", 0)] {
        let folder = tempdir().unwrap();
        kill(THIS, folder.path(), variable, 1);
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), created, "{variable}");
        // Whoever asked got no answer, and asks again.
        let again = store.create_once(execution(), start(), EVER).await.unwrap();
        assert_eq!(matches!(again, Started::Before(_)), created == 1, "{variable}: {again:?}");
        assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 1, "{variable}: one, and never two");
    }
}
