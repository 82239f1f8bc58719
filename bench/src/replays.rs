//! Going over a journal again: what a call costs whose outcome is recorded.

use std::time::Instant;

use anyhow::{Result, ensure};
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;
use crate::samples::{median, micros};

/// An execution of `steps` checkpoints waits, and is driven from its journal to its wait again and again.
pub(crate) fn served(bench: &Bench, report: &mut Report) -> Result<()> {
    for (name, steps) in [("served_step_1000", 1_000), ("served_step_100000", bench.scaled(100_000))] {
        let place = bench.place()?;
        let time = bench.runtime.block_on(async {
            let empty = place.submit("sequence_then_wait", r#"{"steps":0}"#, Grants::default()).await?;
            let full = place.submit("sequence_then_wait", &format!(r#"{{"steps":{steps}}}"#), Grants::default()).await?;
            let (mut base, mut whole) = (Vec::new(), Vec::new());
            for round in 0..12 {
                for (id, times) in [(empty, &mut base), (full, &mut whole)] {
                    let started = Instant::now();
                    ensure!(place.drive(id).await? == Status::Waiting, "it was to wait");
                    // The first time it ran.
                    if round > 0 {
                        times.push(micros(started.elapsed()));
                    }
                }
            }
            Ok((median(&mut whole) - median(&mut base)) / steps as f64)
        })?;
        let what = format!("served checkpoint when {steps} are gone over again, with reading the journal");
        report.add(Figure::new(name, what, time, "µs").target(Target::AtMost(1.0)));
    }
    Ok(())
}
