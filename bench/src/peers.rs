//! The jobs that peers of this host run too, through the library: `bench/peers/run.py` starts each of them in turn with the peers' own programs.
//!
//! Each job is run in two ways: with steps that hold a capability, each of which is on the disk before the next one starts, as with all peers;
//! and with steps that were granted nothing, which nobody can observe. The sixth job kills the host, so it belongs to whole processes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use kitaru_host::ids::{CallId, ExecutionId};
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;
use serde_json::{Value, json};

use crate::place::{Bench, Place, size_of};
use crate::samples::{median, micros};
use crate::steps::all;

/// What a step returns has so many bytes.
const BYTES: u64 = 100;
/// Flows at a time, in the first job.
const CLIENTS: u64 = 16;

/// Runs one job in both ways. Each figure is a line of JSON, in the peers' form.
pub(crate) fn run(bench: &Bench, job: &str) -> Result<()> {
    for (peer, is_granted) in [("kitaru-host", true), ("kitaru-host-pure", false)] {
        let place = bench.place()?;
        let grants = if is_granted { place.capability() } else { Grants::default() };
        let side = Side { peer, place, grants };
        match job {
            "j1" => bench.runtime.block_on(side.flows(bench.scaled(200)))?,
            "j2" => bench.runtime.block_on(side.sequence(bench.scaled(1_000)))?,
            "j3" => bench.runtime.block_on(side.served(bench.scaled(1_000)))?,
            "j4" => bench.runtime.block_on(side.beside(bench.scaled(100)))?,
            "j5" => bench.runtime.block_on(side.answered(bench.scaled(50)))?,
            _ => bail!("there is no such job of peers; there are: j1, j2, j3, j4, j5"),
        }
    }
    Ok(())
}

/// One way to run the jobs.
struct Side {
    /// What the figures are told under.
    peer: &'static str,
    place: Arc<Place>,
    grants: Grants,
}

impl Side {
    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    fn say(&self, job: &str, figure: &str, unit: &str, value: f64) {
        println!("{}", json!({ "peer": self.peer, "job": job, "figure": figure, "unit": unit, "value": value }));
    }

    async fn result(&self, flow: &str, input: &str, expected: u64) -> Result<()> {
        let (_, result) = self.place.run(flow, input, self.grants.clone()).await?;
        ensure!(result == expected.to_string(), "the flow returned {result}");
        Ok(())
    }

    /// A new execution, run to its question.
    async fn waits(&self, flow: &str, input: &str) -> Result<ExecutionId> {
        let id = self.place.submit(flow, input, self.grants.clone()).await?;
        ensure!(self.place.drive(id).await? == Status::Waiting, "it was to wait");
        Ok(id)
    }

    /// J1: flows of one step, one at a time and several.
    async fn flows(&self, flows: u64) -> Result<()> {
        const FLOW: (&str, &str) = ("sequence", r#"{"steps":1}"#);
        let mut times = Vec::new();
        for _ in 0..flows {
            let started = Instant::now();
            self.result(FLOW.0, FLOW.1, 1).await?;
            times.push(micros(started.elapsed()));
        }
        let sum: f64 = times.iter().sum();
        self.say("j1", "j1_p50", "ms", median(&mut times) / 1e3);
        self.say("j1", "j1_rate", "/s", flows as f64 * 1e6 / sum);
        let started = Instant::now();
        let client = || {
            let (place, grants) = (self.place.clone(), self.grants.clone());
            async move {
                for _ in 0..flows {
                    let (_, result) = place.run(FLOW.0, FLOW.1, grants.clone()).await?;
                    ensure!(result == "1", "the flow returned {result}");
                }
                Ok(())
            }
        };
        all((0..CLIENTS).map(|_| client())).await?;
        self.say("j1", "j1_rate_16", "/s", (CLIENTS * flows) as f64 * 1e6 / micros(started.elapsed()));
        Ok(())
    }

    /// J2: one step after the other, until the question that comes after them is on record.
    async fn sequence(&self, steps: u64) -> Result<()> {
        let before = size_of(self.place.home.path())?;
        let started = Instant::now();
        self.waits("bulk", &bulk(steps)).await?;
        self.say("j2", "j2_rate", "/s", steps as f64 * 1e6 / micros(started.elapsed()));
        self.say("j2", "j2_store", "B", (size_of(self.place.home.path())? - before) / steps as f64);
        Ok(())
    }

    /// J3: the same execution is gone over again to its question, with every step from the journal; told for 1,000 steps.
    async fn served(&self, steps: u64) -> Result<()> {
        let id = self.waits("bulk", &bulk(steps)).await?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            ensure!(self.place.drive(id).await? == Status::Waiting, "it was to wait");
            times.push(micros(started.elapsed()));
        }
        self.say("j3", "j3_time", "ms", median(&mut times) / steps as f64);
        Ok(())
    }

    /// J4: steps beside each other.
    async fn beside(&self, steps: u64) -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            self.result("bulk_beside", &bulk(steps), steps * BYTES).await?;
            times.push(micros(started.elapsed()));
        }
        self.say("j4", "j4_time", "ms", median(&mut times) / 1e3);
        Ok(())
    }

    /// J5: from a person's answer to the flow's end.
    async fn answered(&self, flows: u64) -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..flows {
            let id = self.waits("sequence_then_wait", r#"{"steps":0}"#).await?;
            let started = Instant::now();
            let wait = self.place.engine.store().wait(CallId { execution: id, index: 0 }).await?;
            self.place.engine.answer(&wait, &Value::Bool(true)).await?;
            ensure!(self.place.drive(id).await? == Status::Completed, "it was to end");
            times.push(micros(started.elapsed()));
        }
        self.say("j5", "j5_p50", "ms", median(&mut times) / 1e3);
        Ok(())
    }
}

fn bulk(steps: u64) -> String {
    json!({ "steps": steps, "bytes": BYTES }).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn what_is_made_of_the_figures_is_tested_in_its_own_language() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut tests = Command::new(if cfg!(windows) { "python" } else { "python3" });
        tests.args(["-B", "-m", "unittest", "--quiet"]).current_dir(folder);
        let done = tests.output().expect("Python 3.10");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
