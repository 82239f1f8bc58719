//! Flows that do next to nothing, for `cargo xtask bench`: what is measured is the host, with a component of an ordinary size.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kitaru::prelude::*;

#[checkpoint]
fn add(_cx: &Checkpoint, total: u64, step: u64) -> Result<u64> {
    Ok(total + step)
}

/// Runs no checkpoint at all.
#[flow]
fn no_calls(_cx: &Flow) -> Result<()> {
    Ok(())
}

/// Sums 1 to `steps`, one checkpoint after the other.
#[flow]
fn sequence(cx: &Flow, steps: u64) -> Result<u64> {
    sum(cx, steps)
}

/// The same, and then the wait `go`.
#[flow]
fn sequence_then_wait(cx: &Flow, steps: u64) -> Result<u64> {
    let total = sum(cx, steps)?;
    let _: bool = cx.wait("go").ask()?;
    Ok(total)
}

fn sum(cx: &Flow, steps: u64) -> Result<u64> {
    (1..=steps).try_fold(0, |total, step| add(cx, total, step))
}

/// The same as `add`, with a look at an environment variable that the body must have been given.
#[checkpoint]
fn add_looking(_cx: &Checkpoint, total: u64, step: u64) -> Result<u64> {
    let there = !std::env::var("PATH")?.is_empty();
    Ok(total + step * u64::from(there))
}

/// Sums 1 to `steps`, each of them with what was granted.
#[flow]
fn sequence_looking(cx: &Flow, steps: u64) -> Result<u64> {
    (1..=steps).try_fold(0, |total, step| add_looking(cx, total, step))
}

/// Makes so many lines, and says them or not.
#[checkpoint]
fn make_lines(_cx: &Checkpoint, lines: u64, said: bool) -> Result<u64> {
    for number in 0..lines {
        let line = format!("line {number} of a body that has much to say");
        if said {
            println!("{line}");
        } else {
            std::hint::black_box(line);
        }
    }
    Ok(lines)
}

/// Only that.
#[flow]
fn lines(cx: &Flow, lines: u64, said: bool) -> Result<u64> {
    make_lines(cx, lines, said)
}

/// Only a sleep.
#[flow]
fn nap(cx: &Flow, milliseconds: u64) -> Result<()> {
    cx.sleep(Duration::from_millis(milliseconds))
}

#[checkpoint]
fn bulk_value(_cx: &Checkpoint, step: u64, bytes: usize) -> Result<String> {
    // Every value is another, so that none is stored in place of another.
    let mut text = format!("{step:020}");
    text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
    Ok(text)
}

/// `steps` results of `bytes` bytes each, then the wait `go`, then one more; the sum of their lengths.
#[flow]
fn bulk(cx: &Flow, steps: u64, bytes: usize) -> Result<u64> {
    let mut total = 0;
    for step in 0..steps {
        total += bulk_value(cx, step, bytes)?.len() as u64;
    }
    let _: bool = cx.wait("go").ask()?;
    Ok(total + bulk_value(cx, steps, bytes)?.len() as u64)
}

/// The same steps beside each other, and no wait; the sum of their lengths.
#[flow]
fn bulk_beside(cx: &Flow, steps: u64, bytes: usize) -> Result<u64> {
    let values = bulk_value::map(cx, (0..steps).map(|step| (step, bytes)))?.load()?;
    Ok(values.iter().map(|value| value.len() as u64).sum())
}

/// Writes a line, then takes its time.
#[checkpoint]
fn slow_line(_cx: &Checkpoint, path: String, step: u64, milliseconds: u64) -> Result<u64> {
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{step}\n").as_bytes())?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(step)
}

/// `steps` of them.
#[flow]
fn count_slow(cx: &Flow, path: String, steps: u64, milliseconds: u64) -> Result<u64> {
    (1..=steps).map(|step| slow_line(cx, path.clone(), step, milliseconds)).sum()
}

/// Takes an answer piece by piece. Each piece is the moment at which it was sent, in microseconds since the Unix epoch; the result has beside
/// each the moment at which it was here.
#[checkpoint]
fn take_pieces(cx: &Checkpoint, model: String) -> Result<Vec<(u64, u64)>> {
    let mut moments = Vec::new();
    for piece in cx.llm("Go on.").model(model).stream()? {
        let sent = piece?.trim().parse()?;
        let here = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
        moments.push((sent, here));
    }
    Ok(moments)
}

/// Only that.
#[flow]
fn streamed(cx: &Flow, model: String) -> Result<Vec<(u64, u64)>> {
    take_pieces(cx, model)
}
