//! A conversation with a model. It waits for the next message as long as that takes, and remembers what was said through every restart.

use kitaru::prelude::*;

// Nothing but models: whatever else is granted does not reach it.
kitaru::needs! { llm = ["*"] }

/// What ends the conversation.
const END: &str = "bye";
const GREETING: &str = "What would you like to talk about? (`bye` ends the conversation.)";

/// What remains of a conversation.
#[data]
struct Conversation {
    /// How often the model answered.
    turns: u32,
    /// What it was about, in a sentence.
    summary: String,
}

/// Talks until somebody says `bye`, and sums up what was said. `model` is an alias or `provider/model`, `instructions` is what the model is told
/// about itself.
#[flow]
fn durable_chat(cx: &Flow, model: Option<String>, instructions: Option<String>) -> Result<Conversation> {
    let mut history = Vec::new();
    let (mut turns, mut said) = (0, GREETING.to_owned());
    while let Some(message) = next_message(cx, &said)? {
        if message.is_empty() {
            continue;
        }
        turns += 1;
        history.push(Message::user(message));
        let call = cx.llm(&history).name(format!("reply_{turns}"));
        let answer = prepared(call, &model, &instructions).ask()?;
        history.push(answer.message());
        said = answer.text;
        cx.log("turns", turns)?;
    }
    if history.is_empty() {
        return Ok(Conversation { turns, summary: "Nothing was said.".into() });
    }
    let call = cx.llm("Sum up our conversation in one sentence.").messages(history).name("summary");
    Ok(Conversation { turns, summary: prepared(call, &model, &instructions).text()? })
}

/// Shows what was said last and waits for the answer to it; none when the conversation is over.
fn next_message(cx: &Flow, said: &str) -> Result<Option<String>> {
    match cx.wait("message").question(said).schema::<String>().ask() {
        Ok(message) if message.trim().eq_ignore_ascii_case(END) => Ok(None),
        Ok(message) => Ok(Some(message.trim().to_owned())),
        // Whoever aborts the wait has gone without a word.
        Err(Error::Aborted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The call with what was said about the model.
fn prepared(call: Llm<Flow>, model: &Option<String>, instructions: &Option<String>) -> Llm<Flow> {
    let call = match model {
        Some(model) => call.model(model),
        None => call,
    };
    match instructions {
        Some(instructions) => call.system(instructions),
        None => call,
    }
}
