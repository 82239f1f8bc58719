//! What one durable step costs: with a capability, which waits for the disk, and without one, which nobody can observe.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use kitaru_host::sandbox::Grants;

use crate::figure::{Figure, Target};
use crate::limits::{BareWasmtime, RawSqlite};
use crate::place::{Bench, Place};
use crate::report::Report;
use crate::samples::{cpu_micros, median, micros};

/// Rounds in which a figure and its limits are sampled in turn.
const ROUNDS: u64 = 5;

/// Microseconds a step of a flow with `steps` checkpoints.
pub(crate) async fn sequence(place: &Place, steps: u64, grants: Grants) -> Result<f64> {
    sequence_of(place, "sequence", steps, grants).await
}

/// The same with steps that use what they were granted.
pub(crate) async fn sequence_looking(place: &Place, steps: u64) -> Result<f64> {
    sequence_of(place, "sequence_looking", steps, place.used_capability()).await
}

async fn sequence_of(place: &Place, flow: &str, steps: u64, grants: Grants) -> Result<f64> {
    let started = Instant::now();
    let (_, result) = place.run(flow, &format!(r#"{{"steps":{steps}}}"#), grants).await?;
    ensure!(result == (steps * (steps + 1) / 2).to_string(), "the flow returned {result}");
    Ok(micros(started.elapsed()) / steps as f64)
}

pub(crate) fn sequential(bench: &Bench, report: &mut Report) -> Result<()> {
    let place = bench.place()?;
    let raw = RawSqlite::open(place.home.path())?;
    let bare = BareWasmtime::new(bench)?;
    let (mut commits, mut calls, mut visible, mut using) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut invisible, mut invisible_cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        commits.push(raw.commit(bench.scaled(300))?);
        for _ in 0..bench.scaled(200) {
            calls.push(bench.runtime.block_on(bare.instantiate_and_call("add", r#"{"total":1,"step":2}"#, "3"))?);
        }
        visible.push(bench.runtime.block_on(sequence(&place, bench.scaled(1000), place.capability()))?);
        using.push(bench.runtime.block_on(sequence_looking(&place, bench.scaled(1000)))?);
        let (steps, before) = (bench.scaled(20_000), cpu_micros()?);
        invisible.push(bench.runtime.block_on(sequence(&place, steps, Grants::default()))?);
        invisible_cpu.push((cpu_micros()? - before) / steps as f64);
    }
    let (commit, call) = (median(&mut commits), median(&mut calls));
    report.add(Figure::new("sqlite_commit_full", "one row in one SQLite transaction, WAL, `synchronous=FULL`", commit, "µs"));
    report.add(Figure::new("wasmtime_instantiate_and_call", "wasmtime: instantiate, call a checkpoint, drop", call, "µs"));
    report.add(
        Figure::new("step_with_capability", "sequential checkpoint that holds a capability", median(&mut visible), "µs")
            .beside("a commit, and wasmtime's call", commit + call)
            .target(Target::RatioAtMost(1.25)),
    );
    report.add(
        Figure::new("step_using_capability", "sequential checkpoint that uses its capability", median(&mut using), "µs")
            .beside("a commit, and wasmtime's call", commit + call)
            .target(Target::RatioAtMost(1.25)),
    );
    let rate = 1e6 / median(&mut invisible);
    report.add(
        Figure::new("steps_without_capability", "sequential checkpoints without a capability", rate, "/s")
            .beside("commits", 1e6 / commit)
            .cpu(median(&mut invisible_cpu))
            .target(Target::AtLeast(15_000.0)),
    );
    Ok(())
}

/// Many flows at a time share the disk's syncs.
pub(crate) fn concurrent(bench: &Bench, report: &mut Report) -> Result<()> {
    const FLOWS: u64 = 64;
    let place = bench.place()?;
    let raw = RawSqlite::open(place.home.path())?;
    let steps = bench.scaled(500);
    let bare = Arc::new(BareWasmtime::new(bench)?);
    let (mut grouped, mut rates, mut cpu, mut calls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let (each, before) = (bench.scaled(100), cpu_micros()?);
        bench.runtime.block_on(async {
            let call = || {
                let bare = bare.clone();
                async move {
                    for _ in 0..each {
                        bare.instantiate_and_call("add", r#"{"total":1,"step":2}"#, "3").await?;
                    }
                    Ok(())
                }
            };
            all((0..FLOWS).map(|_| call())).await
        })?;
        calls.push((cpu_micros()? - before) / (FLOWS * each) as f64);
        grouped.push(raw.rate(bench.scaled(200), FLOWS)?);
        let (started, before) = (Instant::now(), cpu_micros()?);
        bench.runtime.block_on(async {
            let flow = || {
                let place = place.clone();
                async move { sequence(&place, steps, place.capability()).await }
            };
            all((0..FLOWS).map(|_| flow())).await
        })?;
        let made = (FLOWS * steps) as f64;
        rates.push(made * 1e6 / micros(started.elapsed()));
        cpu.push((cpu_micros()? - before) / made);
    }
    report.add(Figure::new(
        "concurrent_calls_of_wasmtime",
        "processor time of wasmtime's own call, as many at a time as there are processors",
        median(&mut calls),
        "µs",
    ));
    report.add(
        Figure::new("concurrent_steps", "64 flows of checkpoints that hold a capability", median(&mut rates), "/s")
            .beside("rows in commits of 64", median(&mut grouped))
            .cpu(median(&mut cpu))
            .target(Target::RatioAtLeastOrMicros(0.6, 100.0)),
    );
    Ok(())
}

/// Runs all of them at a time, each as a task of its own, and gives their results in order.
pub(crate) async fn all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}

/// A checkpoint that holds no capability, over wasmtime's own instance.
pub(crate) fn isolated(bench: &Bench, report: &mut Report) -> Result<()> {
    let place = bench.place()?;
    let bare = BareWasmtime::new(bench)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    bench.runtime.block_on(async {
        let program = place.engine.program(&std::fs::read(&bench.guest)?).await?;
        for _ in 0..bench.scaled(2_000) {
            theirs.push(bare.instantiate_and_call("add", r#"{"total":1,"step":2}"#, "3").await?);
            ours.push(crate::instance::checkpoint(&program).await?);
        }
        anyhow::Ok(())
    })?;
    report.add(
        Figure::new("isolated_checkpoint", "isolated checkpoint: instantiate, call, drop", median(&mut ours), "µs")
            .beside("wasmtime by itself", median(&mut theirs))
            .target(Target::RatioAtMost(2.0)),
    );
    Ok(())
}
