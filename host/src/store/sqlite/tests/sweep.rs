//! Which files a sweep takes, by their age.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tempfile::tempdir;

use super::scenes::{claimed, record};
use crate::clock::Timestamp;
use crate::journal::Payload;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::folder::files_now;
use crate::store::sqlite::kept_values::ROW_LIMIT;
use crate::store::{AnswerBounds, Append, Blobs, Components, Durability, Executions, Journal, ModelAnswer, ModelAnswers};

const GRACE: Duration = Duration::from_secs(600);

/// A value that is a file.
fn large() -> Vec<u8> {
    vec![b'v'; ROW_LIMIT + 1]
}

/// As if it had been written so long ago.
fn make_older(path: &Path, by: Duration) {
    File::options().append(true).open(path).unwrap().set_modified(files_now() - by).unwrap();
}

#[tokio::test]
async fn files_are_swept_when_the_grace_is_over() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let blob = store.folder.blob(&store.put_blob(large()).await.unwrap());
    let component = store.folder.component(store.put_component(b"component").await.unwrap());
    for path in [&blob, &component] {
        make_older(path, GRACE - Duration::from_secs(60));
    }
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0);
    assert!(blob.exists() && component.exists());
    make_older(&blob, GRACE);
    assert_eq!(store.sweep(GRACE).await.unwrap(), large().len() as u64, "each by its own age");
    assert!(!blob.exists() && component.exists());
    make_older(&component, GRACE);
    assert_eq!(store.sweep(GRACE).await.unwrap(), 9);
    assert!(!component.exists());
}

#[tokio::test]
async fn what_is_written_again_is_young_again() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let hash = store.put_blob(large()).await.unwrap();
    let digest = store.put_component(b"component").await.unwrap();
    let (blob, component) = (store.folder.blob(&hash), store.folder.component(digest));
    for path in [&blob, &component] {
        make_older(path, 2 * GRACE);
    }
    // By somebody whose row is not there yet, in another process.
    let other = SqliteStore::open(folder.path()).unwrap();
    other.put_blob(large()).await.unwrap();
    other.put_component(b"component").await.unwrap();
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0);
    let lease = claimed(&other).await;
    other.append(&lease, Append { blobs: vec![hash], ..record(0, 10, Durability::Full) }).await.unwrap();
    make_older(&blob, 2 * GRACE);
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0, "now the row keeps it, however old it is");
    assert_eq!(other.get_blob(&hash).await.unwrap(), large());
}

#[tokio::test]
async fn what_a_crash_left_of_a_write_is_swept() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let blob = store.folder.blob(&store.put_blob(large()).await.unwrap());
    let (left, under_way) = (blob.with_file_name(".tmpleft"), blob.with_file_name(".tmpnow"));
    for path in [&left, &under_way] {
        std::fs::write(path, "half").unwrap();
    }
    make_older(&left, 2 * GRACE);
    assert_eq!(store.sweep(GRACE).await.unwrap(), 4);
    assert!(!left.exists() && under_way.exists() && blob.exists());
}

#[tokio::test]
async fn the_value_of_an_answer_that_made_room_goes_with_it_once_it_is_old() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let bounds = AnswerBounds { entries: 1, bytes: 1 << 20 };
    let keep = async |key: u8, text: &str| {
        let hash = store.put_blob(text.into()).await.unwrap();
        let answer = Payload::Blob { hash, len: text.len() as u64 };
        let answer = ModelAnswer { key: [key; 32], answer, expires_at: None };
        store.keep_answer(answer, bounds, Timestamp::from_micros(1)).await.unwrap();
        hash
    };
    let (first, second) = (keep(1, "first").await, keep(2, "second").await);
    assert_eq!(store.get_blob(&first).await.unwrap(), b"first", "somebody may be about to name it");
    let older = |db: &rusqlite::Connection| Ok(db.execute("UPDATE kept_values SET at = at - 600000000", [])?);
    store.writer.write(Durability::Relaxed, older).await.unwrap();
    let lease = claimed(&store).await;
    store.append(&lease, Append { blobs: vec![second], ..record(0, 10, Durability::Full) }).await.unwrap();
    let third = keep(3, "third").await;
    assert_eq!(store.get_blob(&second).await.unwrap(), b"second", "an execution needs it");
    store.writer.write(Durability::Relaxed, older).await.unwrap();
    keep(4, "fourth").await;
    assert!(store.get_blob(&third).await.is_err(), "without a sweep");
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), "first".len() as u64);
}

#[tokio::test]
async fn a_file_from_the_future_is_young() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let blob = store.folder.blob(&store.put_blob(large()).await.unwrap());
    // The clock was set back since.
    File::options().append(true).open(&blob).unwrap().set_modified(files_now() + 2 * GRACE).unwrap();
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0);
    assert!(blob.exists());
}

#[tokio::test]
async fn values_in_the_database_are_swept_when_the_grace_is_over() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let hash = store.put_blob(b"value".to_vec()).await.unwrap();
    assert!(!store.folder.blob(&hash).exists(), "it is no file");
    let age = |by: Duration| {
        let micros = by.as_micros() as i64;
        store.writer.write(Durability::Relaxed, move |db| Ok(db.execute("UPDATE kept_values SET at = at - ?1", [micros])?))
    };
    age(GRACE - Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0);
    age(GRACE).await.unwrap();
    assert!(store.keep_blob(&hash).await.unwrap(), "somebody is about to name it");
    assert_eq!(store.sweep(GRACE).await.unwrap(), 0);
    age(GRACE).await.unwrap();
    assert_eq!(store.sweep(GRACE).await.unwrap(), 5);
    assert!(!store.keep_blob(&hash).await.unwrap());
}
