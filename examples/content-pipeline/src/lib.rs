//! Research, draft, publish. Made to be replayed from the middle with an edited output.

use kitaru::prelude::*;

mod text;

// Only the research touches anything: nothing that is granted reaches the other checkpoints.
kitaru::needs! {}

/// Researches a topic, writes a draft and publishes it.
///
/// With `document`, the path of a text in the folder `documents`, the research is a real reading of it.
#[flow]
fn content_pipeline(cx: &Flow, topic: String, document: Option<String>) -> Result<String> {
    let notes = research(cx, topic, document)?;
    let draft = write_draft(cx, notes)?;
    publish(cx, draft)
}

/// Collects what the document says about the topic.
#[checkpoint(retries = 1, read = ["documents"])]
fn research(cx: &Checkpoint, topic: String, document: Option<String>) -> Result<String> {
    let Some(path) = document else {
        return Ok(format!("notes about {topic}"));
    };
    let document = cx.read_to_string(&path)?;
    let findings = text::read(&document, &topic);
    cx.save("notes", &findings, Kind::Context)?;
    cx.log("words", findings.words)?;
    cx.info(format!("{} of {} sentences mention {topic}", findings.mentions.len(), findings.sentences));
    if findings.mentions.is_empty() {
        return Err(err!("{path} does not mention {topic}").kind("off_topic").retryable(false));
    }
    Ok(findings.notes(&topic))
}

/// Turns notes into a draft.
#[checkpoint]
fn write_draft(_cx: &Checkpoint, notes: String) -> Result<String> {
    Ok(format!("Draft from {notes}"))
}

/// Publishes the draft.
#[checkpoint(type = "tool_call")]
fn publish(_cx: &Checkpoint, draft: String) -> Result<String> {
    Ok(format!("PUBLISHED: {draft}"))
}
