//! Two people decide: one approves the draft, one adds the details. The execution waits for them as long as it takes.

use kitaru::prelude::*;

/// What the second person fills in.
#[data]
struct ReleaseDetails {
    /// What has changed.
    notes: String,
    /// The version's first number.
    major_version: u32,
}

/// Drafts an announcement, waits for approval and details, and publishes.
#[flow]
fn release_approval(cx: &Flow, topic: String) -> Result<String> {
    let draft = write_draft(cx, topic)?;

    let approved: bool = cx.wait("approve_release").question("Publish this draft?").metadata(json!({ "draft": draft })).ask()?;
    if !approved {
        return Ok(format!("REJECTED: {draft}"));
    }

    let details =
        cx.wait("release_details").question("Which version is it, and what has changed?").schema::<ReleaseDetails>().ask()?;
    publish(cx, draft, details)
}

/// Writes the announcement.
#[checkpoint]
fn write_draft(_cx: &Checkpoint, topic: String) -> Result<String> {
    Ok(format!("Draft about {topic}."))
}

/// Publishes the announcement with its notes.
#[checkpoint(type = "tool_call")]
fn publish(_cx: &Checkpoint, draft: String, details: ReleaseDetails) -> Result<String> {
    Ok(format!("PUBLISHED v{}: {draft}\nNotes: {}", details.major_version, details.notes))
}
