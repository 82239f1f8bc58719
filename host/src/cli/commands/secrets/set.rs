//! `secrets set`: where values come from.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Read};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cli::args::KeyValue;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::hidden;
use crate::engine::SecretChange;
use crate::secrets::{ExposeSecret as _, SecretString};

/// More than a value may have, so that what is too large is refused as that.
const LONGEST: usize = 64 * 1024 + 3;

/// Make a secret, or its next version: values are added to those that it has, or replace them
///
/// The short form of a value is its key as an option of its own, and the value after an equals sign. Others on this machine may see it there while
/// the command runs, and the shell may remember it: the other forms are safe from that.
#[derive(Debug, Args)]
#[command(override_usage = "kitaru-host secrets set <NAME> [--KEY=VALUE]... [OPTIONS]")]
pub(crate) struct SetCommand {
    /// The secret's name
    name: String,
    /// A value, where its key is named like an option
    #[arg(long = "value", value_name = "KEY=VALUE", value_parser = unseen)]
    values: Vec<SecretString>,
    /// Read the value from standard input; a line end at its end does not count
    #[arg(long, value_name = "KEY")]
    from_stdin: Option<String>,
    /// Read the value from a file; a line end at its end does not count
    #[arg(long, value_name = "KEY=FILE", value_parser = unseen)]
    from_file: Vec<SecretString>,
    /// Ask for the value at the terminal, which does not show it
    #[arg(long, value_name = "KEY")]
    from_prompt: Vec<String>,
    /// Something to note about the secret, which everybody may read; null takes it away
    #[arg(long, value_name = "KEY=JSON")]
    metadata: Vec<KeyValue>,
    /// Accepted for scripts that were written for Kitaru: a secret is always its data folder's
    #[arg(long)]
    private: bool,
    /// What is no assignment, taken so that no message shows it
    #[arg(hide = true, value_parser = unseen)]
    stray: Vec<SecretString>,
}

/// Any text, kept so that it does not show.
fn unseen(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl SetCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        if !self.stray.is_empty() {
            return Err(CliError::usage("Invalid secret assignment. Use `--KEY=value` format."));
        }
        let mut values = Vec::new();
        for text in &self.values {
            values.push(assignment(text)?);
        }
        for text in &self.from_file {
            let (key, path) = assignment(text).map_err(|_| {
                CliError::usage("`--from-file` is given as KEY=FILE.").hint("the key is the value's name in the secret")
            })?;
            // Whoever takes this for the flag of values has put one here: it is not shown.
            let cannot = |error: &dyn std::fmt::Display| {
                CliError::usage(format!("cannot read the file that `--from-file` names for `{key}`: {error}"))
            };
            let file = std::fs::File::open(path.expose_secret()).map_err(|error| cannot(&error))?;
            let value = read(file, &cannot)?;
            values.push((key, value));
        }
        if let Some(key) = self.from_stdin {
            if std::io::stdin().is_terminal() {
                return Err(CliError::usage("`--from-stdin` reads what is piped to it.")
                    .hint(format!("at a terminal, use: --from-prompt {}", crate::cli::terminal::shell_word(&key))));
            }
            let cannot = |error: &dyn std::fmt::Display| CliError::usage(format!("cannot read standard input: {error}"));
            values.push((key, read(std::io::stdin().lock(), &cannot)?));
        }
        for key in self.from_prompt {
            let nobody = || {
                CliError::usage("`--from-prompt` requires an interactive terminal.").hint("pipe the value to `--from-stdin KEY`")
            };
            let value = hidden::ask(&key, nobody).await?;
            values.push((key, value));
        }
        let change = SecretChange { name: self.name, values, metadata: noted(self.metadata)? };
        let set = context.service()?.set_secret(change).await?;
        if let Some(place) = &set.new_key {
            context.output.say(&format!(
                "Made the key of this data folder's secrets: {place}. Without it they cannot be read; keep a copy elsewhere"
            ));
        }
        let what = if set.result == "created" { "Created" } else { "Updated" };
        context.output.say(&format!(
            "{what} secret {}, version {}: {}",
            set.secret.name,
            set.secret.version,
            set.secret.keys.join(", ")
        ));
        context.output.item(&set, String::new)
    }
}

/// `KEY=value`. What has no `=` may be a value, and is not shown.
fn assignment(text: &SecretString) -> Result<(String, SecretString), CliError> {
    match text.expose_secret().split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), SecretString::from(value))),
        None => Err(CliError::usage("Missing value for a secret key. Use `--KEY=value`.")),
    }
}

/// A whole input as a value, without the line end that editors and `echo` put at its end.
fn read(input: impl Read, cannot: &dyn Fn(&dyn std::fmt::Display) -> CliError) -> Result<SecretString, CliError> {
    // Large enough from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    input.take(LONGEST as u64).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| cannot(&"a value must be UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(SecretString::from(text))
}

fn noted(pairs: Vec<KeyValue>) -> Result<Map<String, Value>, CliError> {
    let mut metadata = Map::new();
    for KeyValue { key, value } in pairs {
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        if metadata.insert(key.clone(), value).is_some() {
            return Err(CliError::usage(format!("the metadata `{key}` is given twice")));
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_at_the_end_does_not_count() {
        let value =
            |text: &[u8]| read(text, &|error| CliError::usage(error.to_string())).map(|value| value.expose_secret().to_owned());
        for (text, expected) in [("v", "v"), ("v\n", "v"), ("v\r\n", "v"), ("a\nb\n\n", "a\nb\n"), (" v ", " v "), ("", "")] {
            assert_eq!(value(text.as_bytes()).unwrap(), expected);
        }
        let error = value(b"marker\xff").unwrap_err();
        assert!(error.message.contains("UTF-8") && !error.message.contains("marker"), "{}", error.message);
        assert!(value(&vec![b'a'; 1_000_000]).unwrap().len() > 64 * 1024, "left to the service to refuse");
    }

    #[test]
    fn assignments() {
        let of = |text: &str| assignment(&SecretString::from(text)).map(|(key, value)| (key, value.expose_secret().to_owned()));
        assert_eq!(of("KEY=a=b").unwrap(), ("KEY".to_owned(), "a=b".to_owned()));
        assert_eq!(of("=v").unwrap().0, "");
        assert!(!of("marker").unwrap_err().message.contains("marker"));
    }
}
