use kitaru::prelude::*;

/// Drafts a text.
#[checkpoint(retries = 2)]
fn draft(cx: &Checkpoint, topic: String) -> Result<String> {
    cx.save("notes", &json!({ "topic": topic }), Kind::Context)?;
    Ok(format!("Draft for {topic}"))
}

#[flow]
fn review_flow(cx: &Flow, topic: String) -> Result<String> {
    let text = draft(cx, topic)?;                                   // a direct call: the real value, no handle
    let approved: bool = cx.wait("approve_draft").question("Approve draft?").ask()?;
    if !approved { return Ok("Rejected".into()) }
    Ok(text)
}

fn main() {}
