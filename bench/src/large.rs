//! How commands fare with much behind them: long executions, and journals with a gigabyte of values.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;
use crate::samples::micros;

fn id(execution: &Value) -> Result<&str> {
    execution.pointer("/item/exec_id").and_then(Value::as_str).context("no execution")
}

/// One flow of many checkpoints: the cost of a step must not depend on how many there were before.
pub(crate) fn executions(bench: &Bench, report: &mut Report) -> Result<()> {
    const NAMES: [[&str; 3]; 2] =
        [["run_10000", "replay_10000", "verify_10000"], ["run_100000", "replay_100000", "verify_100000"]];
    let mut shortest: Option<[f64; 3]> = None;
    for (steps, names) in [10_000, 100_000].map(|steps| bench.scaled(steps)).into_iter().zip(NAMES) {
        let home = bench.folder()?;
        let guest = bench.guest.to_str().context("a path")?;
        let nothing = ["run", &format!("{guest}:no_calls"), "--input", "{}"];
        bench.command(home.path(), &nothing)?;
        // What a process takes that does nothing, which is no part of a step.
        let (start, _) = bench.command(home.path(), &nothing)?;
        let (limit, input) = (format!("--max-calls={}", steps + 1), format!(r#"{{"steps":{steps}}}"#));
        let (run, execution) = bench.command(home.path(), &["run", &format!("{guest}:sequence"), "--input", &input, &limit])?;
        let result = execution.pointer("/item/result").and_then(Value::as_u64);
        ensure!(result == Some(steps * (steps + 1) / 2), "the flow returned {result:?}");
        let from = format!(":{}", steps - 1);
        let (replay, replayed) =
            bench.command(home.path(), &["executions", "replay", id(&execution)?, "--from", &from, &limit])?;
        ensure!(replayed.pointer("/item/result") == execution.pointer("/item/result"), "the replay's result is another");
        let (verify, verified) = bench.command(home.path(), &["executions", "verify", id(&execution)?])?;
        ensure!(verified.pointer("/items/0/holds") == Some(&Value::Bool(true)), "{verified}");
        let each = [run, replay, verify].map(|time| micros(time.saturating_sub(start)) / steps as f64);
        let shorter = shortest.replace(each);
        for (at, (name, verb)) in names.iter().zip(["run", "replay", "verify"]).enumerate() {
            let what = format!("`{verb}` of {steps} checkpoints, each");
            let figure = Figure::new(name, what, each.get(at).copied().unwrap_or(f64::NAN), "µs");
            report.add(match shorter.as_ref().and_then(|shorter| shorter.get(at)) {
                Some(shorter) => figure.beside("of the shorter one", *shorter).target(Target::RatioAtMost(1.3)),
                None => figure,
            });
        }
    }
    Ok(())
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
