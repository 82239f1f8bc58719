//! How calls are named, what crosses in them, and what comes back.

use kitaru::prelude::*;

#[checkpoint]
pub(crate) fn echo(_cx: &Checkpoint, value: Value) -> Result<Value> {
    Ok(value)
}

#[checkpoint]
fn add(_cx: &Checkpoint, total: u64, step: u64) -> Result<u64> {
    Ok(total + step)
}

#[checkpoint(name = "renamed-step", type = "tool_call")]
fn named(_cx: &Checkpoint) -> Result<String> {
    Ok("named".into())
}

#[checkpoint(type = "custom_word")]
fn typed(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint]
fn maybe(_cx: &Checkpoint, present: bool) -> Result<Option<String>> {
    Ok(present.then(|| "here".into()))
}

/// Calls the same checkpoint three times.
#[flow]
fn thrice(cx: &Flow) -> Result<Vec<Value>> {
    (1..=3).map(|n| echo(cx, json!(n))).collect()
}

/// Calls with an invocation ID of the author's own, then without.
#[flow]
fn custom_id(cx: &Flow) -> Result<Vec<Value>> {
    Ok(vec![echo::id("custom").call(cx, json!("first"))?, echo(cx, json!("second"))?])
}

/// Gives two calls the same invocation ID.
#[flow]
fn same_id_twice(cx: &Flow) -> Result<Vec<Value>> {
    Ok(vec![echo::id("custom").call(cx, json!(1))?, echo::id("custom").call(cx, json!(2))?])
}

/// Calls a checkpoint with a name of its own and type `tool_call`, and one with another type.
#[flow]
fn named_and_typed(cx: &Flow) -> Result<String> {
    typed(cx)?;
    named(cx)
}

/// Sums 1 to `steps`, one checkpoint per step, with no capability.
#[flow]
fn sequence(cx: &Flow, steps: u64) -> Result<u64> {
    let mut total = 0;
    for step in 1..=steps {
        total = add(cx, total, step)?;
    }
    Ok(total)
}

/// Sends any JSON through a checkpoint and back.
#[flow]
fn echo_value(cx: &Flow, value: Value) -> Result<Value> {
    echo(cx, value)
}

/// Runs no checkpoint at all.
#[flow]
fn no_calls(_cx: &Flow) -> Result<String> {
    Ok("nothing happened".into())
}

#[flow]
fn null_result(_cx: &Flow) -> Result<()> {
    Ok(())
}

/// `null` or `"here"`, through a checkpoint.
#[flow]
fn option_result(cx: &Flow, present: bool) -> Result<Option<String>> {
    maybe(cx, present)
}

/// A list of a text and a number.
#[flow]
fn several_results(_cx: &Flow) -> Result<(String, u32)> {
    Ok(("text".into(), 7))
}

/// Every kind of argument: required, optional, structured.
#[flow]
fn arguments(_cx: &Flow, text: String, count: u32, flag: Option<bool>, list: Vec<i64>, shape: Option<Shape>) -> Result<Value> {
    Ok(json!({ "text": text, "count": count, "flag": flag, "list": list, "shape": shape }))
}

/// A structured argument.
#[data]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}
