//! The project's own tasks: `cargo xtask <task>`.

mod bench;
mod demo;
mod deny;
mod extended;
mod fuzz;
mod guests;
mod report;
mod repository;
mod test;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
cargo xtask <task>

  guests                       makes sure of the wasm target, then builds the examples and the fixture guests
  test [--all] [-- ARGS..]     formatting, lints, all tests, documentation; --all adds the extended tier; ARGS go to the test runner
  bench [--quick] [--only JOB] builds the optimised host, and measures it beside what this machine allows; --quick takes a tenth of the lengths
  bench --peers WORK [--setup] [--rounds N] [--only JOB] [--peer NAME]
                               the same jobs in peers, in turn; WORK is a folder on a real disk, where --setup installs them
  fuzz [TARGET..] [--seconds N] builds the fuzz targets, and lets each that is named, or all of them, run for so long (60 seconds)
  deny                         holds licences, sources, versions and advisories of all dependencies against deny.toml
  demo                         builds the host and two examples, and shows what the host does, each step with the command to type
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments.split_first().context(USAGE)?;
    match task.as_str() {
        "guests" if rest.is_empty() => guests::build().map(drop),
        "demo" if rest.is_empty() => demo::run(),
        "deny" if rest.is_empty() => deny::run(),
        "fuzz" => fuzz::run(rest),
        "bench" => bench::run(rest),
        "test" => {
            let (options, runner) = match rest.iter().position(|argument| argument == "--") {
                Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
                None => (rest, [].as_slice()),
            };
            match options {
                [] => test::run(false, runner),
                [all] if all == "--all" => test::run(true, runner),
                _ => bail!("`cargo xtask test` takes --all and, after --, arguments for the test runner\n\n{USAGE}"),
            }
        }
        "help" | "--help" | "-h" => {
            report::line(USAGE);
            Ok(())
        }
        _ => bail!("there is no such task: {}\n\n{USAGE}", arguments.join(" ")),
    }
}
