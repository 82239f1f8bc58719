//! Flows that start flows.

use kitaru::prelude::*;

use crate::counting::{flaky_tick, slow_tick, tick};

/// A child: a step, whose number it returns.
#[flow]
fn child_step(cx: &Flow, path: String, step: u64) -> Result<u64> {
    tick(cx, path, step)
}

/// A child that waits for `go`.
#[flow]
fn child_wait(cx: &Flow, path: String) -> Result<String> {
    tick(cx, path, 2)?;
    let go: bool = cx.wait("go").question("Go on?").ask()?;
    Ok(format!("child: {go}"))
}

/// A child that fails.
#[flow]
fn child_fails(_cx: &Flow) -> Result<()> {
    Err(err!("the child fails").kind("childish"))
}

/// A child whose step fails at each of its three attempts.
#[flow]
fn child_breaks(cx: &Flow, path: String) -> Result<u64> {
    flaky_tick(cx, path, 2, u32::MAX)
}

/// A step, and a child whose failure is passed on.
#[flow]
fn parent_of_a_failure(cx: &Flow, path: String) -> Result<u64> {
    Ok(tick(cx, path.clone(), 1)? + child_breaks::call(cx, path)?)
}

/// Calls a child between two steps.
#[flow]
fn parent(cx: &Flow, path: String) -> Result<u64> {
    let before = tick(cx, path.clone(), 1)?;
    let child = child_step::call(cx, path.clone(), 2)?;
    Ok(before + child + tick(cx, path, 3)?)
}

/// Submits `count` children, and sums their results.
#[flow]
fn parent_of_many(cx: &Flow, path: String, count: u64) -> Result<u64> {
    let children = (1..=count).map(|step| child_step::submit(cx, path.clone(), step)).collect::<Result<Vec<_>>>()?;
    children.iter().map(|child| child.load()).sum()
}

/// Calls a child that waits.
#[flow]
fn parent_waits(cx: &Flow, path: String) -> Result<String> {
    tick(cx, path.clone(), 1)?;
    let said = child_wait::call(cx, path.clone())?;
    tick(cx, path, 3)?;
    Ok(format!("parent of {said}"))
}

/// Submits a child that waits and cancels it at once, then a step.
#[flow]
fn parent_changes_its_mind(cx: &Flow, path: String) -> Result<u64> {
    child_wait::submit(cx, path.clone())?.cancel();
    tick(cx, path, 1)
}

/// Submits a child that waits, cancels it after a slow step, then a step.
#[flow]
fn parent_thinks_better(cx: &Flow, path: String, milliseconds: u64) -> Result<u64> {
    let child = child_wait::submit(cx, path.clone())?;
    slow_tick(cx, path.clone(), 1, milliseconds)?;
    child.cancel();
    tick(cx, path, 3)
}

/// Calls a child that fails: the kind of the failure.
#[flow]
fn parent_catches(cx: &Flow) -> Result<String> {
    match child_fails::call(cx) {
        Ok(()) => Ok("no failure".into()),
        Err(error) => Ok(error.failure().kind.clone()),
    }
}

/// Submits a child that waits, and fails after a step.
#[flow]
fn parent_fails(cx: &Flow, path: String) -> Result<u64> {
    let _child = child_wait::submit(cx, path.clone())?;
    tick(cx, path, 2)?;
    Err(err!("the parent fails").kind("parental"))
}

/// A question, and then a child that only sleeps.
#[flow]
fn asks_and_calls_a_sleeper(cx: &Flow, milliseconds: u64) -> Result<()> {
    let _: bool = cx.wait("go").ask()?;
    crate::timing::nap::call(cx, milliseconds)
}

/// Starts a child that goes its own way: its execution ID.
#[flow]
fn parent_lets_go(cx: &Flow, path: String) -> Result<String> {
    child_step::start(cx, path, 1)
}

/// Calls a flow of a component by digest.
#[flow]
fn parent_of_other(cx: &Flow, component: String, flow: String, input: Value) -> Result<Value> {
    cx.child(flow).component(component).input(input).call()
}

/// Calls itself until the host refuses: how deep it came, and why no deeper.
#[flow]
fn descends(cx: &Flow, depth: u64) -> Result<String> {
    match descends::call(cx, depth + 1) {
        Ok(text) => Ok(text),
        Err(error) => Ok(format!("{depth}: {}", error.failure().kind)),
    }
}

#[checkpoint]
fn keep(cx: &Checkpoint, text: String) -> Result<()> {
    cx.save("kept", &text, Kind::Output).map(drop)
}

/// Keeps a text, and says where: its own execution ID.
#[flow]
fn keeps(cx: &Flow, text: String) -> Result<String> {
    keep(cx, text)?;
    Ok(cx.execution_id())
}

/// A child that keeps a text, and a checkpoint that loads it by the ID that the child gave.
#[flow]
fn parent_loads(cx: &Flow, text: String) -> Result<Value> {
    let child = keeps::call(cx, text)?;
    crate::records::loads_json(cx, child, "kept".into())
}

/// The same after an answer: other code may have come to it by then.
#[flow]
fn parent_asks_and_loads(cx: &Flow, text: String) -> Result<Value> {
    let child = keeps::call(cx, text)?;
    let _: bool = cx.wait("go").ask()?;
    crate::records::loads_json(cx, child, "kept".into())
}

/// Keeps a text, and calls a flow of a component by digest.
#[flow]
fn parent_keeps_and_calls(cx: &Flow, component: String, flow: String, input: Value) -> Result<Value> {
    keep(cx, "its own".into())?;
    cx.child(flow).component(component).input(input).call()
}
