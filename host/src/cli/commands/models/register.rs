//! `model register`.

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use kitaru_llm::codec::Api;
use kitaru_llm::models::ModelAlias;

use super::say_what_counts;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::service::ModelChange;

/// Make a model alias of this data folder, or say anew what it stands for
///
/// The first one becomes the default, the model of calls that name none, and stays it until another one is made the default.
#[derive(Debug, Args)]
pub(crate) struct RegisterCommand {
    /// The alias: letters, digits, `-` and `_`; upper case counts as lower case
    alias: String,
    /// What it stands for. May be left out with `--default`, where the alias is there
    #[arg(long, value_name = "PROVIDER/MODEL", required_unless_present = "default")]
    model: Option<String>,
    /// The secret that holds the provider's key, for when the environment has none
    #[arg(long, value_name = "NAME", requires = "model")]
    secret: Option<String>,
    /// Another address of the provider's API, up to and without the path of a call
    #[arg(long, value_name = "URL", requires = "model")]
    base_url: Option<String>,
    /// The protocol spoken there, where it is not the provider's usual one
    #[arg(long, value_name = "PROTOCOL", requires = "model", value_parser = api_parser())]
    api: Option<Api>,
    /// A model or an alias to try after the model has failed for good; several are tried in this order
    #[arg(long = "fallback", value_name = "MODEL", requires = "model")]
    fallbacks: Vec<String>,
    /// Make it the default
    #[arg(long)]
    default: bool,
}

fn api_parser() -> impl TypedValueParser<Value = Api> {
    PossibleValuesParser::new(Api::ALL.map(Api::as_str)).try_map(|word| {
        let found = Api::ALL.into_iter().find(|api| api.as_str() == word);
        found.ok_or_else(|| format!("`{word}` is no protocol"))
    })
}

impl RegisterCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let Self { alias, model, secret, base_url, api, fallbacks, default } = self;
        let model = model.map(|model| ModelAlias { model, secret, base_url, api, fallbacks });
        let change = ModelChange { alias, model, make_default: default };
        let registered = context.model_service()?.register_model(change).await?;
        let what = if registered.result == "created" { "Registered" } else { "Updated" };
        let is_default = if registered.model.is_default { ", the default" } else { "" };
        context.output.say(&format!("{what} model alias {}: {}{is_default}", registered.model.alias, registered.model.model));
        say_what_counts(context, &registered);
        context.output.item(&registered, String::new)
    }
}
