//! Going over a journal again: what a call costs whose outcome is recorded.

use std::time::Instant;

use anyhow::{Result, ensure};
use kitaru_host::engine::read_journal;
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;

use crate::figure::{Figure, Target};
use crate::import_call::ImportCall;
use crate::limits::BareWasmtime;
use crate::place::Bench;
use crate::report::Report;
use crate::samples::{median, micros};

/// An execution of `steps` checkpoints waits, and is driven from its journal to its wait again and again.
pub(crate) fn served(bench: &Bench, report: &mut Report) -> Result<()> {
    let bare = BareWasmtime::new(bench)?;
    let (mut import, mut imports) = (ImportCall::new()?, Vec::new());
    for (name, read_name, steps) in
        [("served_step_1000", "read_step_1000", 1_000), ("served_step_100000", "read_step_100000", bench.scaled(100_000))]
    {
        let place = bench.place()?;
        let mut reads = Vec::new();
        let (time, calls) = bench.runtime.block_on(async {
            let empty = place.submit("sequence_then_wait", r#"{"steps":0}"#, Grants::default()).await?;
            let full = place.submit("sequence_then_wait", &format!(r#"{{"steps":{steps}}}"#), Grants::default()).await?;
            let (mut base, mut whole, mut calls) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..12 {
                for (id, times) in [(empty, &mut base), (full, &mut whole)] {
                    let started = Instant::now();
                    ensure!(place.drive(id).await? == Status::Waiting, "it was to wait");
                    // The first time it ran.
                    if round > 0 {
                        times.push(micros(started.elapsed()));
                    }
                }
                imports.push(import.calls(100_000)?);
                calls.push(bare.answered_calls(steps).await? - bare.answered_calls(0).await?);
                let started = Instant::now();
                read_journal(place.engine.store().as_ref(), full).await?;
                reads.push(micros(started.elapsed()) / steps as f64);
            }
            anyhow::Ok(((median(&mut whole) - median(&mut base)) / steps as f64, median(&mut calls) / steps as f64))
        })?;
        let what = format!("served checkpoint when {steps} are gone over again, with reading the journal");
        let limit = "the same flow in plain wasmtime, its calls answered at once";
        report.add(Figure::new(name, what, time, "µs").beside(limit, calls).target(Target::AtMost(1.0)));
        report.add(Figure::new(read_name, format!("of which reading a journal of {steps} steps"), median(&mut reads), "µs"));
    }
    let what = "a call out of a component with a number, in plain wasmtime, answered with a number at once";
    report.add(Figure::new("component_import_call", what, median(&mut imports), "ns"));
    Ok(())
}
