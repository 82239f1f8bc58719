//! Metadata that can be searched later: on the execution when a flow logs it, on the call when a checkpoint does.

use kitaru::prelude::*;

/// Drafts and reviews, and tells what it does.
#[flow]
fn logging_flow(cx: &Flow, topic: String) -> Result<String> {
    cx.log_all(json!({ "topic": topic, "stage": "draft" }))?;
    let text = draft(cx, topic)?;
    // Of what is no object, the latest value stands.
    cx.log("stage", "review")?;
    let text = review(cx, text)?;
    cx.log("output_kind", "text")?;
    Ok(text)
}

/// Writes the draft, and logs what it cost in two steps.
#[checkpoint]
fn draft(cx: &Checkpoint, topic: String) -> Result<String> {
    cx.progress("drafting", Some(0.5));
    // Objects under one key are merged.
    cx.log("draft_cost", json!({ "usd": 0.001 }))?;
    cx.log("draft_cost", json!({ "tokens": 42 }))?;
    cx.info("the draft is written");
    Ok(format!("Draft about {topic}."))
}

/// Reviews the draft.
#[checkpoint]
fn review(_cx: &Checkpoint, text: String) -> Result<String> {
    Ok(format!("{} [reviewed]", text.to_uppercase()))
}
