//! What executions cost that wait for somebody: memory, disk, and the time until one that was answered has gone on.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use kitaru_host::ids::CallId;
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;
use serde_json::Value;

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;
use crate::samples::{median, micros};
use crate::steps::all;

/// Resident memory of this process, in bytes.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

fn size_of(folder: &std::path::Path) -> Result<f64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        size += if meta.is_dir() { size_of(&entry.path())? as u64 } else { meta.len() };
    }
    Ok(size as f64)
}

pub(crate) fn many(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.scaled(100_000);
    let place = bench.place()?;
    let before = size_of(place.home.path())?;
    let started = Instant::now();
    let ids = bench.runtime.block_on(async {
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
        anyhow::Ok(ids)
    })?;
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
    let mut times = Vec::new();
    bench.runtime.block_on(async {
        for id in ids.iter().step_by((ids.len() / 200).max(1)) {
            let started = Instant::now();
            let wait = CallId { execution: *id, index: 0 };
            let wait = place.engine.store().wait(wait).await?;
            place.engine.answer(&wait, &Value::Bool(true)).await?;
            ensure!(place.drive(*id).await? == Status::Completed, "it was to end");
            times.push(micros(started.elapsed()) / 1e3);
        }
        anyhow::Ok(())
    })?;
    report.add(
        Figure::new(
            "answered",
            format!("an answer to one of {made} waiting executions, to its end, p50"),
            median(&mut times),
            "ms",
        )
        .target(Target::AtMost(10.0)),
    );
    Ok(())
}
