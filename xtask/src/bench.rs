//! Measures the host on this machine: what a durable step costs beside what the disk allows, and how that grows with an execution's length.
//!
//! Figures from one machine say little elsewhere, and the machine may be busy: ratios of figures of the same run are what counts.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::guests;
use crate::report::{self, line};
use crate::repository::{self, cargo};

/// Builds the host as it is released, then measures. `quick` takes a tenth of the lengths.
pub(crate) fn run(quick: bool) -> Result<()> {
    report::step("the host, optimised");
    repository::run(cargo().args(["build", "--release", "--package", "kitaru-host", "--locked"]))?;
    guests::build()?;
    let bench = Bench {
        host: repository::target().join("release").join(format!("kitaru-host{}", std::env::consts::EXE_SUFFIX)),
        guest: repository::guest_target().join("wasm32-wasip2/release/conformance.wasm"),
        scale: if quick { 10 } else { 1 },
    };
    bench.long_executions()?;
    bench.large_journals()
}

struct Bench {
    host: PathBuf,
    guest: PathBuf,
    scale: u64,
}

/// A data folder for one measurement.
struct Place<'a> {
    bench: &'a Bench,
    home: tempfile::TempDir,
}

impl Bench {
    fn place(&self) -> Result<Place<'_>> {
        // On the disk that the repository is on: a folder for temporary files may be in memory.
        let home = tempfile::Builder::new().prefix("bench-").tempdir_in(repository::target())?;
        Ok(Place { bench: self, home })
    }

    /// One flow of many checkpoints: the cost of a step must not depend on how many there were before.
    fn long_executions(&self) -> Result<()> {
        report::step("long executions: microseconds a step, and beside those of the shortest");
        line("   steps |        run          |       replay        |       verify        | run / sync of the disk");
        let mut shortest: Option<[f64; 3]> = None;
        for steps in [10_000, 30_000, 100_000].map(|steps| steps / self.scale) {
            let place = self.place()?;
            // Compiles the component, which is not what is measured.
            place.flow("no_calls", "{}", &[])?;
            let sync = sync_of(place.home.path())?;
            let limit = format!("--max-calls={}", steps + 1);
            let (run, execution) = place.flow("sequence", &format!(r#"{{"steps":{steps}}}"#), &[&limit])?;
            let result = execution.pointer("/item/result").and_then(Value::as_u64);
            ensure!(result == Some(steps * (steps + 1) / 2), "the flow returned {result:?}");
            let id = id(&execution)?;
            let (replay, replayed) = place.host(&["executions", "replay", id, "--from", &format!(":{}", steps - 1), &limit])?;
            ensure!(replayed.pointer("/item/result") == execution.pointer("/item/result"), "the replay's result is another");
            let (verify, verified) = place.host(&["executions", "verify", id])?;
            ensure!(verified.pointer("/items/0/holds") == Some(&Value::Bool(true)), "{verified}");
            let each = [run, replay, verify].map(|time| micros(time) / steps as f64);
            let first = shortest.get_or_insert(each);
            let cells: Vec<String> =
                each.iter().zip(first).map(|(each, first)| format!("{each:10.1} ({:5.2} x)", each / *first)).collect();
            line(&format!("{steps:8} | {} | {:6.2} x of {:.0} µs", cells.join(" | "), each[0] / micros(sync), micros(sync)));
        }
        Ok(())
    }

    /// Journals with a gigabyte of values, in the journal itself and beside it.
    fn large_journals(&self) -> Result<()> {
        report::step("large journals: milliseconds, and beside those of an execution with one value");
        line("    values |     bytes each | first command |   list |    get | answer and end");
        let one = (1, 1024);
        let all = 1024 * 1024 * 1024 / self.scale;
        for (count, bytes) in [one, (all / (16 * 1024), 16 * 1024), (all / (1024 * 1024), 1024 * 1024)] {
            let place = self.place()?;
            place.flow("no_calls", "{}", &[])?;
            let input = format!(r#"{{"steps":{count},"bytes":{bytes}}}"#);
            let (_, execution) = place.flow("bulk", &input, &["--max-calls=200000"])?;
            let id = id(&execution)?;
            let (info, _) = place.host(&["status"])?;
            let (list, _) = place.host(&["executions", "list"])?;
            let (get, _) = place.host(&["executions", "get", id])?;
            let (input, done) = place.host(&["executions", "input", id, "--value", "true"])?;
            ensure!(done.pointer("/item/result").and_then(Value::as_u64) == Some((count + 1) * bytes), "{done}");
            let [info, list, get, input] = [info, list, get, input].map(|time| time.as_millis());
            line(&format!("{count:10} | {bytes:14} | {info:13} | {list:6} | {get:6} | {input:14}"));
        }
        Ok(())
    }
}

impl Place<'_> {
    fn flow(&self, flow: &str, input: &str, flags: &[&str]) -> Result<(Duration, Value)> {
        let target = format!("{}:{flow}", self.bench.guest.display());
        self.host(&[&["run", &target, "--input", input], flags].concat())
    }

    /// How long a command took, and what it said.
    fn host(&self, arguments: &[&str]) -> Result<(Duration, Value)> {
        let mut command = Command::new(&self.bench.host);
        command.args(arguments).args(["--output", "json"]).env("KITARU_HOME", self.home.path());
        let started = Instant::now();
        let said = repository::output(&mut command)?;
        let time = started.elapsed();
        Ok((time, serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))?))
    }
}

fn id(execution: &Value) -> Result<&str> {
    execution.pointer("/item/exec_id").and_then(Value::as_str).context("no execution")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What the disk takes to keep 4 KiB more of a file: the least that a step with a promise can cost.
fn sync_of(folder: &Path) -> Result<Duration> {
    const TIMES: u32 = 500;
    let path = folder.join("sync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let started = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
    }
    let each = started.elapsed() / TIMES;
    std::fs::remove_file(path)?;
    Ok(each)
}
