//! What is set aside, across processes and restarts.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tempfile::tempdir;

use super::scenes::{accounts, claimed, event, execution, model_call, record, set_aside};
use crate::ids::ExecutionId;
use crate::store::sqlite::SqliteStore;
use crate::store::{Append, Durability, Journal, Leases, ModelCallRow, Spending};

const FOLDER: &str = "KITARU_TEST_FOLDER";

async fn totals(store: &SqliteStore, execution: ExecutionId) -> [u64; 4] {
    let mut totals = [0; 4];
    for (scope, total) in accounts(execution).iter().zip(&mut totals) {
        *total = store.spent(scope).await.unwrap().total();
    }
    totals
}

/// How many rows there are, of reservations and of their accounts.
fn rows(folder: &Path) -> [i64; 2] {
    let db = Connection::open(folder.join("kitaru.db")).unwrap();
    ["model_reservations", "model_reserved"]
        .map(|table| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap())
}

#[tokio::test]
async fn a8_what_a_killed_process_had_set_aside_counts() {
    let id = execution().id;
    if let Ok(folder) = std::env::var(FOLDER) {
        let store = SqliteStore::open(Path::new(&folder)).unwrap();
        let id = std::fs::read_to_string(Path::new(&folder).join("execution")).unwrap().parse().unwrap();
        set_aside(&store, id, event(), 7).await;
        std::process::abort();
    }
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("execution"), id.to_string()).unwrap();
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--quiet", "store::sqlite::tests::spending::a8_what_a_killed_process_had_set_aside_counts"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(totals(&store, id).await, [7; 4]);
    assert_eq!(store.close_reservations().await.unwrap(), 1);
    assert_eq!(totals(&store, id).await, [7; 4]);
    assert_eq!(rows(folder.path()), [0, 0]);
}

#[tokio::test]
async fn nothing_is_left_of_a_reservation_that_ended() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    let (recorded, given_back) = (event(), event());
    set_aside(&store, lease.execution, recorded, 10).await;
    let unmade = set_aside(&store, lease.execution, given_back, 10).await;
    assert_eq!(rows(folder.path()), [2, 8]);
    store.settle(unmade, 0).await.unwrap();
    let row = ModelCallRow { event: Some(recorded), ..model_call(lease.execution, 10) };
    store.append(&lease, Append { model_calls: vec![row], ..record(0, 10, Durability::Full) }).await.unwrap();
    assert_eq!(rows(folder.path()), [0, 0]);
    assert_eq!(totals(&store, lease.execution).await, [10; 4]);
}

#[tokio::test]
async fn without_model_calls_nothing_is_written_of_them() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    store.append(&lease, record(0, 10, Durability::Full)).await.unwrap();
    store.release(&lease).await.unwrap();
    assert_eq!(totals(&store, lease.execution).await, [0; 4]);
    assert_eq!(rows(folder.path()), [0, 0]);
    let db = Connection::open(folder.path().join("kitaru.db")).unwrap();
    let accounts: i64 = db.query_row("SELECT count(*) FROM model_spend", [], |row| row.get(0)).unwrap();
    assert_eq!(accounts, 0);
}
