//! What a step writes: to the disk in all, and into the database for good.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kitaru_host::sandbox::Grants;

use crate::figure::{Figure, Target};
use crate::limits::RawSqlite;
use crate::place::{Bench, Place};
use crate::report::Report;

/// Bytes that this process has sent to the disk.
fn written() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("no write_bytes")?;
    Ok(line.trim().parse()?)
}

/// The size of a database once everything is in its one file.
fn settled(path: &Path) -> Result<f64> {
    let db = rusqlite::Connection::open(path)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(path)?.len() as f64)
}

/// Bytes for each of so many units of work: written to the disk, and by which the database has grown.
fn of_each(database: &Path, count: u64, work: impl FnOnce() -> Result<()>) -> Result<(f64, f64)> {
    let (size, before) = (settled(database)?, written()?);
    work()?;
    let grown = settled(database)?;
    let after = written()?;
    ensure!(after > before, "this file system does not tell what is written to it");
    Ok(((after - before) / count as f64, (grown - size) / count as f64))
}

/// A kind of step.
struct Kind {
    written_name: &'static str,
    growth_name: &'static str,
    what: &'static str,
    flow: &'static str,
    grants: fn(&Place) -> Grants,
    /// Each is committed by itself.
    waits: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        written_name: "written_with_capability",
        growth_name: "growth_with_capability",
        what: "that holds a capability",
        flow: "sequence",
        grants: Place::capability,
        waits: true,
    },
    Kind {
        written_name: "written_using_capability",
        growth_name: "growth_using_capability",
        what: "that uses its capability",
        flow: "sequence_looking",
        grants: Place::used_capability,
        waits: true,
    },
    Kind {
        written_name: "written_without_capability",
        growth_name: "growth_without_capability",
        what: "without a capability",
        flow: "sequence",
        grants: |_| Grants::default(),
        waits: false,
    },
];

pub(crate) fn bytes(bench: &Bench, report: &mut Report) -> Result<()> {
    let steps = bench.scaled(5_000);
    let apart = bench.folder()?;
    let raw = RawSqlite::open(apart.path())?;
    let (raw_written, raw_growth) = of_each(&apart.path().join("raw.db"), steps, || raw.commits(steps, 1).map(drop))?;
    for kind in KINDS {
        let place = bench.place()?;
        let input = format!(r#"{{"steps":{steps}}}"#);
        let (written, growth) = of_each(&place.home.path().join("kitaru.db"), steps, || {
            bench.runtime.block_on(place.run(kind.flow, &input, (kind.grants)(&place))).map(drop)
        })?;
        let what = kind.what;
        let figure = Figure::new(kind.written_name, format!("written to the disk for a step {what}"), written, "B")
            .target(Target::AtMost(10_240.0));
        report.add(if kind.waits { figure.beside("a row, committed by itself", raw_written) } else { figure });
        // The values of such a step: `{"step":4999,"total":12497500}`, and the sum.
        let payload = 40.0;
        let what = format!("database growth for a step {what}, less its values");
        report.add(
            Figure::new(kind.growth_name, what, growth - payload, "B")
                .beside("a row, less its bytes", raw_growth - RawSqlite::ROW as f64)
                .target(Target::AtMost(300.0)),
        );
    }
    Ok(())
}
