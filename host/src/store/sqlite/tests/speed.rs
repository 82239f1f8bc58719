//! Commits per second, for a look: `cargo test --release speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use tempfile::tempdir;

use super::scenes::{claimed, record};
use crate::store::sqlite::SqliteStore;
use crate::store::{Durability, Executions, Journal};

async fn appends_per_second(tasks: usize, each: u64, durability: Durability) -> f64 {
    let folder = tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let mut leases = Vec::new();
    for _ in 0..tasks {
        leases.push(claimed(&store).await);
    }
    let start = Instant::now();
    let running: Vec<_> = leases
        .into_iter()
        .map(|lease| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for seq in 0..each {
                    store.append(&lease, record(seq, 200, durability)).await.unwrap();
                }
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a look, not a result")]
    let appends = (tasks as u64 * each) as f64;
    appends / start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed() {
    for (tasks, each) in [(1, 2000), (8, 1000), (64, 500), (256, 200)] {
        for durability in [Durability::Full, Durability::Relaxed] {
            println!("{tasks:>4} tasks, {durability:?}: {:>8.0} appends/s", appends_per_second(tasks, each, durability).await);
        }
    }
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    for seq in 0..1000 {
        store.append(&lease, record(seq, 200, Durability::Relaxed)).await.unwrap();
    }
    let start = Instant::now();
    for _ in 0..1000 {
        store.execution(lease.execution).await.unwrap();
    }
    println!("one execution: {:?}", start.elapsed() / 1000);
    let start = Instant::now();
    store.entries(lease.execution, 0).await.unwrap();
    println!("a journal of 1000: {:?}", start.elapsed());
}
