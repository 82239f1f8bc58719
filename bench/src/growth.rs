//! What a step writes: to the disk in all, and into the database for good.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kitaru_host::sandbox::Grants;

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;

/// Bytes that this process has sent to the disk.
fn written() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("no write_bytes")?;
    Ok(line.trim().parse()?)
}

/// The size of the database once everything is in its one file.
fn settled(home: &Path) -> Result<f64> {
    let path = home.join("kitaru.db");
    let db = rusqlite::Connection::open(&path)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(path)?.len() as f64)
}

pub(crate) fn bytes(bench: &Bench, report: &mut Report) -> Result<()> {
    let steps = bench.scaled(5_000);
    for (grants, written_name, growth_name, what) in [
        (true, "written_with_capability", "growth_with_capability", "that holds a capability"),
        (false, "written_without_capability", "growth_without_capability", "without a capability"),
    ] {
        let place = bench.place()?;
        let grants = if grants { place.capability() } else { Grants::default() };
        let (size, before) = (settled(place.home.path())?, written()?);
        bench.runtime.block_on(place.run("sequence", &format!(r#"{{"steps":{steps}}}"#), grants))?;
        let grown = settled(place.home.path())?;
        let after = written()?;
        ensure!(after > before, "this file system does not tell what is written to it");
        let each = |bytes: f64| bytes / steps as f64;
        report.add(
            Figure::new(written_name, format!("written to the disk for a step {what}"), each(after - before), "B")
                .target(Target::AtMost(10_240.0)),
        );
        // The values of such a step: `{"step":4999,"total":12497500}`, and the sum.
        let payload = 40.0;
        report.add(
            Figure::new(
                growth_name,
                format!("database growth for a step {what}, less its values"),
                each(grown - size) - payload,
                "B",
            )
            .target(Target::AtMost(300.0)),
        );
    }
    Ok(())
}
