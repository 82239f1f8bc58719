//! The tools that the model may ask for, and what happens when it does.

use kitaru::prelude::*;

use crate::project::{FAILED, list_files, read_file, run_checks, write_file};

/// Arguments of `list_files`.
#[data]
struct ListFiles {
    /// A folder of the project; all of it, if absent.
    folder: Option<String>,
}

/// Arguments of `read_file`.
#[data]
struct ReadFile {
    /// The file's path in the project.
    path: String,
}

/// Arguments of `write_file`.
#[data]
struct WriteFile {
    /// The file's path in the project.
    path: String,
    /// The whole new content.
    content: String,
}

/// `run_checks` takes nothing.
#[data]
struct RunChecks {}

/// What the model is offered.
pub(crate) fn all() -> [Tool; 4] {
    [
        Tool::new::<ListFiles>("list_files", "Lists the files of the project, or of a folder in it."),
        Tool::new::<ReadFile>("read_file", "Reads a text file."),
        Tool::new::<WriteFile>("write_file", "Writes a text file, in place of what was there. A person has to agree."),
        Tool::new::<RunChecks>("run_checks", "Runs the project's checks, and says which of them fail and why."),
    ]
}

/// Does what the model asks for. What a tool could not do is told to the model, which may know another way; anything else is nothing that a
/// model can mend, such as a missing grant, and ends the flow.
pub(crate) fn run(cx: &Flow, call: &ToolCall) -> Result<String> {
    let outcome = match call.name.as_str() {
        "list_files" => call.parse().and_then(|ListFiles { folder }| list_files(cx, folder)),
        "read_file" => call.parse().and_then(|ReadFile { path }| read_file(cx, path)),
        "write_file" => call.parse().and_then(|file| write_if_allowed(cx, call, file)),
        "run_checks" => run_checks(cx),
        other => Err(err!("there is no tool `{other}`").kind(FAILED)),
    };
    match outcome {
        Err(error) if [FAILED, "serialization"].contains(&error.failure().kind.as_str()) => Ok(format!("error: {error}")),
        outcome => outcome,
    }
}

/// Shows a person what is to be written, and writes it if they agree.
fn write_if_allowed(cx: &Flow, call: &ToolCall, file: WriteFile) -> Result<String> {
    let question = format!("Write {} bytes to {}?", file.content.len(), file.path);
    let shown = json!({ "tool": call.name, "arguments": call.arguments });
    let allowed: bool = cx.wait("approve_write_file").question(question).metadata(shown).ask()?;
    if !allowed {
        return Ok("refused: a person does not want this change".into());
    }
    write_file(cx, file.path, file.content)
}
