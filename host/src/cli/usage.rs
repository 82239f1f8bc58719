//! Command lines that cannot be parsed, in the form that they ask for as far as that can be told.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::args::{Format, parse_format};
use super::terminal;

/// Prints what clap found wrong; help and version are no errors.
pub(super) fn report_usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that is gone needs no help.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            let arguments: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
            let verb = verb(&super::command(), &arguments);
            let hint = hint(error, &verb, &arguments);
            if wants_json(&arguments) {
                let text = error.render().to_string();
                let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default().trim().to_owned();
                let mut told = json!({ "message": message });
                if let (Some(hint), Some(told)) = (hint, told.as_object_mut()) {
                    told.insert("hint".to_owned(), hint.into());
                }
                anstream::eprintln!("{}", json!({ "command": verb, "error": told }));
            } else {
                let _ = error.print();
                if let Some(hint) = hint {
                    anstream::eprintln!("{}: {}", "hint".cyan(), terminal::lines(&hint));
                }
            }
            ExitCode::FAILURE
        }
    }
}

/// What was meant, where a command is written in a way that suggests itself and is not its own.
fn hint(error: &clap::Error, verb: &str, arguments: &[String]) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    // Models have a provider's prefix; aliases have none.
    let is_model = argument.contains('/') && !argument.starts_with('-');
    let has_model = arguments.iter().any(|given| given == "--model" || given.starts_with("--model="));
    match (verb, error.kind()) {
        ("model.register", ErrorKind::UnknownArgument) if is_model && !has_model => {
            Some(format!("the model is named by a flag: --model {}", terminal::shell_word(argument)))
        }
        _ => None,
    }
}

/// Whether arguments that cannot be parsed ask for JSON.
fn wants_json(arguments: &[String]) -> bool {
    let is_json = |text: &str| matches!(parse_format(text.trim_start_matches('=')), Ok(Format::Json));
    let split = arguments
        .iter()
        .zip(arguments.iter().skip(1))
        .any(|(flag, value)| matches!(flag.as_str(), "-o" | "--output") && is_json(value));
    let joined = |argument: &String| {
        let value =
            argument.strip_prefix("--output=").or_else(|| argument.strip_prefix("-o").filter(|_| !argument.starts_with("--")));
        value.is_some_and(is_json)
    };
    split || arguments.iter().any(joined)
}

/// The command that arguments name, as far as they name one: `executions.list`.
fn verb(command: &clap::Command, arguments: &[String]) -> String {
    let mut path = Vec::new();
    let mut here = command;
    for argument in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        match here.find_subcommand(argument) {
            Some(next) => {
                path.push(next.get_name().to_owned());
                here = next;
            }
            None if here.has_subcommands() => {}
            None => break,
        }
    }
    if path.is_empty() { command.get_name().to_owned() } else { path.join(".") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_cannot_be_parsed_still_say_what_was_asked_for() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for json in ["list -o json", "list -ojson", "list -o=json", "list --output JSON", "list --output=json"] {
            assert!(wants_json(&words(json)), "{json}");
        }
        for text in ["list --flow json", "list", "--output text json"] {
            assert!(!wants_json(&words(text)), "{text}");
        }
        let command = super::super::command();
        assert_eq!(verb(&command, &words("-o json executions list --limit x")), "executions.list");
        assert_eq!(verb(&command, &words("run a.wasm list")), "run");
        assert_eq!(verb(&command, &words("nonsense")), "kitaru-host");
    }
}
