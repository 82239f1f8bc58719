//! A text in two tracked model calls: an outline, and the draft that follows it.

use kitaru::prelude::*;

// Nothing but models: whatever else is granted does not reach it.
kitaru::needs! { llm = ["*"] }

/// The alias that is asked if nothing else is said.
const MODEL: &str = "fast";

/// Writes a short text about a topic. `model` is an alias or `provider/model`; `fast`, if it is left out.
#[flow]
fn llm_writer(cx: &Flow, topic: String, model: Option<String>) -> Result<String> {
    let model = model.unwrap_or_else(|| MODEL.to_owned());
    let outline = write_outline(cx, topic.clone(), model.clone())?;
    write_draft(cx, topic, outline, model)
}

/// Asks for the points of the text.
#[checkpoint(retries = 1)]
fn write_outline(cx: &Checkpoint, topic: String, model: String) -> Result<String> {
    cx.llm(format!("Outline a short text about {topic}: three points, one line each."))
        .system("You are an editor. Answer with the points alone.")
        .name("outline_call")
        .model(model)
        .temperature(0.2)
        .max_tokens(200)
        .text()
}

/// Asks for the text itself.
#[checkpoint(retries = 1)]
fn write_draft(cx: &Checkpoint, topic: String, outline: String, model: String) -> Result<String> {
    let answer = cx
        .llm(format!("Write a text about {topic} that follows this outline:\n\n{outline}"))
        .system("You write plain, short sentences. Answer with the text alone.")
        .name("draft_call")
        .model(model)
        .max_tokens(800)
        .ask()?;
    cx.log("words", answer.text.split_whitespace().count())?;
    Ok(answer.text)
}
