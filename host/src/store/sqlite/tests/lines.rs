//! Log lines keep nobody else waiting, and their own execution in its order.

use std::sync::{Arc, Mutex, mpsc};

use tempfile::tempdir;

use super::scenes::{claimed, record};
use crate::clock::Timestamp;
use crate::journal::LogLevel;
use crate::mutex::lock;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::turns::Turn;
use crate::store::{Append, Durability, Journal as _, Lease, Leases as _, LogFilter, LogRow, LogSource, Logs as _};

/// One line, and nothing else.
fn line(lease: &Lease, ordinal: u32) -> Append {
    let row = LogRow {
        execution: lease.execution,
        call: 0,
        attempt: 0,
        ordinal,
        at: Timestamp::from_micros(1),
        level: LogLevel::Info,
        source: LogSource::Runner,
        checkpoint: None,
        module: "log",
        message: format!("line {ordinal}"),
    };
    Append { logs: vec![row], ..Append::new(Timestamp::from_micros(1), Durability::Relaxed) }
}

/// Keeps the writer busy until the answer is sent something.
fn busy(store: &SqliteStore) -> mpsc::Sender<()> {
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    drop(store.writer.append(Turn::Free, Durability::Relaxed, false, move |_| {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(())
    }));
    store.writer.call();
    has_begun.recv().unwrap();
    go
}

#[tokio::test]
async fn a_step_is_committed_before_the_lines_of_another_execution_that_came_first() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (loud, quiet) = (claimed(&store).await, claimed(&store).await);
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let noted = |turn: Turn, what: &'static str| {
        let order = order.clone();
        store.writer.append(turn, Durability::Relaxed, false, move |_| {
            lock(&order).push(what);
            Ok(())
        })
    };
    let go = busy(&store);
    let written = [
        noted(Turn::Lines(loud.execution, 1), "lines"),
        noted(Turn::Lines(loud.execution, 1), "more lines"),
        noted(Turn::Of(quiet.execution), "the quiet one's step"),
        noted(Turn::Free, "an answer"),
    ];
    go.send(()).unwrap();
    for write in written {
        write.await.unwrap();
    }
    assert_eq!(*lock(&order), ["the quiet one's step", "an answer", "lines", "more lines"]);
}

#[tokio::test]
async fn e11_lines_are_kept_though_the_lease_is_given_back_right_after_them() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (lease, other) = (claimed(&store).await, claimed(&store).await);
    let go = busy(&store);
    let lines: Vec<_> = (0..100).map(|ordinal| store.append(&lease, line(&lease, ordinal))).collect();
    let step = store.append(&lease, record(0, 10, Durability::Full));
    let passing = store.append(&other, record(0, 10, Durability::Full));
    go.send(()).unwrap();
    store.release(&lease).await.unwrap();
    let again = store.claim(lease.execution).await.unwrap();
    for line in lines {
        line.await.unwrap();
    }
    step.await.unwrap();
    passing.await.unwrap();
    let kept = store.logs(lease.execution, &LogFilter::default()).await.unwrap();
    let kept: Vec<u32> = kept.iter().map(|line| line.row.ordinal).collect();
    assert_eq!(kept, (0..100).collect::<Vec<_>>());
    assert_eq!(again.epoch, lease.epoch + 1);
}
