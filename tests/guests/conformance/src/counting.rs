//! Bodies that leave a trace: each run adds the line `idempotency-key attempt step` to a file, so that tests can count them.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use kitaru::prelude::*;

pub(crate) fn trace(cx: &Checkpoint, path: &str, step: u64) -> Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // One write, so that lines of parallel attempts do not mix.
    file.write_all(format!("{} {} {step}\n", cx.idempotency_key(), cx.attempt()).as_bytes())?;
    Ok(())
}

/// Takes so many milliseconds, or less where the file `<path>.<step>` is there: a test that needs a body to run says itself until when.
pub(crate) fn linger(path: &str, step: u64, milliseconds: u64) -> Result<()> {
    let end = Instant::now() + Duration::from_millis(milliseconds);
    let open = format!("{path}.{step}");
    while !std::fs::exists(&open)? {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(10)));
    }
    Ok(())
}

#[checkpoint]
pub(crate) fn tick(cx: &Checkpoint, path: String, step: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    Ok(step)
}

#[checkpoint]
pub(crate) fn slow_tick(cx: &Checkpoint, path: String, step: u64, milliseconds: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    linger(&path, step, milliseconds)?;
    Ok(step)
}

#[checkpoint(retries = 2)]
pub(crate) fn flaky_tick(cx: &Checkpoint, path: String, step: u64, succeed_on: u32) -> Result<u64> {
    trace(cx, &path, step)?;
    if cx.attempt() < succeed_on {
        bail!("attempt {} of step {step} fails", cx.attempt());
    }
    Ok(step)
}

#[checkpoint]
pub(crate) fn blocked_tick(cx: &Checkpoint, path: String, step: u64, blocker: String) -> Result<u64> {
    trace(cx, &path, step)?;
    if std::fs::exists(&blocker)? {
        return Err(err!("step {step} is blocked").kind("blocked").retryable(false));
    }
    Ok(step)
}

/// `steps` steps, one checkpoint each; the result is their sum.
#[flow]
fn count(cx: &Flow, path: String, steps: u64) -> Result<u64> {
    (1..=steps).map(|step| tick(cx, path.clone(), step)).sum()
}

/// Like `count`, and every step lingers after its line is written.
#[flow]
fn count_slow(cx: &Flow, path: String, steps: u64, milliseconds: u64) -> Result<u64> {
    (1..=steps).map(|step| slow_tick(cx, path.clone(), step, milliseconds)).sum()
}

/// A step, a step with two retries that succeeds on attempt `succeed_on`, and a step.
#[flow]
fn count_flaky(cx: &Flow, path: String, succeed_on: u32) -> Result<u64> {
    Ok(tick(cx, path.clone(), 1)? + flaky_tick(cx, path.clone(), 2, succeed_on)? + tick(cx, path, 3)?)
}

/// A step, a wait `go`, and a step.
#[flow]
fn count_wait(cx: &Flow, path: String) -> Result<Value> {
    let before = tick(cx, path.clone(), 1)?;
    let go = cx.wait("go").question("Go on?").ask()?;
    let after = tick(cx, path, 2)?;
    Ok(json!({ "before": before, "go": go, "after": after }))
}

/// A step, `waits` times a wait `go` and a step.
#[flow]
fn count_waits(cx: &Flow, path: String, waits: u64) -> Result<u64> {
    let mut total = tick(cx, path.clone(), 0)?;
    for step in 1..=waits {
        cx.wait("go").ask()?;
        total += tick(cx, path.clone(), step)?;
    }
    Ok(total)
}

/// A step, a step that fails while the file `blocker` exists, and a step.
#[flow]
fn count_blocked(cx: &Flow, path: String, blocker: String) -> Result<u64> {
    Ok(tick(cx, path.clone(), 1)? + blocked_tick(cx, path.clone(), 2, blocker)? + tick(cx, path, 3)?)
}

/// Catches the failure of step 1, takes step 10 instead, and then fails in step 2: both while the file `blocker` exists.
#[flow]
fn count_caught(cx: &Flow, path: String, blocker: String) -> Result<Value> {
    let first = match blocked_tick(cx, path.clone(), 1, blocker.clone()) {
        Ok(step) => step,
        Err(_) => tick(cx, path.clone(), 10)?,
    };
    let second = blocked_tick(cx, path, 2, blocker)?;
    Ok(json!([first, second]))
}
