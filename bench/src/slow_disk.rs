//! The same steps on a disk that takes 5 ms longer for every sync: what nobody can observe does not wait for it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use kitaru_host::sandbox::Grants;
use serde_json::Value;

use crate::figure::{Figure, Target};
use crate::limits::RawSqlite;
use crate::place::Bench;
use crate::report::Report;
use crate::samples::median;
use crate::steps::sequence;

/// What is loaded before the C library, so that SQLite's own syncs take longer, whoever calls them.
const SLOW_SYNC: &str = include_str!("slow_sync.c");
const DELAY_MICROS: &str = "5000";
/// The job that is run in such a process.
pub(crate) const BEHIND: &str = "behind_slow_disk";

/// Runs this program again behind slow syncs, and takes over its figures.
pub(crate) fn slow(bench: &Bench, report: &mut Report) -> Result<()> {
    let folder = bench.folder()?;
    let library = compiled(folder.path())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([&bench.host, &bench.guest, &bench.hello]).arg("--disk").arg(&bench.disk).args(["--only", BEHIND]);
    if bench.scale > 1 {
        command.arg("--quick");
    }
    command.env("LD_PRELOAD", library).env("KITARU_BENCH_SYNC_DELAY", DELAY_MICROS).stderr(Stdio::inherit());
    let output = command.output()?;
    ensure!(output.status.success(), "the process behind slow syncs failed");
    for line in String::from_utf8(output.stdout)?.lines() {
        let figure: Value = serde_json::from_str(line)?;
        if figure.get("figure").is_none() {
            // What it was measured on, which is where this is.
            continue;
        }
        let number = |key: &str| figure.get(key).and_then(Value::as_f64).with_context(|| format!("no `{key}` in {line}"));
        report.add(
            Figure::new(
                "steps_without_capability_slow_disk",
                "sequential checkpoints without a capability, every sync 5 ms longer",
                number("value")?,
                "/s",
            )
            .beside("commits", number("limit_value")?)
            .target(Target::AtLeast(15_000.0)),
        );
    }
    Ok(())
}

fn compiled(folder: &Path) -> Result<std::path::PathBuf> {
    let (source, library) = (folder.join("slow_sync.c"), folder.join("slow_sync.so"));
    std::fs::write(&source, SLOW_SYNC)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler).args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    ensure!(status.with_context(|| format!("{compiler:?} could not be started"))?.success(), "{compiler:?} failed");
    Ok(library.canonicalize()?)
}

/// In a process whose syncs are slow.
pub(crate) fn behind(bench: &Bench, report: &mut Report) -> Result<()> {
    ensure!(std::env::var_os("LD_PRELOAD").is_some(), "this job is for a process whose syncs are slow");
    let place = bench.place()?;
    let raw = RawSqlite::open(place.home.path())?;
    let (mut commits, mut steps) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        commits.push(raw.commit(bench.scaled(100))?);
        steps.push(bench.runtime.block_on(sequence(&place, bench.scaled(20_000), Grants::default()))?);
    }
    let commit = median(&mut commits);
    ensure!(commit > 5_000.0, "the syncs are not slow: a commit takes {commit:.0} µs");
    report.add(Figure::new(BEHIND, "steps", 1e6 / median(&mut steps), "/s").beside("commits", 1e6 / commit));
    Ok(())
}
