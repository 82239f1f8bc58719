//! A model that works on files: it asks for tools until the task is done. Each of its answers is a durable call, each tool a checkpoint, and
//! nothing is written before a person has agreed.

use kitaru::prelude::*;

// The flow talks to a model, and each tool declares what it needs itself.
kitaru::needs! { llm = ["*"] }

mod checks;
mod project;
mod tools;

/// So often the model is asked if nothing else is said.
const TURNS: u32 = 12;

const SYSTEM: &str = "You work on the files of one project, with tools. Look before you change anything, and change as little as the task \
                      needs. Write whole files. When the checks pass, end with a short paragraph that says what you did. A person may \
                      refuse a change: then find another way, or say why there is none.";

/// Works on the files in the granted folder `project` until the model says that the task is done. `model` is an alias or `provider/model`,
/// `turns` the most that it is asked.
#[flow]
fn coding_agent(cx: &Flow, task: String, model: Option<String>, turns: Option<u32>) -> Result<String> {
    let turns = turns.unwrap_or(TURNS);
    let mut conversation = vec![Message::user(task)];
    for turn in 1..=turns {
        let call = cx.llm(&conversation).system(SYSTEM).tools(tools::all()).name(format!("turn_{turn}"));
        let call = match &model {
            Some(model) => call.model(model),
            None => call,
        };
        let answer = call.ask()?;
        conversation.push(answer.message());
        if answer.tool_calls.is_empty() {
            cx.log("turns", turn)?;
            return Ok(answer.text);
        }
        for call in &answer.tool_calls {
            cx.info(format!("turn {turn}: {} {}", call.name, call.arguments));
            conversation.push(Message::tool(&call.id, tools::run(cx, call)?));
        }
    }
    Err(err!("the task is not done after {turns} turns").kind("turn_limit").retryable(false))
}
