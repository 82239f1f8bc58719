//! Logs, metadata, progress and artifacts.

use kitaru::prelude::*;
use kitaru::raw::artifacts;

/// Objects under one key, merged; on the execution.
#[flow]
fn log_merge(cx: &Flow) -> Result<()> {
    cx.log("cost", json!({ "usd": 0.001 }))?;
    cx.log("cost", json!({ "tokens": 42 }))
}

/// A scalar twice: the latest value stands. An object over a scalar, and a scalar over an object.
#[flow]
fn log_latest(cx: &Flow) -> Result<()> {
    cx.log("stage", "first")?;
    cx.log("stage", "second")?;
    cx.log("mixed", 1)?;
    cx.log("mixed", json!({ "a": 1 }))?;
    cx.log("other", json!({ "a": 1 }))?;
    cx.log("other", 2)
}

/// One key in both scopes.
#[flow]
fn log_scopes(cx: &Flow) -> Result<()> {
    cx.log("where", "flow")?;
    logs(cx)?;
    cx.log_all(json!({ "a": [1, 2], "b": null }))
}

#[checkpoint]
fn logs(cx: &Checkpoint) -> Result<()> {
    cx.log("where", "checkpoint")?;
    cx.progress("half way", Some(0.5));
    cx.progress("unknown", None);
    Ok(())
}

/// A line at every level, and on stdout and stderr, in both scopes.
#[flow]
fn log_lines(cx: &Flow) -> Result<()> {
    lines(cx, "flow");
    prints(cx)?;
    println!("flow stdout after");
    Ok(())
}

#[checkpoint]
fn prints_unless_blocked(cx: &Checkpoint, blocker: String) -> Result<()> {
    if std::fs::exists(&blocker)? {
        return Err(err!("blocked").kind("blocked").retryable(false));
    }
    cx.info("second checkpoint");
    Ok(())
}

/// A line of the flow before and after each of three checkpoints, of which the second fails while the file `blocker` exists.
#[flow]
fn log_retry(cx: &Flow, blocker: String) -> Result<()> {
    cx.info("flow 1");
    prints(cx)?;
    cx.info("flow 2");
    prints_unless_blocked(cx, blocker)?;
    cx.info("flow 3");
    prints(cx)?;
    cx.info("flow 4");
    Ok(())
}

#[checkpoint]
fn prints(cx: &Checkpoint) -> Result<()> {
    lines(cx, "checkpoint");
    Ok(())
}

fn lines(cx: &impl Scope, from: &str) {
    cx.trace(format!("{from} trace"));
    cx.debug(format!("{from} debug"));
    cx.info(format!("{from} info"));
    cx.warn(format!("{from} warn"));
    cx.error(format!("{from} error"));
    println!("{from} stdout");
    eprintln!("{from} stderr");
}

/// Logs before and after a wait `go`: what is logged again on recovery is dropped.
#[flow]
fn log_wait(cx: &Flow) -> Result<()> {
    cx.info("before");
    println!("printed before");
    cx.log("stage", "before")?;
    cx.wait("go").ask()?;
    cx.info("after");
    cx.log("stage", "after")
}

/// `lines` lines of `bytes` bytes each.
#[flow]
fn log_volume(cx: &Flow, lines: u32, bytes: usize) -> Result<()> {
    for _ in 0..lines {
        cx.info("x".repeat(bytes));
    }
    Ok(())
}

/// Saves one artifact of every kind, tagged; a blob of `blob_bytes` bytes.
#[flow]
fn save_kinds(cx: &Flow, blob_bytes: usize) -> Result<Vec<String>> {
    saves_kinds(cx, blob_bytes)
}

#[checkpoint]
fn saves_kinds(cx: &Checkpoint, blob_bytes: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for kind in [Kind::Prompt, Kind::Response, Kind::Context, Kind::Input, Kind::Output] {
        ids.push(cx.save_tagged(&format!("my_{kind}"), &json!({ "kind": kind.as_str() }), kind, &["tag", kind.as_str()])?);
    }
    ids.push(cx.save_blob("my_blob", "application/octet-stream", vec![0xff; blob_bytes])?);
    Ok(ids)
}

/// Saves under a kind that is given as text, past the SDK's check.
#[flow]
fn save_kind_text(cx: &Flow, kind: String) -> Result<String> {
    saves_kind_text(cx, kind)
}

#[checkpoint]
fn saves_kind_text(_cx: &Checkpoint, kind: String) -> Result<String> {
    Ok(artifacts::save("odd", &artifacts::Value::Json("{}".into()), &kind, &[])?)
}

/// Saves one name twice in one checkpoint.
#[flow]
fn save_twice(cx: &Flow, name: String) -> Result<()> {
    saves_twice(cx, name)
}

#[checkpoint]
fn saves_twice(cx: &Checkpoint, name: String) -> Result<()> {
    cx.save(&name, &1, Kind::Output)?;
    cx.save(&name, &2, Kind::Output)?;
    Ok(())
}

/// Saves, then fails.
#[flow]
fn save_then_fail(cx: &Flow) -> Result<()> {
    saves_then_fails(cx)
}

#[checkpoint(retries = 1)]
fn saves_then_fails(cx: &Checkpoint) -> Result<()> {
    cx.save("partial", &cx.attempt(), Kind::Output)?;
    cx.log("attempted", cx.attempt())?;
    bail!("after saving")
}

/// Saves JSON of `bytes` bytes.
#[flow]
fn save_large(cx: &Flow, bytes: usize) -> Result<()> {
    saves_large(cx, bytes)
}

#[checkpoint]
fn saves_large(cx: &Checkpoint, bytes: usize) -> Result<()> {
    cx.save("large", &"x".repeat(bytes), Kind::Output).map(drop)
}

/// Loads JSON from any execution by any name.
#[flow]
fn load_json(cx: &Flow, execution: String, name: String) -> Result<Value> {
    loads_json(cx, execution, name)
}

#[checkpoint]
pub(crate) fn loads_json(cx: &Checkpoint, execution: String, name: String) -> Result<Value> {
    cx.load(&execution, &name)
}

/// Loads bytes, and tells their media type and number.
#[flow]
fn load_bytes(cx: &Flow, execution: String, name: String) -> Result<Value> {
    loads_bytes(cx, execution, name)
}

#[checkpoint]
fn loads_bytes(cx: &Checkpoint, execution: String, name: String) -> Result<Value> {
    let blob = cx.load_blob(&execution, &name)?;
    Ok(json!({ "media_type": blob.media_type, "bytes": blob.bytes.len() }))
}

/// Keeps the moment under a name of its own, and says it: another one every time that it runs.
#[checkpoint]
fn moment(cx: &Checkpoint) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let text = now.as_nanos().to_string();
    cx.info(format!("it is {text}"));
    cx.save(&format!("at {text}"), &text, Kind::Output)?;
    Ok(text)
}

/// The same without keeping it.
#[checkpoint]
pub(crate) fn fleeting(_cx: &Checkpoint) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(now.as_nanos().to_string())
}

/// `steps` times both, each of which the flow repeats in its log.
#[flow]
fn moments(cx: &Flow, steps: u64) -> Result<()> {
    for _ in 0..steps {
        let kept = moment(cx)?;
        cx.info(format!("heard {kept}"));
        let passed = fleeting(cx)?;
        cx.info(format!("heard {passed}"));
    }
    Ok(())
}
