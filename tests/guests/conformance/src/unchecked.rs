//! Calls past the SDK's types, as a guest in another language could make them. Each flow returns what the host answered: the
//! failure as an object, or `{"ok": ..}`.

use kitaru::prelude::*;
use kitaru::raw::types::{Failure, Origin};
use kitaru::raw::{artifacts, checkpoint, log, wait};

fn answer<T: Into<Value>>(result: std::result::Result<T, Failure>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value.into() }),
        Err(failure) => json!({
            "kind": failure.kind,
            "message": failure.message,
            "origin": origin(failure.origin),
            "retryable": failure.retryable,
            "call_index": failure.call_index,
        }),
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::UserCode => "user-code",
        Origin::Runtime => "runtime",
        Origin::Backend => "backend",
        Origin::Divergence => "divergence",
        Origin::Unknown => "unknown",
    }
}

fn call(name: &str, input: &str) -> Value {
    answer(checkpoint::call(name, input, &checkpoint::Options { id: None, cache_key: None }))
}

fn request() -> wait::Request {
    wait::Request {
        name: Some("misplaced".into()),
        question: None,
        schema: None,
        timeout_seconds: None,
        metadata: None,
        deadline_milliseconds: None,
        default: None,
    }
}

fn save() -> Value {
    answer(artifacts::save("misplaced", &artifacts::Value::Json("1".into()), "output", &[]))
}

fn load() -> Value {
    answer(artifacts::load("00000000-0000-7000-8000-000000000000", "misplaced").map(|value| format!("{value:?}")))
}

/// Calls a checkpoint from a checkpoint.
#[flow]
fn raw_call_in_checkpoint(cx: &Flow) -> Result<Value> {
    calls(cx)
}

#[checkpoint]
fn calls(_cx: &Checkpoint) -> Result<Value> {
    Ok(call("echo", r#"{"value":1}"#))
}

/// Waits in a checkpoint.
#[flow]
fn raw_wait_in_checkpoint(cx: &Flow) -> Result<Value> {
    waits(cx)
}

#[checkpoint]
fn waits(_cx: &Checkpoint) -> Result<Value> {
    Ok(answer(wait::wait(&request())))
}

/// Saves an artifact in the flow.
#[flow]
fn raw_save_in_flow(_cx: &Flow) -> Result<Value> {
    Ok(save())
}

/// Loads an artifact in the flow.
#[flow]
fn raw_load_in_flow(_cx: &Flow) -> Result<Value> {
    Ok(load())
}

/// Calls a checkpoint that does not exist.
#[flow]
fn raw_unknown_checkpoint(_cx: &Flow) -> Result<Value> {
    Ok(call("no_such_checkpoint", "{}"))
}

/// Calls the checkpoint `echo` with an input of any text.
#[flow]
fn raw_input(_cx: &Flow, input: String) -> Result<Value> {
    Ok(call("echo", &input))
}

/// Calls the checkpoint `echo` with any invocation ID.
#[flow]
fn raw_id(_cx: &Flow, id: String) -> Result<Value> {
    Ok(answer(checkpoint::call("echo", r#"{"value":1}"#, &checkpoint::Options { id: Some(id), cache_key: None })))
}

/// Logs metadata of any text.
#[flow]
fn raw_log(_cx: &Flow, key: String, json: String) -> Result<Value> {
    Ok(answer(log::record(&[(key, json)])))
}

/// Waits with a schema and metadata of any text.
#[flow]
fn raw_wait(_cx: &Flow, schema: Option<String>, metadata: Option<String>) -> Result<Value> {
    Ok(answer(wait::wait(&wait::Request { schema, metadata, ..request() })))
}

/// Saves JSON of any text.
#[flow]
fn raw_save_text(cx: &Flow, text: String) -> Result<Value> {
    saves_text(cx, text)
}

#[checkpoint]
fn saves_text(_cx: &Checkpoint, text: String) -> Result<Value> {
    Ok(answer(artifacts::save("odd", &artifacts::Value::Json(text), "output", &[])))
}

/// Submits a checkpoint from a checkpoint.
#[flow]
fn misplaced_submit(cx: &Flow) -> Result<Value> {
    submits(cx)
}

#[checkpoint]
fn submits(_cx: &Checkpoint) -> Result<Value> {
    let options = checkpoint::Options { id: None, cache_key: None };
    Ok(answer(checkpoint::submit("echo", r#"{"value":1}"#, &options).map(|_pending| "submitted")))
}
