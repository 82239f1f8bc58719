//! What one execution saves, another one reads: by the checkpoint's name or by the name that it was saved under.

use kitaru::prelude::*;

/// What `research` bases its notes on.
#[data]
struct ResearchContext {
    topic: String,
    notes: String,
}

/// Researches a topic, and keeps the context for later executions.
#[flow]
fn research_flow(cx: &Flow, topic: String) -> Result<String> {
    research(cx, topic)
}

/// Continues where an earlier execution of `research_flow` ended.
#[flow]
fn follow_up_flow(cx: &Flow, previous_execution: String) -> Result<String> {
    follow_up(cx, previous_execution)
}

/// Makes notes, and saves what they were made from.
#[checkpoint]
fn research(cx: &Checkpoint, topic: String) -> Result<String> {
    let notes = format!("Research notes about {topic}.");
    let context = ResearchContext { topic, notes };
    cx.save_tagged("research_context", &context, Kind::Context, &["research"])?;
    Ok(context.notes)
}

/// Reads the result of `research` and the artifact beside it.
#[checkpoint]
fn follow_up(cx: &Checkpoint, previous_execution: String) -> Result<String> {
    let notes: String = cx.load(&previous_execution, "research")?;
    let context: ResearchContext = cx.load(&previous_execution, "research_context")?;
    Ok(format!("{notes} [topic={}]", context.topic))
}
