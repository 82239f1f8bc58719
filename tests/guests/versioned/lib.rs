//! The flow `pipeline` in several versions, one per crate: what an execution meets whose code has changed under it.
//!
//! `v1` is the flow as it was first released, and fails in `publish` for the topic `broken`. Each of the others is `v1` with one
//! change, named by its feature. `fixed` changes only the body that fails.

use std::io::Write;

use kitaru::prelude::*;

/// Researches, drafts and publishes. With `log`, a file in a folder granted for writing, every body that runs adds a line to it.
#[flow]
fn pipeline(cx: &Flow, topic: String, log: Option<String>) -> Result<String> {
    let notes = notes(cx, topic.clone(), &log)?;
    #[cfg(feature = "extra")]
    let notes = outline(cx, notes, log.clone())?;
    let draft = draft(cx, notes, &log)?;
    if cfg!(feature = "shorter") {
        return Ok(draft);
    }
    publish(cx, draft, log)
}

/// Like `pipeline`, with a wait `go` before publishing.
#[flow]
fn gated(cx: &Flow, topic: String, log: Option<String>) -> Result<String> {
    let notes = notes(cx, topic, &log)?;
    let draft = draft(cx, notes, &log)?;
    let go: bool = cx.wait("go").question("Publish?").ask()?;
    if go { publish(cx, draft, log) } else { Ok("kept back".into()) }
}

fn notes(cx: &Flow, topic: String, log: &Option<String>) -> Result<String> {
    if cfg!(feature = "missing") {
        return Ok(format!("notes about {topic}"));
    }
    research(cx, topic, log.clone())
}

fn draft(cx: &Flow, notes: String, log: &Option<String>) -> Result<String> {
    if cfg!(feature = "renamed") {
        compose(cx, notes, log.clone())
    } else if cfg!(feature = "argument") {
        write_draft(cx, format!("{notes}, revised"), log.clone())
    } else if cfg!(feature = "wait") {
        cx.wait("write_draft").question("What is the draft?").schema::<String>().ask()
    } else {
        write_draft(cx, notes, log.clone())
    }
}

#[checkpoint]
fn research(cx: &Checkpoint, topic: String, log: Option<String>) -> Result<String> {
    append(cx, log, "research")?;
    Ok(format!("notes about {topic}"))
}

#[cfg(feature = "extra")]
#[checkpoint]
fn outline(cx: &Checkpoint, notes: String, log: Option<String>) -> Result<String> {
    append(cx, log, "outline")?;
    Ok(format!("outline of {notes}"))
}

#[checkpoint]
fn write_draft(cx: &Checkpoint, notes: String, log: Option<String>) -> Result<String> {
    append(cx, log, "write_draft")?;
    Ok(format!("Draft from {notes}"))
}

/// `write_draft` under its later name.
#[checkpoint]
fn compose(cx: &Checkpoint, notes: String, log: Option<String>) -> Result<String> {
    append(cx, log, "compose")?;
    Ok(format!("Draft from {notes}"))
}

#[checkpoint]
fn publish(cx: &Checkpoint, draft: String, log: Option<String>) -> Result<String> {
    append(cx, log, "publish")?;
    if draft.contains("broken") && cfg!(not(feature = "fixed")) {
        bail!("the publisher rejects: {draft}");
    }
    Ok(format!("PUBLISHED: {draft}"))
}

fn append(cx: &Checkpoint, log: Option<String>, name: &str) -> Result<()> {
    if let Some(path) = log {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{name} {} {}", cx.idempotency_key(), cx.attempt())?;
    }
    Ok(())
}
