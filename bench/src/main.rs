//! Measures the host beside what the machine allows, in one run: `cargo xtask bench` builds everything and starts it.
//!
//! Each figure comes as a line of JSON. Figures from one machine say little elsewhere, and the machine may be busy: what counts are ratios
//! of figures that were sampled in turn. That is why the samples are taken here: the usual frameworks measure one thing after the other.

mod figure;
mod flows;
mod growth;
mod import_call;
mod instance;
mod large;
mod limits;
mod loading;
mod looking;
mod machine;
mod peers;
mod place;
mod processes;
mod replays;
mod report;
mod samples;
mod slow_disk;
mod steps;
mod streams;
mod timers;
mod waiting;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::place::Bench;
use crate::report::Report;

/// As in the host.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Job = fn(&Bench, &mut Report) -> Result<()>;

/// All jobs, by the name that `--only` takes.
const JOBS: [(&str, Job); 15] = [
    ("sequential", steps::sequential),
    ("slow_disk", slow_disk::slow),
    ("concurrent", steps::concurrent),
    ("isolated", steps::isolated),
    ("served", replays::served),
    ("flows", flows::one_step),
    ("waiting", waiting::many),
    ("timers", timers::lateness),
    ("growth", growth::bytes),
    ("commands", processes::commands),
    ("resumed", processes::resumed),
    ("idle", processes::idle),
    ("long", large::executions),
    ("logs", looking::logs),
    ("streams", streams::chunks),
];
/// Takes gigabytes of disk, and minutes.
const LARGE: (&str, Job) = ("large", large::journals);
/// Of the program that the job `slow_disk` starts.
const BEHIND: (&str, Job) = (slow_disk::BEHIND, slow_disk::behind);

fn main() -> Result<()> {
    let (mut paths, mut disk, mut table, mut only, mut peers, mut scale) = (Vec::new(), None, None, None, None, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--disk" => disk = Some(PathBuf::from(value()?)),
            "--table" => table = Some(PathBuf::from(value()?)),
            "--only" => only = Some(value()?),
            "--peers" => peers = Some(value()?),
            "--quick" => scale = 10,
            large::TOUCH => return large::touch(),
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let Ok([host, guest, hello]) = <[PathBuf; 3]>::try_from(paths) else {
        bail!("kitaru-bench HOST GUEST HELLO [--disk FOLDER] [--table FILE] [--only JOB | --peers JOB] [--quick]")
    };
    let disk = disk.unwrap_or_else(std::env::temp_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = Bench { host, guest, hello, disk, scale, runtime };
    if let Some(job) = peers {
        return peers::run(&bench, &job).with_context(|| format!("the peers' job `{job}`"));
    }
    let mut report = Report::begin(&bench.disk);
    let mut found = false;
    for (name, job) in JOBS.into_iter().chain([LARGE, BEHIND]) {
        if only.as_ref().map_or(name != BEHIND.0, |only| only == name) {
            found = true;
            job(&bench, &mut report).with_context(|| format!("the job `{name}`"))?;
        }
    }
    if !found {
        bail!("there is no such job; there are: {}", JOBS.map(|(name, _)| name).join(", "));
    }
    if let Some(table) = table {
        std::fs::write(table, report.table())?;
    }
    Ok(())
}
