//! Where things are printed: data to standard output, talk to standard error, each in the form that was asked for.

use std::io::Write as _;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::{Color, Format, Global};
use super::error::CliError;
use super::terminal;

/// The printer of one command.
#[derive(Clone, Debug)]
pub(super) struct Output {
    command: &'static str,
    format: Format,
    quiet: bool,
}

impl Output {
    pub(super) fn new(global: &Global, command: &'static str) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        Self { command, format: global.output, quiet: global.quiet }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether anything but data and errors is wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Text to standard output, without colours where nobody watches.
    fn data(&self, text: &str) -> ExitCode {
        let mut out = AutoStream::auto(std::io::stdout().lock());
        written(writeln!(out, "{text}").and_then(|()| out.flush()))
    }

    /// One thing: `text` for people, the envelope for programs.
    pub(super) fn item(&self, item: &impl Serialize, text: impl FnOnce() -> String) -> Result<ExitCode, CliError> {
        match self.format {
            Format::Text => Ok(match text() {
                text if text.is_empty() => ExitCode::SUCCESS,
                text => self.data(&text),
            }),
            Format::Json => self.json(&Told { command: self.command, item }),
        }
    }

    /// A list.
    pub(super) fn items<T: Serialize>(
        &self,
        items: &[T],
        total: Option<u64>,
        text: impl FnOnce() -> String,
    ) -> Result<ExitCode, CliError> {
        let more = total.map(|total| ("total".to_owned(), Value::from(total)));
        self.page(items, more.into_iter().collect(), text)
    }

    /// A list with more to say about it.
    pub(super) fn page<T: Serialize>(
        &self,
        items: &[T],
        more: Map<String, Value>,
        text: impl FnOnce() -> String,
    ) -> Result<ExitCode, CliError> {
        match self.format {
            Format::Text => Ok(self.data(&text())),
            Format::Json => {
                let mut line = json!({ "command": self.command, "items": to_value(&items)?, "count": items.len() });
                if let Some(map) = line.as_object_mut() {
                    map.extend(more);
                }
                self.json(&line)
            }
        }
    }

    /// One event of a stream.
    pub(super) fn event(&self, event: &str, item: &Value) -> Result<ExitCode, CliError> {
        self.json(&json!({ "command": self.command, "event": event, "item": item }))
    }

    /// One JSON value in a line of its own, whatever form was asked for.
    pub(super) fn json_line(&self, value: &impl Serialize) -> Result<ExitCode, CliError> {
        self.json(value)
    }

    /// One line of text data.
    pub(super) fn line(&self, text: &str) -> ExitCode {
        self.data(text)
    }

    /// Text data that goes on in the same line.
    pub(super) fn piece(&self, text: &str) -> ExitCode {
        let mut out = AutoStream::auto(std::io::stdout().lock());
        written(write!(out, "{text}").and_then(|()| out.flush()))
    }

    /// Written as it is: JSON has no control characters that a terminal could mistake, but text that `AutoStream` would take out. Either all of it
    /// or none: an execution may have a hundred thousand calls, and what cannot be written as JSON is known before anything is.
    fn json(&self, value: &impl Serialize) -> Result<ExitCode, CliError> {
        let line = serde_json::to_vec(value).map_err(not_json)?;
        let mut out = std::io::stdout().lock();
        Ok(written(out.write_all(&line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush())))
    }

    /// Talk: to standard error, unless it is not wanted.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            anstream::eprintln!("{text}");
        }
    }

    /// Reports a failure.
    pub(super) fn fail(&self, error: &CliError) -> ExitCode {
        if self.is_json() {
            let mut body = json!({ "message": error.chain() });
            if let Some(map) = body.as_object_mut() {
                map.extend(error.class.map(|class| ("type".to_owned(), class.into())));
                map.extend(error.hint.as_ref().map(|hint| ("hint".to_owned(), hint.as_str().into())));
                map.extend(error.extra.clone());
            }
            anstream::eprintln!("{}", json!({ "command": self.command, "error": body }));
            return ExitCode::FAILURE;
        }
        anstream::eprintln!("{}: {}", "error".red().bold(), terminal::lines(&error.message));
        for cause in &error.causes {
            anstream::eprintln!("  caused by: {}", terminal::lines(cause));
        }
        if let Some(hint) = &error.hint {
            anstream::eprintln!("{}: {}", "hint".cyan(), terminal::lines(hint));
        }
        ExitCode::FAILURE
    }
}

/// A reader that has gone away is no failure.
fn written(result: std::io::Result<()>) -> ExitCode {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// One thing, and the command that told of it.
#[derive(Serialize)]
struct Told<'a, T> {
    command: &'a str,
    item: &'a T,
}

fn to_value(item: &impl Serialize) -> Result<Value, CliError> {
    serde_json::to_value(item).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> CliError {
    CliError::new(format!("the output cannot be written as JSON: {error}"))
}
