//! Builds the host as it is released and the program that measures it, and starts that, or the one that measures peers with it.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::guests;
use crate::report;
use crate::repository::{self, cargo};

/// Where a whole run puts its figures.
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- figures: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- end of figures -->";

/// Measures. `options` go to the program that does: `--quick`, `--only JOB`; or, after `--peers WORK`, to the one that measures peers too.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let peers = match options.split_first() {
        Some((first, rest)) if first == "--peers" => match rest.split_first() {
            Some(peers) => Some(peers),
            None => bail!("`cargo xtask bench --peers` needs a folder to work in, on a real disk"),
        },
        _ => None,
    };
    report::step("the host, optimised, and what measures it");
    repository::run(cargo().args(["build", "--release", "--locked", "--package", "kitaru-host", "--package", "kitaru-bench"]))?;
    guests::build()?;
    let built = |name: &str| repository::target().join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let guest = |name: &str| repository::guest_target().join("wasm32-wasip2/release").join(name);
    if let Some((work, options)) = peers {
        report::step("figures of peers");
        let mut peers = std::process::Command::new(if cfg!(windows) { "python" } else { "python3" });
        let is_part = options.iter().any(|option| ["--quick", "--only", "--peer"].contains(&option.as_str()));
        peers.arg(repository::root().join("bench/peers/run.py")).arg("--work").arg(work).args(options);
        peers.arg("--host").arg(built("kitaru-host")).arg("--bench").arg(built("kitaru-bench"));
        peers.arg("--guest").arg(guest("measured.wasm")).arg("--hello").arg(guest("hello.wasm"));
        if !is_part {
            peers.arg("--page").arg(repository::root().join(PAGE));
        }
        return repository::run(&mut peers);
    }
    report::step("figures");
    let table = repository::target().join("figures.md");
    let mut bench = std::process::Command::new(built("kitaru-bench"));
    bench.args([built("kitaru-host"), guest("measured.wasm"), guest("hello.wasm")]);
    // On the disk that the repository is on: a folder for temporary files may be in memory.
    bench.arg("--disk").arg(repository::target()).arg("--table").arg(&table).args(options);
    repository::run(&mut bench)?;
    if options.is_empty() {
        write_page(&repository::root().join(PAGE), &std::fs::read_to_string(table)?)?;
    }
    Ok(())
}

/// Puts the figures in their place on the page.
fn write_page(page: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(page)?;
    let place = || format!("{PAGE} has no place for the figures");
    let (before, rest) = text.split_once(BEGIN).with_context(place)?;
    let (_, after) = rest.split_once(END).with_context(place)?;
    Ok(std::fs::write(page, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?)
}
