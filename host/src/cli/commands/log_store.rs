//! `log-store show | set | reset`: where log lines go beside the data folder.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::fields;
use crate::config::{LogStore, LogStoreSource};
use crate::service::LogStoreView;

/// Say where log lines of executions go beside the data folder, which always has them.
#[derive(Debug, Subcommand)]
pub(crate) enum LogStoreCommand {
    /// Show where log lines go, who says so, and whether it can be reached
    Show,
    /// Send log lines of this data folder's executions to a collector of OpenTelemetry too, or no more
    Set(SetCommand),
    /// Take back what `set` said
    Reset,
}

#[derive(Debug, Args)]
pub(crate) struct SetCommand {
    /// Where to: local, the data folder alone; or otlp, a collector of OpenTelemetry too
    #[arg(value_parser = ["local", "otlp"])]
    backend: String,
    /// The collector's address; lines go to /v1/logs below it
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The stored secret with the collector's key. Not the key itself: see `secrets set`
    #[arg(long, value_name = "NAME[.KEY]")]
    api_key: Option<String>,
    /// The header that the key is sent in; without it, it is a bearer token
    #[arg(long, value_name = "NAME", requires = "api_key")]
    header: Option<String>,
}

impl LogStoreCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Show => "log-store.show",
            Self::Set(_) => "log-store.set",
            Self::Reset => "log-store.reset",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let file = context.log_store_file()?;
        let cannot = |error: std::io::Error| CliError::new(format!("cannot write `{}`: {error}", file.path().display()));
        match self {
            Self::Show => {}
            Self::Set(SetCommand { backend, endpoint, api_key, header }) => {
                let store = LogStore::of(Some(&backend), endpoint, api_key, header).map_err(|problem| {
                    let error = CliError::usage(format!("the log store cannot be set: {problem}"));
                    problem.hint().into_iter().fold(error, CliError::hint)
                })?;
                context.local()?.check_log_store(&store).await?;
                file.set(&store).map_err(cannot)?;
                context.output.say(&format!("Log lines go to: {}", destination(&store)));
            }
            Self::Reset => {
                file.reset().map_err(cannot)?;
                context.output.say("Reset the log store of this data folder");
            }
        }
        // What counts now, which may be said elsewhere.
        let chosen = context.log_store()?;
        if matches!(chosen.source, LogStoreSource::Environment | LogStoreSource::Project) {
            context.output.say(&format!("note: the {} goes before what `log-store set` says", chosen.source.as_str()));
        }
        let view = context.local()?.log_store(&chosen).await;
        context.output.item(&view, || text(&view))
    }
}

fn destination(store: &LogStore) -> String {
    match store {
        LogStore::Local => "the data folder".into(),
        LogStore::Otlp(collector) => format!("the data folder, and {}", collector.url()),
    }
}

fn text(view: &LogStoreView) -> String {
    let mut rows = vec![("Backend", view.backend.to_owned()), ("Said by", view.source.to_owned())];
    if let Some(endpoint) = &view.endpoint {
        rows.push(("Endpoint", endpoint.clone()));
        let key = match (&view.api_key_secret, view.api_key_configured) {
            (Some(name), _) => format!("secret {name}"),
            (None, true) => "a secret that the environment names".into(),
            (None, false) => "none".into(),
        };
        rows.push(("Key", key));
        rows.push(("Reachable", if view.reachable == Some(true) { "yes".into() } else { "no".into() }));
    }
    rows.extend(view.warning.as_ref().map(|warning| ("Warning", warning.clone())));
    fields(&rows)
}
