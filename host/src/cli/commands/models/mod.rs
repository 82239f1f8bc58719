//! `model register | list | show | remove | test | usage`.

mod register;
mod usage;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use owo_colors::OwoColorize as _;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::cli::terminal::one_line;
use crate::service::{ModelChangedView, ModelCheck, ModelDetailView, ModelTestView, ModelView};

/// Give models short names, see whether they work, and what calls of them used.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    Register(register::RegisterCommand),
    /// List model aliases, with those of the project and of KITARU_MODEL_REGISTRY
    List,
    /// Show what an alias stands for, and where the key of a call would come from
    Show(ShowCommand),
    /// Remove an alias of this data folder
    Remove(RemoveCommand),
    Test(TestCommand),
    Usage(usage::UsageCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ShowCommand {
    /// The alias
    alias: String,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveCommand {
    /// The alias
    alias: String,
}

/// See whether a model can be called: its address, its key, and whether the provider has it
///
/// Asks the provider for its list of models, which costs nothing, and makes one small call where the list does not tell.
#[derive(Debug, Args)]
pub(crate) struct TestCommand {
    /// An alias, or a model as provider/model; if absent, the one that a call means that names none
    model: Option<String>,
    /// Make the call in any case: some providers show their list to everyone, whatever the key
    #[arg(long)]
    call: bool,
}

impl ModelCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "model.register",
            Self::List => "model.list",
            Self::Show(_) => "model.show",
            Self::Remove(_) => "model.remove",
            Self::Test(_) => "model.test",
            Self::Usage(_) => "model.usage",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Register(command) => command.run(context).await,
            Self::List => {
                let views = context.model_service()?.models().await?;
                context.output.items(&views, None, || list(&views))
            }
            Self::Show(ShowCommand { alias }) => {
                let view = context.model_service()?.model(&alias).await?;
                context.output.item(&view, || text(&view))
            }
            Self::Remove(RemoveCommand { alias }) => {
                let removed = context.model_service()?.remove_model(&alias).await?;
                context.output.say(&format!("Removed model alias {}", removed.model.alias));
                say_what_counts(context, &removed);
                context.output.item(&removed, String::new)
            }
            Self::Test(TestCommand { model, call }) => {
                let view = context.model_service()?.test_model(model.as_deref(), call).await?;
                let code = context.output.item(&view, || outcome(&view))?;
                Ok(if view.works { code } else { ExitCode::FAILURE })
            }
            Self::Usage(command) => command.run(context).await,
        }
    }
}

/// Says where a change does not do what one might think.
fn say_what_counts(context: &Context, changed: &ModelChangedView) {
    if let Some(who) = &changed.covered_by {
        context.output.say(&format!("note: {who} says what `{}` stands for here, and counts first", changed.model.alias));
    }
    if changed.leaves_no_default {
        context.output.say("note: no alias is the default; choose one: kitaru-host model register <alias> --default");
    }
}

fn list(views: &[ModelView]) -> String {
    if views.is_empty() {
        return "No model aliases.".into();
    }
    let row = |view: &ModelView| {
        let is_default = if view.is_default { "default" } else { "" };
        vec![
            view.alias.clone(),
            view.model.clone(),
            is_default.to_owned(),
            view.secret.clone().unwrap_or_default(),
            view.origin.to_string(),
        ]
    };
    table(&["ALIAS", "MODEL", "", "SECRET", "FROM"], &views.iter().map(row).collect::<Vec<_>>())
}

fn text(view: &ModelDetailView) -> String {
    let ModelDetailView { model, route } = view;
    let mut rows = vec![("Alias", model.alias.clone()), ("Model", model.model.clone())];
    let mut add = |name: &'static str, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    add("Default", model.is_default.then(|| "yes".to_owned()));
    add("Address", route.address.clone());
    add("Protocol", route.protocol.as_ref().map(ToString::to_string));
    add("Secret", model.secret.clone());
    add("Key from", Some(key(view)));
    add("Fallbacks", Some(model.fallbacks.join(", ")).filter(|fallbacks| !fallbacks.is_empty()));
    add("Said by", Some(model.origin.to_string()));
    fields(&rows)
}

fn key(view: &ModelDetailView) -> String {
    let names = view.route.key_names.join(" or ");
    match view.route.key_source.as_deref() {
        Some("none") => "nowhere; none is needed".into(),
        Some("secret") => format!("the secret {}", view.model.secret.as_deref().unwrap_or_default()),
        Some(_) => format!("the environment: {names}"),
        None => format!("nowhere yet: set {names}, or register the alias with --secret"),
    }
}

fn outcome(view: &ModelTestView) -> String {
    let alias = view.alias.as_ref().map(|alias| format!("{alias}: ")).unwrap_or_default();
    let address = view.route.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
    let mut lines = vec![one_line(&format!("{alias}{}{address}", view.resolved_model))];
    lines.extend(view.checks.iter().map(line));
    lines.join("\n")
}

fn line(check: &ModelCheck) -> String {
    let mark = if check.ok { "✓".green().to_string() } else { "✗".red().to_string() };
    let latency = check.latency_ms.map(|latency| format!(" ({latency} ms)")).unwrap_or_default();
    let hint = check.hint.as_ref().map(|hint| format!("\n    {} {}", "hint:".cyan(), one_line(hint))).unwrap_or_default();
    format!("{mark} {}: {}{latency}{hint}", check.name, one_line(&check.detail))
}
