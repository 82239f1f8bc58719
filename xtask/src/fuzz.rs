//! Fuzzing: builds the targets of `fuzz/` with the coverage instrumentation that stable Rust has, and lets libFuzzer run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::report;
use crate::repository::{self, cargo, output, root, run as command};

/// What cargo-fuzz passes too, without a sanitiser: those need a nightly compiler.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cforce-frame-pointers=yes",
];

/// How targets are built that run for long.
const THOROUGH: &str = "release";
/// How targets are built that run for seconds: building them is what takes time.
const SHORT: &str = "short";
/// Inputs of each target in a short run.
const INPUTS: u64 = 100_000;
/// Seconds of each target, unless said otherwise.
const SECONDS: u64 = 60;
/// Bytes of an input.
const LONGEST: u32 = 16 * 1024;
/// Seconds that one input may take.
const PATIENCE: u32 = 25;
/// MiB that a target may hold.
const MEMORY: u32 = 2_048;

/// How long a target runs.
#[derive(Clone, Copy)]
enum Length {
    /// So many seconds, from what earlier runs found on.
    Seconds(u64),
    /// So many inputs, the same ones each time: what breaks a change is a change, and not luck.
    Inputs(u64),
}

/// A program of `fuzz/Cargo.toml`.
struct Target {
    name: String,
    needs_host: bool,
}

/// What a run of one target came to.
struct Outcome {
    name: String,
    inputs: String,
    corpus: String,
    coverage: String,
    memory: String,
    found: bool,
}

/// Runs targets, one after the other: those that are named, or all of them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (names, seconds) = options(arguments)?;
    let known = targets()?;
    if let Some(unknown) = names.iter().find(|name| known.iter().all(|target| target.name != **name)) {
        let known: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        bail!("there is no target `{unknown}`; there are: {}", known.join(", "));
    }
    let wanted: Vec<Target> = known.into_iter().filter(|target| names.is_empty() || names.contains(&target.name)).collect();
    hunt(&wanted, THOROUGH, Length::Seconds(seconds))
}

/// A short run of the targets that are built soon, for every change. Where there is no C++ compiler it says so: the corpus is among the tests
/// anyhow.
pub(crate) fn shortly() -> Result<()> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let found = Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        report::line("skipped: libFuzzer needs a C++ compiler");
        return Ok(());
    }
    let wanted: Vec<Target> = targets()?.into_iter().filter(|target| !target.needs_host).collect();
    hunt(&wanted, SHORT, Length::Inputs(INPUTS))
}

fn hunt(wanted: &[Target], profile: &str, length: Length) -> Result<()> {
    let platform = platform()?;
    build(wanted, &platform, profile)?;
    let built = target_folder().join(&platform).join(profile);
    let outcomes = wanted.iter().map(|target| fuzz(&target.name, &built, length)).collect::<Result<Vec<_>>>()?;
    if let Length::Seconds(seconds) = length {
        report::line(&format!("\n{seconds} s each:"));
    }
    report::line("");
    report::line("| target | inputs tried | corpus | edges covered | memory | finding |");
    report::line("|---|---|---|---|---|---|");
    for Outcome { name, inputs, corpus, coverage, memory, found } in &outcomes {
        let finding = if *found { "yes" } else { "none" };
        report::line(&format!("| `{name}` | {inputs} | {corpus} | {coverage} | {memory} MiB | {finding} |"));
    }
    let found: Vec<&str> = outcomes.iter().filter(|outcome| outcome.found).map(|outcome| outcome.name.as_str()).collect();
    ensure!(found.is_empty(), "an input was found that breaks a property of {}: it is in fuzz/artifacts", found.join(", "));
    Ok(())
}

fn options(arguments: &[String]) -> Result<(Vec<String>, u64)> {
    let (mut names, mut seconds) = (Vec::new(), SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seconds" => {
                let number = rest.next().context("--seconds needs a number")?;
                seconds = number.parse().with_context(|| format!("`{number}` is no number of seconds"))?;
            }
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => bail!("`cargo xtask fuzz` takes names of targets and --seconds N, and not `{other}`"),
        }
    }
    Ok((names, seconds))
}

fn manifest() -> PathBuf {
    root().join("fuzz/Cargo.toml")
}

/// Where they are built: instrumented code is of no use to anybody else.
fn target_folder() -> PathBuf {
    repository::target().join("fuzz")
}

fn targets() -> Result<Vec<Target>> {
    let mut list = cargo();
    list.args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--manifest-path"]).arg(manifest());
    let metadata: serde_json::Value = serde_json::from_str(&output(&mut list)?)?;
    let programs = metadata.pointer("/packages/0/targets").and_then(serde_json::Value::as_array);
    let programs = programs.context("fuzz/Cargo.toml has no targets")?;
    let target = |program: &serde_json::Value| {
        let name = program.get("name")?.as_str()?.to_owned();
        Some(Target { name, needs_host: program.get("required-features").is_some() })
    };
    Ok(programs.iter().filter_map(target).collect())
}

/// The platform that this compiler compiles for. With a platform that is named, cargo leaves build scripts and macros without instrumentation.
fn platform() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it compiles for")
}

fn build(targets: &[Target], platform: &str, profile: &str) -> Result<()> {
    report::step("build");
    let mut build = cargo();
    build.args(["build", "--profile", profile, "--locked", "--target", platform, "--manifest-path"]).arg(manifest());
    build.env("CARGO_TARGET_DIR", target_folder()).env("RUSTFLAGS", FLAGS.join(" "));
    if targets.iter().all(|target| !target.needs_host) {
        build.arg("--no-default-features");
    }
    for target in targets {
        build.args(["--bin", &target.name]);
    }
    command(&mut build)
}

fn fuzz(name: &str, built: &Path, length: Length) -> Result<Outcome> {
    report::step(name);
    // What it finds interesting is kept beside the build, so that the next run goes on there; the repository has what people chose.
    let found = match length {
        Length::Seconds(_) => target_folder().join("corpus").join(name),
        Length::Inputs(_) => target_folder().join("corpus-of-short-runs").join(name),
    };
    if matches!(length, Length::Inputs(_)) && found.exists() {
        std::fs::remove_dir_all(&found).with_context(|| format!("cannot empty {}", found.display()))?;
    }
    let artifacts = root().join("fuzz/artifacts").join(name);
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut fuzzer = Command::new(built.join(name));
    repository::clean(&mut fuzzer);
    fuzzer.current_dir(root()).arg(&found).arg(format!("fuzz/corpus/{name}"));
    match length {
        Length::Seconds(seconds) => fuzzer.arg(format!("-max_total_time={seconds}")),
        Length::Inputs(inputs) => fuzzer.args([format!("-runs={inputs}"), "-seed=1".to_owned()]),
    };
    fuzzer.args([format!("-max_len={LONGEST}"), format!("-timeout={PATIENCE}")]);
    fuzzer.args([format!("-rss_limit_mb={MEMORY}"), format!("-artifact_prefix={}/", artifacts.display())]);
    fuzzer.args(["-print_final_stats=1", "-verbosity=1"]);
    let dictionary = format!("fuzz/dictionaries/{name}.dict");
    if root().join(&dictionary).exists() {
        fuzzer.arg(format!("-dict={dictionary}"));
    }
    report::line(&format!("$ {}", repository::typed(&fuzzer)));
    let log = artifacts.with_extension("log");
    let said = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = fuzzer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).status();
    let status = status.with_context(|| format!("cannot run the target `{name}`"))?;
    let said = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let outcome = outcome(name, &said, !status.success());
    if outcome.found {
        let last: Vec<&str> = said.lines().rev().take(25).collect();
        last.iter().rev().for_each(|line| report::line(line));
    }
    report::line(&format!("{} inputs tried; the log is {}", outcome.inputs, log.display()));
    Ok(outcome)
}

/// What libFuzzer says at its end: `stat::…` lines, and in its last status line the coverage and the corpus.
fn outcome(name: &str, said: &str, found: bool) -> Outcome {
    let stat = |key: &str| {
        let line = said.lines().rev().find_map(|line| line.strip_prefix(&format!("stat::{key}:")));
        line.map_or("unknown", str::trim).to_owned()
    };
    let status = |key: &str| {
        let line = said.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: ")).unwrap_or_default();
        let mut words = line.split_whitespace().skip_while(|word| *word != key).skip(1);
        words.next().unwrap_or("unknown").to_owned()
    };
    Outcome {
        name: name.to_owned(),
        inputs: stat("number_of_executed_units"),
        corpus: status("corp:"),
        coverage: status("cov:"),
        memory: stat("peak_rss_mb"),
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_read() {
        let said = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n#9\tNEW    cov: 31 ft: 44 corp: 7/90b lim: 4 exec/s: 0 rss: 31Mb L: 3/9 MS: 1 X-\n\
                    Done 9 runs in 1 second(s)\nstat::number_of_executed_units: 9\nstat::peak_rss_mb:              31\n";
        let Outcome { inputs, corpus, coverage, memory, .. } = outcome("sse", said, false);
        assert_eq!([inputs, corpus, coverage, memory], ["9", "7/90b", "31", "31"]);
        assert_eq!(outcome("sse", "", true).inputs, "unknown");
    }

    #[test]
    fn names_and_seconds_are_told_apart() {
        let options = |words: &[&str]| options(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(options(&[]).unwrap(), (vec![], SECONDS));
        assert_eq!(options(&["sse", "--seconds", "5", "codec"]).unwrap(), (vec!["sse".to_owned(), "codec".to_owned()], 5));
        assert!(options(&["--seconds"]).is_err() && options(&["--second"]).is_err());
    }
}
