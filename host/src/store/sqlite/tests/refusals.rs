//! Writes that the disk or another process refuses, and what becomes of their neighbours.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::tempdir;

use super::scenes::{claimed, execution, length, record};
use crate::clock::Timestamp;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::turns::Turn;
use crate::store::{Durability, ExecutionFilter, Executions, Journal, Leases, StoreError};

/// Limits the database to its present size and `more` pages: SQLite then meets a full disk.
async fn limit(store: &SqliteStore, more: Option<i64>) {
    store
        .writer
        .write(Durability::Relaxed, move |db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let limit = more.map_or(i64::from(u32::MAX) - 1, |more| pages + more);
            db.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |_| Ok(()))?;
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn e13_a_full_disk_is_told_and_harms_nothing() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    store.append(&lease, record(0, 1000, Durability::Full)).await.unwrap();
    limit(&store, Some(4)).await;

    let mut written = 1;
    let error = loop {
        match store.append(&lease, record(written, 3000, Durability::Full)).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert!(error.hint().is_some());
    let two = {
        let mut append = record(written, 3000, Durability::Full);
        append.entries.extend(record(written + 1, 30_000, Durability::Full).entries);
        append.metadata = Some("{\"half\":true}".into());
        append
    };
    assert!(matches!(store.append(&lease, two).await, Err(StoreError::DiskFull)));
    assert!(matches!(store.create(execution()).await, Ok(()) | Err(StoreError::DiskFull)));
    assert_eq!(length(&store, lease.execution).await as u64, written);
    assert_eq!(store.execution(lease.execution).await.unwrap().metadata, "{}");

    limit(&store, None).await;
    store.append(&lease, record(written, 3000, Durability::Full)).await.unwrap();
    drop(store);
    assert_eq!(length(&SqliteStore::open(folder.path()).unwrap(), lease.execution).await as u64, written + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e13_a_full_disk_in_a_shared_commit_leaves_gapless_journals() {
    let folder = tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let (mut leases, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..16 {
        leases.push(claimed(&store).await);
    }
    limit(&store, Some(60)).await;
    for lease in leases {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut written = 0;
            while store.append(&lease, record(written, 2000, Durability::Full)).await.is_ok() {
                written += 1;
            }
            (lease, written)
        }));
    }
    for task in tasks {
        let (lease, written) = task.await.unwrap();
        assert_eq!(length(&store, lease.execution).await as u64, written);
    }
}

#[tokio::test]
async fn e13_a_failed_commit_is_everybodys_answer_and_the_next_one_works() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    // A broken reference that is checked only at the end of the transaction makes the commit itself fail.
    let breaks = store.writer.write(Durability::Relaxed, |db| {
        db.execute_batch(
            "PRAGMA defer_foreign_keys = ON;
             INSERT INTO journal (execution, seq, link, bytes) VALUES (999, 0, zeroblob(32), x'')",
        )?;
        Ok(())
    });
    let (broken, neighbour) = tokio::join!(breaks, store.append(&lease, record(0, 10, Durability::Full)));
    assert!(matches!(broken, Err(StoreError::Backend(_))), "{broken:?}");
    let mut written = u64::from(neighbour.is_ok());
    assert_eq!(length(&store, lease.execution).await as u64, written);
    store.append(&lease, record(written, 10, Durability::Full)).await.unwrap();
    written += 1;
    assert_eq!(length(&store, lease.execution).await as u64, written);
}

#[tokio::test]
async fn e13_a_refused_write_takes_no_other_of_its_commit_with_it() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let path = folder.path().join("kitaru.db");
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    // Keeps the writer busy until the others are queued, so that they share the next commit.
    let before = store.writer.append(Turn::Free, Durability::Relaxed, false, move |db| {
        db.execute_batch("CREATE TABLE scene (value INTEGER UNIQUE)")?;
        begun.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(())
    });
    store.writer.call();
    has_begun.recv().unwrap();
    let insert = |value: i64| {
        store.writer.append(Turn::Free, Durability::Full, false, move |db| {
            db.execute("INSERT INTO scene VALUES (?1)", [value])?;
            Ok(())
        })
    };
    let count = |db: &Connection| db.query_row("SELECT count(*) FROM scene", [], |row| row.get::<_, i64>(0));
    let (seen, has_seen) = mpsc::channel();
    let first = insert(1);
    let refused = store.writer.append(Turn::Free, Durability::Full, false, move |db| {
        db.execute("INSERT INTO scene VALUES (2)", [])?;
        // What the first one wrote is there for this one and for nobody else: it is not committed.
        seen.send((count(db)?, count(&Connection::open(&path)?)?)).unwrap();
        db.execute("INSERT INTO scene VALUES (2)", [])?;
        Ok(())
    });
    let last = insert(3);
    go.send(()).unwrap();
    before.await.unwrap();
    first.await.unwrap();
    assert!(matches!(refused.await, Err(StoreError::Backend(_))));
    last.await.unwrap();
    assert_eq!(has_seen.recv().unwrap(), (2, 0));

    drop(store);
    let db = Connection::open(folder.path().join("kitaru.db")).unwrap();
    let mut left = db.prepare("SELECT value FROM scene ORDER BY value").unwrap();
    let left: Vec<i64> = left.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(left, [1, 3]);
}

#[tokio::test]
async fn e13_a_folder_that_another_program_locks_is_told() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    store.writer.write(Durability::Relaxed, |db| Ok(db.busy_timeout(Duration::from_millis(50))?)).await.unwrap();

    let other = Connection::open(folder.path().join("kitaru.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.append(&lease, record(0, 10, Durability::Full)).await, Err(StoreError::Locked)));
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 1, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.append(&lease, record(0, 10, Durability::Full)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_on_one_folder_take_turns() {
    let folder = tempdir().unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = SqliteStore::open(folder.path()).unwrap();
        tasks.push(tokio::spawn(async move {
            let lease = claimed(&store).await;
            for seq in 0..50 {
                store.append(&lease, record(seq, 100, Durability::Full)).await.unwrap();
            }
            (store, lease)
        }));
    }
    let mut stores = Vec::new();
    for task in tasks {
        stores.push(task.await.unwrap());
    }
    for (store, lease) in &stores {
        assert_eq!(length(store, lease.execution).await, 50);
        assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn what_was_asked_is_done_before_the_store_is_gone() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let new = execution();
    let id = new.id;
    {
        // Polled once, so that it is queued, and then not waited for.
        let mut create = store.create(new);
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(create.as_mut().poll(cx).is_pending())).await);
    }
    drop(store);
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(store.execution(id).await.unwrap().new.created_at, Timestamp::from_micros(1));
    store.claim(id).await.unwrap();
}
