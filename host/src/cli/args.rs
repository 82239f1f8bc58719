//! Arguments that several commands share.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::error::CliError;
use crate::config::Isolation;
use crate::engine::check_schema;
use crate::sandbox::{FolderGrant, Grants, LimitChanges, ModelGrant, NetGrant, SecretGrant};
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
    #[arg(short, long, global = true, default_value = "text", value_parser = parse_format)]
    pub(super) output: Format,
    /// No progress, no talk
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// More talk; twice for internal messages
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(super) color: Color,
    /// Answer yes to questions of this program
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// The data folder
    #[arg(long, global = true, env = "KITARU_HOME", value_name = "FOLDER")]
    pub(super) home: Option<PathBuf>,
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

fn signatures_parser() -> impl TypedValueParser<Value = SignaturePolicy> {
    PossibleValuesParser::new(SignaturePolicy::ALL.map(SignaturePolicy::as_str)).try_map(|word| word.parse::<SignaturePolicy>())
}

fn isolation_parser() -> impl TypedValueParser<Value = Isolation> {
    PossibleValuesParser::new(Isolation::WORDS).try_map(|word| word.parse::<Isolation>())
}

fn durability_parser() -> impl TypedValueParser<Value = DurabilityMode> {
    PossibleValuesParser::new(DurabilityMode::ALL.map(DurabilityMode::as_str)).try_map(|word| word.parse::<DurabilityMode>())
}

fn parse_format(text: &str) -> Result<Format, String> {
    match text.trim().to_lowercase().as_str() {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("`--output` must be either `text` or `json`.".into()),
    }
}

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
            if wants_json(&arguments) {
                let text = error.render().to_string();
                let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default().trim().to_owned();
                let line = json!({ "command": verb(&super::command(), &arguments), "error": { "message": message } });
                anstream::eprintln!("{line}");
            } else {
                let _ = error.print();
            }
            ExitCode::FAILURE
        }
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

    /// The grants, with folders in the form that does not depend on where the next command is started.
    pub(super) fn grants(&self) -> Result<Grants, CliError> {
        let mut grants = Grants {
            read: self.allow_read.clone(),
            write: self.allow_write.clone(),
            env: self.allow_env.clone(),
            net: self.allow_net.clone(),
            llm: self.allow_llm.clone(),
            secrets: self.allow_secret.clone(),
            ..Grants::default()
        };
        grants.make_absolute()?;
        Ok(grants)
    }
}

/// What instances may use.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Memory of one instance, in MiB
    #[arg(long, value_name = "MIB")]
    max_memory: Option<u64>,
    /// How long the flow may compute between two durable calls, in seconds
    #[arg(long, value_name = "SECONDS")]
    flow_seconds: Option<u64>,
    /// How long one checkpoint attempt may take, in seconds
    #[arg(long, value_name = "SECONDS")]
    checkpoint_seconds: Option<u64>,
    /// Size of one JSON value, in MiB
    #[arg(long, value_name = "MIB")]
    max_value: Option<u64>,
    /// Size of one artifact, in MiB
    #[arg(long, value_name = "MIB")]
    max_artifact: Option<u64>,
    /// Log text of one flow run or checkpoint attempt, in MiB
    #[arg(long, value_name = "MIB")]
    max_log: Option<u64>,
    /// Durable calls of one execution
    #[arg(long, value_name = "COUNT")]
    max_calls: Option<u32>,
    /// Checkpoints of one execution that run at a time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// What one checkpoint attempt writes to granted folders, in MiB
    #[arg(long, value_name = "MIB")]
    max_written: Option<u64>,
    /// Files and folders that one checkpoint attempt makes
    #[arg(long, value_name = "COUNT")]
    max_written_files: Option<u64>,
    /// Elements of all tables of one instance
    #[arg(long, value_name = "COUNT")]
    max_table_elements: Option<u64>,
    /// Core instances of a component, and as many memories and tables
    #[arg(long, value_name = "COUNT")]
    max_instances: Option<u32>,
    /// How long one checkpoint attempt, and the flow between two durable calls, may compute, in seconds; waiting does not count
    #[arg(long, value_name = "SECONDS")]
    cpu_seconds: Option<u64>,
    /// Journal of the execution with its values, in MiB
    #[arg(long, value_name = "MIB")]
    max_history: Option<u64>,
    /// All artifacts of the execution, in MiB
    #[arg(long, value_name = "MIB")]
    max_artifacts: Option<u64>,
    /// What the host holds of the arguments of one call, in MiB
    #[arg(long, value_name = "MIB")]
    max_argument: Option<u64>,
    /// HTTP requests and sockets of one attempt that are open at a time
    #[arg(long, value_name = "COUNT")]
    max_requests: Option<u32>,
    /// Body of one HTTP response, in MiB
    #[arg(long, value_name = "MIB")]
    max_response: Option<u64>,
    /// How long an HTTP request may wait for the head of its response, and for each piece of it, in seconds
    #[arg(long, value_name = "SECONDS")]
    request_seconds: Option<u64>,
}

impl LimitArgs {
    /// What the flags change.
    pub(super) fn changes(self) -> LimitChanges {
        LimitChanges {
            memory_mib: self.max_memory,
            flow_seconds: self.flow_seconds,
            checkpoint_seconds: self.checkpoint_seconds,
            value_mib: self.max_value,
            artifact_mib: self.max_artifact,
            log_mib: self.max_log,
            calls: self.max_calls,
            parallel: self.max_parallel,
            written_mib: self.max_written,
            written_files: self.max_written_files,
            table_elements: self.max_table_elements,
            instances: self.max_instances,
            cpu_seconds: self.cpu_seconds,
            history_mib: self.max_history,
            artifacts_mib: self.max_artifacts,
            argument_mib: self.max_argument,
            requests: self.max_requests,
            response_mib: self.max_response,
            request_seconds: self.request_seconds,
        }
    }
}

/// What all instances of this process may use together.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits of this process")]
pub(super) struct HostLimitArgs {
    /// Memory of all instances together, in MiB; what wants more waits in line. Also `instances_mib` of `host` in kitaru.toml; half of the
    /// machine's memory if absent
    #[arg(long = "max-instances-memory", value_name = "MIB")]
    pub(super) instances_mib: Option<u64>,
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

    #[test]
    fn json_errors_have_their_place() {
        let error = parse_json("--value", "{\n x").unwrap_err();
        assert!(error.message.contains("`--value`") && error.message.contains("(line 2, column 2)"), "{}", error.message);
    }
}
