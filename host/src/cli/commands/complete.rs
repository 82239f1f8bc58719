//! `complete`: the names of what is there, for the completion script of a shell.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Command};

use crate::cli::connection::Connection;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::service::{ListFlowsParams, ListQuery, Service};

/// Somebody waits with a finger on the key. What takes longer is left out.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many of the newest executions are offered.
const EXECUTIONS: u64 = 100;
/// Options that say whose names are meant: what the words before them say of the place is not looked at here.
const OF_PLACES: [&str; 3] = ["--home", "--server", "--local"];

/// Print the names with which a command line may go on
#[derive(Debug, Args)]
pub(crate) struct CompleteCommand {
    /// The words after the program, to the one that is to be completed
    #[arg(last = true)]
    words: Vec<String>,
}

/// What a word is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Execution,
    Flow,
    Alias,
}

impl CompleteCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let command = crate::cli::command();
        let found = match (wanted(&command, &self.words), self.words.last()) {
            (Some(kind), Some(word)) if is_there(context) => {
                let named = async { names(context.service()?.as_ref(), kind).await };
                let names = tokio::time::timeout(PATIENCE, named).await.unwrap_or_else(|_| Ok(BTreeSet::new()))?;
                names.into_iter().filter(|name| name.starts_with(word.as_str())).collect()
            }
            _ => Vec::new(),
        };
        context.output.items(&found, None, || found.join("\n"))
    }
}

/// Whether there is anybody to ask. To press a key makes no data folder.
fn is_there(context: &Context) -> bool {
    match context.connection() {
        Ok(Connection::Local) => context.home().is_ok_and(|home| home.folder.join("kitaru.db").exists()),
        Ok(Connection::Server { .. }) => true,
        Err(_) => false,
    }
}

/// What the last of these words is to be, if that has names.
fn wanted(root: &Command, words: &[String]) -> Option<Kind> {
    // A shell may take an equals sign for a word.
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "=").collect();
    let (last, before) = words.split_last()?;
    if last.starts_with('-') || before.iter().any(|word| OF_PLACES.iter().any(|option| word.starts_with(option))) {
        return None;
    }
    let (mut here, mut place, mut value_of) = (root, 0, None);
    for word in before {
        if value_of.take().is_some() {
            continue;
        }
        if let Some(option) = option(root, here, word) {
            value_of = option.get_action().takes_values().then_some(option).filter(|_| !word.contains('='));
        } else if word.starts_with('-') {
            // Of what nobody knows nobody knows whether a value follows.
            return None;
        } else if let (0, Some(next)) = (place, here.find_subcommand(word)) {
            here = next;
        } else {
            place += 1;
        }
    }
    let argument = match value_of {
        Some(option) => option,
        None if here.has_subcommands() => return None,
        None => {
            let positionals: Vec<_> = here.get_positionals().collect();
            let several = positionals.last().copied().filter(|last| last.get_action().takes_values() && is_list(last));
            positionals.get(place).copied().or(several)?
        }
    };
    match argument.get_id().as_str() {
        "execution" | "executions" | "original" | "others" | "parent" => Some(Kind::Execution),
        "flow" => Some(Kind::Flow),
        "alias" => Some(Kind::Alias),
        _ => None,
    }
}

fn is_list(argument: &clap::Arg) -> bool {
    matches!(argument.get_action(), clap::ArgAction::Append)
}

/// The option of a command, or of all, that a word is.
fn option<'a>(root: &'a Command, here: &'a Command, word: &str) -> Option<&'a clap::Arg> {
    let (long, short) = match word.strip_prefix("--") {
        Some(long) => (long.split('=').next(), None),
        None => (None, word.strip_prefix('-').and_then(|rest| rest.chars().next())),
    };
    let is = |argument: &&clap::Arg| {
        let has_long =
            long.is_some_and(|long| argument.get_long_and_visible_aliases().is_some_and(|known| known.contains(&long)));
        has_long || short.is_some() && argument.get_short() == short
    };
    here.get_arguments().chain(root.get_arguments()).find(is)
}

/// What there is of a kind, as far as a shell can write it down.
async fn names(service: &dyn Service, kind: Kind) -> Result<BTreeSet<String>, CliError> {
    let mut names = BTreeSet::new();
    if kind == Kind::Alias {
        names.extend(service.models().await?.into_iter().map(|model| model.alias));
    } else {
        let query = ListQuery { limit: EXECUTIONS, ..ListQuery::default() };
        let newest = service.list(&query).await?.items.into_iter();
        names.extend(newest.map(|one| if kind == Kind::Flow { one.flow_name } else { one.exec_id }));
    }
    if kind == Kind::Flow {
        let published = ListFlowsParams { limit: Some(1000), ..ListFlowsParams::default() };
        names.extend(service.flows(&published).await?.items.into_iter().map(|flow| flow.flow));
    }
    names.retain(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Kind> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        wanted(&crate::cli::command(), &words)
    }

    #[test]
    fn a_word_is_what_its_command_wants_there() {
        for (line, kind) in [
            ("executions get ", Some(Kind::Execution)),
            ("executions get 01a", Some(Kind::Execution)),
            ("runs get 01a", Some(Kind::Execution)),
            ("-o json executions replay a b ", Some(Kind::Execution)),
            ("executions diff a b", Some(Kind::Execution)),
            ("executions list --parent ", Some(Kind::Execution)),
            ("executions list --flow h", Some(Kind::Flow)),
            ("executions list --flow = h", Some(Kind::Flow)),
            ("executions cohort --status completed --flow h", Some(Kind::Flow)),
            ("invoke h", Some(Kind::Flow)),
            ("flow show ", Some(Kind::Flow)),
            ("model show f", Some(Kind::Alias)),
            ("executions get a b", None),
            ("executions get -", None),
            ("executions get --home x ", None),
            ("executions list --status ", None),
            ("executions list --limit 3 ", None),
            ("executions ", None),
            ("executions get --unknown ", None),
            ("run ", None),
            ("", None),
        ] {
            assert_eq!(of(line), kind, "{line}");
        }
        assert_eq!(wanted(&crate::cli::command(), &[]), None);
    }
}
