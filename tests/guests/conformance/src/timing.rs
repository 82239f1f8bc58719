//! Sleeps, deadlines, pauses between attempts, timeouts, retries of flows.

use std::time::Duration;

use kitaru::prelude::*;

use crate::counting::{tick, trace};

/// A step, a sleep, and a step.
#[flow]
fn sleeps(cx: &Flow, path: String, milliseconds: u64) -> Result<u64> {
    tick(cx, path.clone(), 1)?;
    cx.sleep(Duration::from_millis(milliseconds))?;
    tick(cx, path, 2)
}

/// Only a sleep.
#[flow]
pub(crate) fn nap(cx: &Flow, milliseconds: u64) -> Result<()> {
    cx.sleep(Duration::from_millis(milliseconds))
}

/// A question that answers itself with `false` after `milliseconds`.
#[flow]
fn wait_or_after(cx: &Flow, milliseconds: u64) -> Result<bool> {
    cx.wait("approve").question("Approve?").or_after(Duration::from_millis(milliseconds), false)?.ask()
}

/// A question that fails after `milliseconds`: the kind of its failure, or the answer.
#[flow]
fn wait_within(cx: &Flow, milliseconds: u64) -> Result<String> {
    match cx.wait("approve").within(Duration::from_millis(milliseconds)).ask() {
        Ok(answer) => Ok(format!("answered {answer}")),
        Err(error) => Ok(error.failure().kind.clone()),
    }
}

/// A default that is no answer.
#[flow]
fn wait_bad_default(cx: &Flow) -> Result<Value> {
    let schema = json!({ "type": "boolean" });
    cx.wait("approve").json_schema(schema).or_after(Duration::from_millis(10), json!("text"))?.ask()
}

#[checkpoint(retries = 3, retry_delay = "200ms", backoff = 2, max_delay = "300ms", jitter = 0)]
fn patient(cx: &Checkpoint, path: String, succeed_on: u32) -> Result<u32> {
    trace(cx, &path, u64::from(cx.attempt()))?;
    if cx.attempt() < succeed_on {
        bail!("attempt {} fails", cx.attempt());
    }
    Ok(cx.attempt())
}

/// A checkpoint that fails until attempt `succeed_on`, with pauses of 200, 300 and 300 ms.
#[flow]
fn backs_off(cx: &Flow, path: String, succeed_on: u32) -> Result<u32> {
    patient(cx, path, succeed_on)
}

#[checkpoint(retries = 2, retry_delay = "1h", jitter = 0)]
fn very_patient(cx: &Checkpoint, path: String) -> Result<u32> {
    trace(cx, &path, u64::from(cx.attempt()))?;
    bail!("attempt {} fails", cx.attempt())
}

/// A checkpoint that pauses for an hour after it failed.
#[flow]
fn long_pause(cx: &Flow, path: String) -> Result<u32> {
    very_patient(cx, path)
}

#[checkpoint(retries = 3, retry_delay = "1ms", retry_on = ["busy"], no_retry_on = ["closed"])]
fn choosy(cx: &Checkpoint, path: String, kind: String) -> Result<()> {
    trace(cx, &path, u64::from(cx.attempt()))?;
    Err(err!("it is {kind}").kind(kind))
}

/// A checkpoint that is only tried again where it was busy.
#[flow]
fn tries_again_when_busy(cx: &Flow, path: String, kind: String) -> Result<()> {
    choosy(cx, path, kind)
}

#[checkpoint(retries = 1, retry_delay = "1ms", timeout = "2s")]
fn hurried(cx: &Checkpoint, path: String, milliseconds: u64) -> Result<u32> {
    trace(cx, &path, u64::from(cx.attempt()))?;
    if cx.attempt() == 1 {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }
    Ok(cx.attempt())
}

/// A checkpoint whose first attempt takes `milliseconds`, and may take two seconds.
#[flow]
fn times_out(cx: &Flow, path: String, milliseconds: u64) -> Result<u32> {
    hurried(cx, path, milliseconds)
}

#[checkpoint]
fn counted_failure(cx: &Checkpoint, path: String, file: String, succeed_on: u64) -> Result<u64> {
    trace(cx, &path, 2)?;
    let count = std::fs::read_to_string(&file).unwrap_or_default().len() as u64 + 1;
    std::fs::write(&file, "x".repeat(count as usize))?;
    if count < succeed_on {
        bail!("run {count} fails");
    }
    Ok(count)
}

/// A step, a step that fails until it ran `succeed_on` times, and a step; the flow is tried three times.
#[flow(retries = 2)]
fn tried_again(cx: &Flow, path: String, file: String, succeed_on: u64) -> Result<u64> {
    tick(cx, path.clone(), 1)?;
    let count = counted_failure(cx, path.clone(), file, succeed_on)?;
    tick(cx, path, 3)?;
    Ok(count)
}
