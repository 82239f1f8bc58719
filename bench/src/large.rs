//! How commands fare with much behind them: long executions, and journals with a gigabyte of values.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;
use crate::samples::{median, micros};

fn id(execution: &Value) -> Result<&str> {
    execution.pointer("/item/exec_id").and_then(Value::as_str).context("no execution")
}

/// Rounds in which the shorter and the longer execution are sampled in turn.
const ROUNDS: usize = 3;
/// What is done with them.
const VERBS: [&str; 3] = ["run", "replay", "verify"];

/// What has this program touch memory and end.
pub(crate) const TOUCH: &str = "--touch-memory";
/// More than any of the long executions takes, in bytes.
const MEMORY: usize = 1 << 30;
const PAGE: usize = 4096;

/// Takes memory as the host does, and writes to each page of it.
pub(crate) fn touch() -> Result<()> {
    let mut memory = vec![0_u8; MEMORY];
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
    Ok(())
}

/// How long a command took that finds memory which was in use just now. A virtual machine may get its memory when it touches it, and give it back
/// when it does not use it: then a process that needs much of it takes several times as long as the same one right after it, and the longer
/// execution would be measured by the memory of the machine and not by its steps.
fn timed(bench: &Bench, home: &Path, arguments: &[&str]) -> Result<(Duration, Value)> {
    // Where there is not so much memory, it is measured as it is.
    Command::new(std::env::current_exe()?).arg(TOUCH).status()?;
    bench.command(home, arguments)
}

/// One flow of many checkpoints: the cost of a step must not depend on how many there were before.
pub(crate) fn executions(bench: &Bench, report: &mut Report) -> Result<()> {
    let lengths = [10_000, 100_000].map(|steps| bench.scaled(steps));
    let mut samples: [[Vec<f64>; 3]; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (steps, samples) in lengths.into_iter().zip(&mut samples) {
            for (samples, each) in samples.iter_mut().zip(one(bench, steps)?) {
                samples.push(each);
            }
        }
    }
    let [shorter, longer] = samples.map(|verbs| verbs.map(|mut samples| median(&mut samples)));
    let [few, many] = lengths;
    let what = |verb: &str, steps: u64| format!("`{verb}` of {steps} checkpoints, each");
    for ((name, verb), each) in ["run_10000", "replay_10000", "verify_10000"].into_iter().zip(VERBS).zip(shorter) {
        report.add(Figure::new(name, what(verb, few), each, "µs"));
    }
    for (((name, verb), each), shorter) in
        ["run_100000", "replay_100000", "verify_100000"].into_iter().zip(VERBS).zip(longer).zip(shorter)
    {
        let figure = Figure::new(name, what(verb, many), each, "µs").beside("of the shorter one", shorter);
        report.add(figure.target(Target::RatioAtMost(1.3)));
    }
    Ok(())
}

/// What each verb takes for each of so many checkpoints, in microseconds.
fn one(bench: &Bench, steps: u64) -> Result<[f64; 3]> {
    let home = bench.folder()?;
    let guest = bench.guest.to_str().context("a path")?;
    let nothing = ["run", &format!("{guest}:no_calls"), "--input", "{}"];
    bench.command(home.path(), &nothing)?;
    // What a process takes that does nothing, which is no part of a step.
    let (start, _) = timed(bench, home.path(), &nothing)?;
    let (limit, input) = (format!("--max-calls={}", steps + 1), format!(r#"{{"steps":{steps}}}"#));
    let (run, execution) = timed(bench, home.path(), &["run", &format!("{guest}:sequence"), "--input", &input, &limit])?;
    let result = execution.pointer("/item/result").and_then(Value::as_u64);
    ensure!(result == Some(steps * (steps + 1) / 2), "the flow returned {result:?}");
    let from = format!(":{}", steps - 1);
    let (replay, replayed) = timed(bench, home.path(), &["executions", "replay", id(&execution)?, "--from", &from, &limit])?;
    ensure!(replayed.pointer("/item/result") == execution.pointer("/item/result"), "the replay's result is another");
    let (verify, verified) = timed(bench, home.path(), &["executions", "verify", id(&execution)?])?;
    ensure!(verified.pointer("/items/0/holds") == Some(&Value::Bool(true)), "{verified}");
    Ok([run, replay, verify].map(|time| micros(time.saturating_sub(start)) / steps as f64))
}

fn last(names: [&'static str; 3]) -> &'static str {
    let [_, _, last] = names;
    last
}

/// Journals with a gigabyte of values, in the database and beside it.
pub(crate) fn journals(bench: &Bench, report: &mut Report) -> Result<()> {
    let all = bench.scaled(1024 * 1024 * 1024);
    for (bytes, names) in [
        (16 * 1024, ["first_command_16k", "list_16k", "answer_16k"]),
        (1024 * 1024, ["first_command_1m", "list_1m", "answer_1m"]),
    ] {
        let count = all / bytes;
        let home = bench.folder()?;
        let guest = bench.guest.to_str().context("a path")?;
        bench.command(home.path(), &["run", &format!("{guest}:no_calls"), "--input", "{}"])?;
        let input = format!(r#"{{"steps":{count},"bytes":{bytes}}}"#);
        let (_, execution) = bench.command(
            home.path(),
            &["run", &format!("{guest}:bulk"), "--input", &input, "--max-calls=200000", "--max-history=4096"],
        )?;
        let (status, _) = bench.command(home.path(), &["status"])?;
        let (list, _) = bench.command(home.path(), &["executions", "list"])?;
        let (answer, done) = bench.command(home.path(), &["executions", "input", id(&execution)?, "--value", "true"])?;
        ensure!(done.pointer("/item/result").and_then(Value::as_u64) == Some((count + 1) * bytes), "{done}");
        let what = ["the first command", "`executions list`"];
        for ((name, what), time) in names.iter().zip(what).zip([status, list]) {
            let what = format!("{what}, beside {count} values of {bytes} bytes");
            report.add(Figure::new(name, what, micros(time) / 1e3, "ms").target(Target::AtMost(1_000.0)));
        }
        let what = format!("answer to a flow that goes over {count} values of {bytes} bytes again, each");
        report.add(Figure::new(last(names), what, micros(answer) / count as f64, "µs"));
    }
    Ok(())
}
