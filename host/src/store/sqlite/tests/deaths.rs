//! The death of a runner is told where the platform tells that a file was closed. Linux does.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tokio::sync::watch;
use tokio::time::timeout;

use super::scenes::claimed;
use crate::store::sqlite::SqliteStore;
use crate::store::{Deaths, Leases, Wakeups};

async fn until(deaths: &mut watch::Receiver<Deaths>, what: &str, is_so: impl FnMut(&Deaths) -> bool) -> Deaths {
    *timeout(Duration::from_secs(60), deaths.wait_for(is_so)).await.unwrap_or_else(|_| panic!("{what}")).unwrap()
}

/// The number of deaths, as soon as the next one would be told.
async fn told(deaths: &mut watch::Receiver<Deaths>) -> u64 {
    until(deaths, "deaths are not told", |deaths| deaths.are_told).await.count
}

/// The locked file of a runner that is somebody else.
fn lock_file(folder: &Path, runner: &str) -> File {
    let file = File::create(folder.join("runners").join(format!("{runner}.lock"))).unwrap();
    file.try_lock().unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_the_death_of_a_runner_is_told_however_it_dies() {
    let folder = tempdir().unwrap();
    let (here, there) = (SqliteStore::open(folder.path()).unwrap(), SqliteStore::open(folder.path()).unwrap());
    let lease = claimed(&there).await;
    let mut deaths = here.watch_deaths().await.unwrap();
    let before = told(&mut deaths).await;
    // As after `kill -9`: the file stays.
    drop(lock_file(folder.path(), "killed"));
    let before = until(&mut deaths, "one was killed", |deaths| deaths.count > before).await.count;
    // It ends by itself, and takes its file along.
    drop(there);
    until(&mut deaths, "one has ended", |deaths| deaths.count > before).await;
    here.claim(lease.execution).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_the_lock_file_of_one_who_lives_is_no_news() {
    let folder = tempdir().unwrap();
    let (here, there) = (SqliteStore::open(folder.path()).unwrap(), SqliteStore::open(folder.path()).unwrap());
    let lease = claimed(&there).await;
    let mut deaths = here.watch_deaths().await.unwrap();
    let living = lock_file(folder.path(), "living");
    let before = told(&mut deaths).await;
    // As everybody does who asks whether it lives; and as somebody who could write into it.
    assert!(matches!(here.claim(lease.execution).await, Err(crate::store::StoreError::Owned { .. })));
    drop(File::options().append(true).open(folder.path().join("runners/living.lock")).unwrap());
    drop(lock_file(folder.path(), "another"));
    // What was told before that is told by now; looked at again, it still lives.
    until(&mut deaths, "another died", |deaths| deaths.count > before).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(deaths.borrow().count, before + 1);
    drop(living);
    until(&mut deaths, "it died", |deaths| deaths.count > before + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_where_the_lock_files_have_gone_no_death_is_promised_until_they_are_found_again() {
    let folder = tempdir().unwrap();
    let here = SqliteStore::open(folder.path()).unwrap();
    let mut deaths = here.watch_deaths().await.unwrap();
    told(&mut deaths).await;
    let gone_at = Instant::now();
    std::fs::remove_dir_all(folder.path().join("runners")).unwrap();
    until(&mut deaths, "nobody noticed", |deaths| !deaths.are_told).await;
    assert!(gone_at.elapsed() < Duration::from_secs(15), "and not only by a look now and then");
    let there = SqliteStore::open(folder.path()).unwrap();
    claimed(&there).await;
    let before = told(&mut deaths).await;
    drop(there);
    until(&mut deaths, "it died", |deaths| deaths.count > before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_a_platform_that_falls_silent_is_found_out() {
    let folder = tempdir().unwrap();
    let here = SqliteStore::open(folder.path()).unwrap();
    let mut deaths = here.watch_deaths().await.unwrap();
    told(&mut deaths).await;
    here.watcher.lose_the_platform();
    until(&mut deaths, "nobody noticed", |deaths| !deaths.are_told).await;
}
