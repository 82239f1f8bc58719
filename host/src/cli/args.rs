//! Arguments that several commands share.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::connection::check_folder_of_server;
use super::context::Chosen;
use super::error::CliError;
pub(super) use super::limit_args::{HostLimitArgs, LimitArgs};
use crate::config::Isolation;
use crate::engine::check_schema;
use crate::sandbox::{FolderGrant, Grants, ModelGrant, NetGrant, SecretGrant};
use crate::signing::SignaturePolicy;
use crate::store::DurabilityMode;

/// Form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Form of the output: text or json
    #[arg(short, long, global = true, default_value = "text", value_name = "FORM", value_parser = parse_format)]
    pub(super) output: Format,
    /// No progress, no talk
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// More talk; twice for internal messages
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
    /// Answer yes to questions of this program
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// The data folder. Also KITARU_HOME
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(super) home: Option<PathBuf>,
    /// Whether a flag named the data folder, and no variable
    #[arg(skip)]
    pub(super) home_by_flag: bool,
    /// Work with this server, and not with the data folder: with the key of `login`, or KITARU_AUTH_TOKEN. Also KITARU_SERVER_URL
    #[arg(long, global = true, value_name = "URL", conflicts_with = "local")]
    pub(super) server: Option<String>,
    /// Work with the data folder of this machine, whatever server you are logged in to
    #[arg(long, global = true)]
    pub(super) local: bool,
    /// What a commit must survive before anything follows from it: the death of the machine (full, the default), or only of this process
    /// (process). Also KITARU_DURABILITY, or kitaru.toml
    #[arg(long, global = true, value_name = "HOW", value_parser = durability_parser())]
    pub(super) durability: Option<DurabilityMode>,
    /// Whether components must be signed by a key that is trusted: off (the default), warn, or require. Also KITARU_SIGNATURES, or kitaru.toml
    #[arg(long, global = true, value_name = "POLICY", value_parser = signatures_parser())]
    pub(super) signatures: Option<SignaturePolicy>,
    /// Run guests in a process that has given its own rights away: Landlock, seccomp, no new privileges. `best-effort` goes on where the kernel
    /// lacks some of it. Also KITARU_ISOLATE, or kitaru.toml
    #[arg(long, global = true, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "on",
          value_parser = isolation_parser())]
    pub(super) isolate: Option<Isolation>,
    /// What an isolated process is left with, as the process that was it before has found out
    #[arg(long, global = true, hide = true, value_name = "PLAN")]
    pub(super) within: Option<String>,
}

impl Global {
    /// Takes what no flag says from the environment. What clap finds there it takes for given, and shows in every usage.
    pub(super) fn with_environment(mut self) -> Self {
        self.home_by_flag = self.home.is_some();
        self.home = self.home.or_else(|| std::env::var_os("KITARU_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from));
        self
    }

    /// The flag, of those that were given, which says how this machine runs guests: a server has its own word for that.
    pub(super) fn of_this_machine(&self) -> Option<&'static str> {
        let given = [
            ("--durability", self.durability.is_some()),
            ("--signatures", self.signatures.is_some()),
            ("--isolate", self.isolate.is_some()),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}

fn signatures_parser() -> impl TypedValueParser<Value = SignaturePolicy> {
    PossibleValuesParser::new(SignaturePolicy::ALL.map(SignaturePolicy::as_str)).try_map(|word| word.parse::<SignaturePolicy>())
}

fn isolation_parser() -> impl TypedValueParser<Value = Isolation> {
    PossibleValuesParser::new(Isolation::WORDS).try_map(|word| word.parse::<Isolation>())
}

fn durability_parser() -> impl TypedValueParser<Value = DurabilityMode> {
    PossibleValuesParser::new(DurabilityMode::ALL.map(DurabilityMode::as_str)).try_map(|word| word.parse::<DurabilityMode>())
}

pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    match text.trim().to_lowercase().as_str() {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("`--output` must be either `text` or `json`.".into()),
    }
}

/// What to grant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Grants (nothing is granted by default)")]
pub(super) struct GrantArgs {
    /// Let checkpoints read this folder; `host path::guest path` renames it
    #[arg(long, value_name = "FOLDER")]
    allow_read: Vec<FolderGrant>,
    /// Let checkpoints read and write this folder
    #[arg(long, value_name = "FOLDER")]
    allow_write: Vec<FolderGrant>,
    /// Let checkpoints read this environment variable
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
    /// Let checkpoints reach this host: `name`, `address` or `*`, each with an optional `:port`; with a scheme, a path or methods, as in
    /// `GET https://api.example.com/v1/*`, for such requests alone
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_net: Vec<NetGrant>,
    /// Put this secret into checkpoints' requests to granted hosts, or only to the host after `@`; with `=reveal`, let them read it
    #[arg(long, value_name = "NAME[.KEY][@HOST]")]
    allow_secret: Vec<SecretGrant>,
    /// Let flows and checkpoints call this model: an alias, `provider/model`, `provider/*`, or, without a value, all
    #[arg(long, value_name = "MODEL", num_args = 0..=1, require_equals = true, default_missing_value = ModelGrant::ALL)]
    allow_llm: Vec<ModelGrant>,
    /// Grant all that the component declares to need, each to the checkpoint that declares it. Folders are those of their names in the project's folder
    #[arg(long)]
    allow_needs: bool,
}

impl GrantArgs {
    /// Whether all that the component declares is granted.
    pub(super) fn all_needs(&self) -> bool {
        self.allow_needs
    }

    /// The grants, as whoever runs the flow understands them: folders of this machine, or of the server.
    pub(super) fn grants_for(&self, chosen: &Chosen) -> Result<Grants, CliError> {
        match chosen {
            Chosen::Local(_) => self.grants(),
            Chosen::Server(_) => self.grants_on_server(),
        }
    }

    /// The grants for a server, whose folders have to be named in full.
    pub(super) fn grants_on_server(&self) -> Result<Grants, CliError> {
        self.allow_read.iter().chain(&self.allow_write).try_for_each(|folder| check_folder_of_server(&folder.host))?;
        Ok(self.as_given())
    }

    /// The grants, with folders in the form that does not depend on where the next command is started.
    pub(super) fn grants(&self) -> Result<Grants, CliError> {
        let mut grants = self.as_given();
        grants.make_absolute()?;
        Ok(grants)
    }

    fn as_given(&self) -> Grants {
        Grants {
            read: self.allow_read.clone(),
            write: self.allow_write.clone(),
            env: self.allow_env.clone(),
            net: self.allow_net.clone(),
            llm: self.allow_llm.clone(),
            secrets: self.allow_secret.clone(),
            ..Grants::default()
        }
    }
}

/// `KEY=VALUE`.
#[derive(Clone, Debug)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) value: String,
}

impl std::str::FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Self { key: key.trim().to_owned(), value: value.to_owned() }),
            _ => Err("it must have the form KEY=VALUE".into()),
        }
    }
}

/// Parses JSON that a person typed, with Kitaru's message when it is not.
pub(super) fn parse_json(flag: &str, text: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or(&problem);
        CliError::usage(format!("Invalid JSON for `{flag}`: {problem} (line {line}, column {column}).")).class("ValueError")
    })
}

/// Parses a JSON object that a person typed.
pub(super) fn parse_object(flag: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    match parse_json(flag, text)? {
        Value::Object(map) => Ok(map),
        _ => Err(CliError::usage(format!("`{flag}` must be a JSON object (for example: `{{\"topic\": \"kitaru\"}}`)."))),
    }
}

/// One `--arg`: JSON where that fits the argument's schema, otherwise the text itself.
pub(super) fn argument_value(input_schema: &Value, argument: &KeyValue) -> Value {
    let text = Value::String(argument.value.clone());
    let Ok(parsed) = serde_json::from_str::<Value>(&argument.value) else { return text };
    let Some(property) = input_schema.get("properties").and_then(|properties| properties.get(&argument.key)) else {
        return parsed;
    };
    let schema = json!({ "$defs": input_schema.get("$defs").cloned().unwrap_or(json!({})), "allOf": [property] });
    if check_schema(&schema, &parsed).is_ok() || check_schema(&schema, &text).is_err() { parsed } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_granted_with_and_without_a_name() {
        let grants = |words: &str| {
            let command = GrantArgs::augment_args(clap::Command::new("run").no_binary_name(true)).arg(clap::Arg::new("target"));
            let matches = command.try_get_matches_from(words.split_whitespace()).unwrap();
            let parsed = <GrantArgs as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
            let granted = parsed.grants().unwrap().llm.iter().map(ToString::to_string).collect::<Vec<_>>();
            (granted, matches.get_one::<String>("target").cloned())
        };
        assert_eq!(grants("--allow-llm target"), (vec!["*".to_owned()], Some("target".to_owned())), "a value has an equals sign");
        let several = grants("--allow-llm=fast --allow-llm --allow-llm=openai/*").0;
        assert_eq!(several, ["fast", "*", "openai/*"]);
        assert!(grants("").0.is_empty());
    }

    #[test]
    fn arguments_fit_their_schema() {
        let schema = json!({ "properties": { "s": { "type": "string" }, "n": { "type": "integer" }, "o": { "$ref": "#/$defs/O" } },
            "$defs": { "O": { "type": ["object", "null"] } } });
        let value = |text: &str| argument_value(&schema, &text.parse().unwrap());
        assert_eq!(value("s=v1.0"), json!("v1.0"));
        assert_eq!(value("s=12"), json!("12"));
        assert_eq!(value("s=a=b"), json!("a=b"));
        assert_eq!(value("n=12"), json!(12));
        assert_eq!(value("n=x"), json!("x"), "left to the schema to refuse");
        assert_eq!(value("o={\"a\":1}"), json!({ "a": 1 }));
        assert_eq!(value("unknown=[1]"), json!([1]));
        assert!("x".parse::<KeyValue>().is_err());
    }

    #[test]
    fn json_errors_have_their_place() {
        let error = parse_json("--value", "{\n x").unwrap_err();
        assert!(error.message.contains("`--value`") && error.message.contains("(line 2, column 2)"), "{}", error.message);
    }
}
