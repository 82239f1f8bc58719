//! Readers are never behind the writer.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::tempdir;
use tokio::time::timeout;

use super::scenes::{claimed, execution, length, record};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::errors::DbError;
use crate::store::{BriefRow, Briefs, Durability, ExecutionFilter, Executions, Journal, NewBrief, Page};

/// What a list asks, in full.
async fn listed(store: &SqliteStore) -> usize {
    let all = ExecutionFilter::default();
    let rows = store.list(&all, Page { offset: 0, limit: 100 }).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.new.id).collect();
    assert_eq!(store.count(&all).await.unwrap(), ids.len() as u64);
    let briefs = store.briefs(&ids).await.unwrap();
    // What it has counted is handed over, and it goes on.
    let keep = |brief: &BriefRow| NewBrief { execution: brief.execution, records: 1, model_calls: 0, brief: "{}".into() };
    drop(store.keep_briefs(briefs.iter().map(keep).collect()));
    assert_eq!(store.execution(ids[0]).await.unwrap().position, rows[0].position);
    briefs.len()
}

/// A transaction is open, with changes in it, for as long as the test wants: as behind a disk whose sync takes as long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_answers_while_a_commit_takes_its_time() {
    let folder = tempdir().unwrap();
    let (here, there) = (Arc::new(SqliteStore::open(folder.path()).unwrap()), SqliteStore::open(folder.path()).unwrap());
    let lease = claimed(&here).await;
    here.append(&lease, record(0, 10, Durability::Full)).await.unwrap();
    let (began, has_begun) = mpsc::channel();
    let (release, is_released) = mpsc::channel::<()>();
    let change = move |db: &Connection| -> Result<(), DbError> {
        db.execute("UPDATE executions SET flow = 'another'", [])?;
        began.send(()).unwrap();
        // Until the test is done with reading, or has failed.
        let _ = is_released.recv();
        Ok(())
    };
    let commits = tokio::spawn({
        let here = here.clone();
        async move { here.writer.write(Durability::Full, change).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let reads = async {
        for store in [&*here, &there] {
            for _ in 0..20 {
                assert_eq!(listed(store).await, 1);
                assert_eq!(store.execution(lease.execution).await.unwrap().new.flow, "flow", "as it was committed last");
            }
            assert_eq!(length(store, lease.execution).await, 1);
        }
    };
    timeout(Duration::from_secs(60), reads).await.expect("readers wait for the writer");
    assert!(!commits.is_finished());
    release.send(()).unwrap();
    commits.await.unwrap().unwrap();
    assert_eq!(there.execution(lease.execution).await.unwrap().new.flow, "another");
    there.create(execution()).await.unwrap();
}
