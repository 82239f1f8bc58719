//! Whole flows of one step: from submission to result, through the library.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use kitaru_host::sandbox::Grants;
use kitaru_host::store::{DurabilityMode, StoreOptions};

use crate::figure::{Figure, Target};
use crate::limits::RawSqlite;
use crate::place::{Bench, Place};
use crate::report::Report;
use crate::samples::{cpu_micros, median, micros};
use crate::steps::all;

/// So many flows at a time.
const FLOWS: u64 = 16;
/// Rounds in which both durabilities are sampled in turn.
const ROUNDS: u64 = 5;

async fn one(place: &Place) -> Result<f64> {
    let started = Instant::now();
    let (_, result) = place.run("sequence", r#"{"steps":1}"#, Grants::default()).await?;
    anyhow::ensure!(result == "1", "{result}");
    Ok(micros(started.elapsed()))
}

pub(crate) fn one_step(bench: &Bench, report: &mut Report) -> Result<()> {
    let place = bench.place()?;
    let raw = RawSqlite::open(place.home.path())?;
    let (mut times, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        commits.push(raw.commit(bench.scaled(100))?);
        for _ in 0..bench.scaled(100) {
            times.push(bench.runtime.block_on(one(&place))?);
        }
    }
    report.add(
        Figure::new(
            "flow_of_one_step",
            "flow of one step, submission to result, one at a time, p50",
            median(&mut times) / 1e3,
            "ms",
        )
        .beside("a commit", median(&mut commits) / 1e3)
        .target(Target::AtMost(1.0)),
    );
    let mut full = Sixteen::open(bench, DurabilityMode::Full)?;
    let mut process = Sixteen::open(bench, DurabilityMode::Process)?;
    for _ in 0..ROUNDS {
        full.sample(bench)?;
        process.sample(bench)?;
    }
    let (full, process) = (full.medians(), process.medians());
    report.add(Figure::new(
        "rows_in_commits_of_16",
        "rows in SQLite transactions of 16, WAL, `synchronous=FULL`",
        full.rows,
        "/s",
    ));
    // What a flow takes where nothing waits for the disk, and then its part of a commit that does.
    let grouped = 1.0 / (1.0 / process.flows + 1.0 / full.rows);
    report.add(
        Figure::new("flows_of_one_step", "flows of one step, 16 at a time, in full durability", full.flows, "/s")
            .beside("in process durability, with a row in a commit of 16 each", grouped)
            .cpu(full.cpu_micros)
            .target(Target::RatioAtLeast(0.9)),
    );
    report.add(
        Figure::new("flows_of_one_step_process", "the same in process durability", process.flows, "/s")
            .beside("rows in commits of 16, without a sync", process.rows)
            .cpu(process.cpu_micros)
            .target(Target::AtLeast(5_000.0)),
    );
    Ok(())
}

/// Medians.
struct Rates {
    /// Flows a second.
    flows: f64,
    /// Rows a second that SQLite commits in transactions of as many, between the samples of the flows.
    rows: f64,
    /// Processor time of a flow.
    cpu_micros: f64,
}

/// So many flows at a time in one durability, and their samples.
struct Sixteen {
    place: Arc<Place>,
    raw: RawSqlite,
    flows: Vec<f64>,
    rows: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Sixteen {
    fn open(bench: &Bench, durability: DurabilityMode) -> Result<Self> {
        let place = bench.place_with(StoreOptions { durability })?;
        let raw = RawSqlite::open_with(place.home.path(), durability)?;
        Ok(Self { place, raw, flows: Vec::new(), rows: Vec::new(), cpu_micros: Vec::new() })
    }

    fn sample(&mut self, bench: &Bench) -> Result<()> {
        self.rows.push(self.raw.rate(bench.scaled(200), FLOWS)?);
        let each = bench.scaled(200);
        let (started, before) = (Instant::now(), cpu_micros()?);
        bench.runtime.block_on(async {
            let flows = || {
                let place = self.place.clone();
                async move {
                    for _ in 0..each {
                        one(&place).await?;
                    }
                    Ok(())
                }
            };
            all((0..FLOWS).map(|_| flows())).await
        })?;
        let made = (FLOWS * each) as f64;
        self.flows.push(made * 1e6 / micros(started.elapsed()));
        self.cpu_micros.push((cpu_micros()? - before) / made);
        Ok(())
    }

    fn medians(mut self) -> Rates {
        let Self { flows, rows, cpu_micros, .. } = &mut self;
        Rates { flows: median(flows), rows: median(rows), cpu_micros: median(cpu_micros) }
    }
}
