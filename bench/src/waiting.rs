//! What executions cost that wait for somebody: memory, disk, lists of them, and the time until one that was answered has gone on.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use kitaru_host::engine::{Event, Observer};
use kitaru_host::ids::{CallId, ExecutionId};
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;
use serde_json::Value;

use crate::figure::{Figure, Target};
use crate::limits::RawSqlite;
use crate::looking::lists;
use crate::place::{Bench, Place, size_of};
use crate::report::Report;
use crate::samples::{median, micros, quantile};
use crate::steps::all;

/// So many of them are answered.
const ANSWERED: usize = 200;

/// Resident memory of this process, in bytes.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

/// What was seen while a host looked after them.
struct Answered {
    /// How long each that was answered took to its end, in milliseconds.
    times: Vec<f64>,
    /// Microseconds for a commit between them.
    commits: Vec<f64>,
    /// The most memory that was resident, in bytes.
    resident: f64,
}

/// Answers some of them while a host looks after all.
async fn answered(place: &Arc<Place>, ids: &[ExecutionId], raw: &RawSqlite) -> Result<Answered> {
    let (send, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let observer = Observer::of_stops(move |event| {
        if let Event::Stopped { execution, status: Status::Completed } = event {
            let _ = send.send(execution);
        }
    });
    let looking = tokio::spawn({
        let engine = place.engine.clone();
        async move { engine.look_after(observer).await }
    });
    let mut seen = Answered { times: Vec::new(), commits: Vec::new(), resident: 0.0 };
    for id in ids.iter().step_by((ids.len() / ANSWERED).max(1)) {
        seen.commits.push(raw.commit(1)?);
        let started = Instant::now();
        let wait = CallId { execution: *id, index: 0 };
        let wait = place.engine.store().wait(wait).await?;
        place.engine.answer(&wait, &Value::Bool(true)).await?;
        ensure!(ended.recv().await == Some(*id), "another ended");
        seen.times.push(micros(started.elapsed()) / 1e3);
        // While it looks after the others.
        seen.resident = seen.resident.max(resident()?);
    }
    place.engine.stop();
    looking.await??;
    Ok(seen)
}

/// Begins executions that wait at once.
async fn begun(place: &Arc<Place>, count: u64) -> Result<Vec<ExecutionId>> {
    let mut ids = Vec::new();
    for _ in 0..count.div_ceil(64) {
        let begin = || {
            let place = place.clone();
            async move {
                let id = place.submit("sequence_then_wait", r#"{"steps":0}"#, Grants::default()).await?;
                ensure!(place.drive(id).await? == Status::Waiting, "it was to wait");
                Ok(id)
            }
        };
        ids.extend(all((0..64).map(|_| begin())).await?);
    }
    Ok(ids)
}

pub(crate) fn many(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.scaled(100_000);
    let place = bench.place()?;
    let before = size_of(place.home.path())?;
    let started = Instant::now();
    let ids = bench.runtime.block_on(begun(&place, count))?;
    let made = ids.len() as f64;
    report.add(Figure::new("waits_begun", "executions begun that wait at once", made * 1e6 / micros(started.elapsed()), "/s"));
    report.add(
        Figure::new(
            "waiting_memory",
            format!("memory of the whole process with {made} executions waiting"),
            resident()? / 1e6,
            "MB",
        )
        .target(Target::AtMost(300.0)),
    );
    let disk = (size_of(place.home.path())? - before) / made;
    report.add(Figure::new("waiting_disk", "disk of an execution that waits", disk, "B").target(Target::AtMost(2048.0)));
    let apart = bench.folder()?;
    let raw = RawSqlite::open(apart.path())?;
    let Answered { mut times, mut commits, resident } = bench.runtime.block_on(answered(&place, &ids, &raw))?;
    report.add(
        Figure::new(
            "waiting_memory_looked_after",
            "the same while a host looks after them and some are answered, at most",
            resident / 1e6,
            "MB",
        )
        .target(Target::AtMost(300.0)),
    );
    let commit = median(&mut commits) / 1e3;
    for (name, part, said) in [("answered", 0.5, "p50"), ("answered_p99", 0.99, "p99")] {
        let what = format!("an answer to one of {made} waiting executions, to its end, {said}");
        let figure = Figure::new(name, what, quantile(&mut times, part), "ms");
        report.add(figure.beside("a commit, p50", commit).target(Target::AtMost(10.0)));
    }
    // Lists of them, beside lists of fewer elsewhere.
    let fewer = bench.place()?;
    bench.runtime.block_on(begun(&fewer, count / 10))?;
    lists(bench, [&*fewer, &*place], report)
}
