//! What is left after a crash: all that was answered, and nothing by half.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::scenes::{claimed, length, record};
use crate::ids::ExecutionId;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::database::PAGE;
use crate::store::{Durability, DurabilityMode, Journal, Leases, StoreOptions};

/// A page in the log, with its header.
const FRAME: u64 = 24 + PAGE as u64;

/// What `kill -9` leaves of a folder with `records` committed one by one: its files, without a clean end of whoever wrote them.
async fn killed(records: u64) -> (TempDir, ExecutionId) {
    killed_in(DurabilityMode::Full, records).await
}

async fn killed_in(durability: DurabilityMode, records: u64) -> (TempDir, ExecutionId) {
    let (alive, dead) = (tempdir().unwrap(), tempdir().unwrap());
    let store = SqliteStore::open_with(alive.path(), StoreOptions { durability }).unwrap();
    let lease = claimed(&store).await;
    for seq in 0..records {
        store.append(&lease, record(seq, 300, Durability::Full)).await.unwrap();
    }
    for name in ["kitaru.db", "kitaru.db-wal"] {
        std::fs::copy(alive.path().join(name), dead.path().join(name)).unwrap();
    }
    (dead, lease.execution)
}

fn wal(folder: &Path) -> (std::fs::File, u64) {
    let file = OpenOptions::new().read(true).write(true).open(folder.join("kitaru.db-wal")).unwrap();
    let length = file.metadata().unwrap().len();
    (file, length)
}

/// It opens with so many records, takes more, and keeps them.
async fn goes_on(folder: &Path, execution: ExecutionId, records: u64) {
    let store = SqliteStore::open(folder).unwrap();
    let found = store.entries(execution, 0, u64::MAX).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (0..records).collect::<Vec<_>>());
    assert!(found.iter().all(|entry| *entry.bytes == [b'r'; 300]));
    let lease = store.claim(execution).await.unwrap();
    store.append(&lease, record(records, 300, Durability::Full)).await.unwrap();
    drop(store);
    assert_eq!(length(&SqliteStore::open(folder).unwrap(), execution).await as u64, records + 1);
}

#[tokio::test]
async fn e3_everything_answered_survives_a_kill() {
    for durability in DurabilityMode::ALL {
        let (folder, execution) = killed_in(durability, 20).await;
        goes_on(folder.path(), execution, 20).await;
    }
}

#[tokio::test]
async fn e13_a_record_torn_by_a_crash_is_dropped_and_the_rest_stays() {
    for cut in [1, 100, FRAME / 2, FRAME - 24, FRAME - 1] {
        let (folder, execution) = killed(20).await;
        let (file, length) = wal(folder.path());
        file.set_len(length - cut).unwrap();
        drop(file);
        goes_on(folder.path(), execution, 19).await;
    }
}

#[tokio::test]
async fn e13_a_record_garbled_by_a_crash_is_dropped_and_the_rest_stays() {
    for position in [5, 30, 2000, FRAME - 5] {
        let (folder, execution) = killed(20).await;
        let (mut file, length) = wal(folder.path());
        let mut byte = [0];
        file.seek(SeekFrom::Start(length - FRAME + position)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Current(-1)).unwrap();
        file.write_all(&[!byte[0]]).unwrap();
        drop(file);
        goes_on(folder.path(), execution, 19).await;
    }
}

#[tokio::test]
async fn e13_without_its_log_the_database_is_whole_but_older() {
    let (folder, execution) = killed(20).await;
    std::fs::remove_file(folder.path().join("kitaru.db-wal")).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    assert!(matches!(store.entries(execution, 0, u64::MAX).await, Err(crate::store::StoreError::NotFound { .. })));
    claimed(&store).await;
}
