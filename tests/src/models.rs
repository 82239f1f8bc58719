//! A host that calls models, and what it keeps of that: an alias for a provider of the test's own, a key for it, records.

use std::process::Command;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::provider::{Gate, Provider, Reaction};
use crate::traces::{key_of, rows_of};
use crate::{Host, Planted, Reply, Running, fixture, id, until};

/// A host with the alias `fast`: `openai/gpt-4o-mini`, at a provider of the test's own. All flows are those of the fixture `conformance`, and
/// may call every model.
pub struct Models {
    /// The host.
    pub host: Host,
    /// Who answers.
    pub provider: Provider,
}

/// What an environment has that makes `fast` work: [`Models::KEY`].
const KEYED: [(&str, &str); 1] = [("OPENAI_API_KEY", Models::KEY)];

impl Models {
    /// The key that commands have in their environment, if nothing else is said.
    pub const KEY: &str = "sk-planted-5d20-marker";
    /// The same, to be looked for.
    pub const PLANTED: Planted = Planted(Self::KEY);
    /// Settings with which nobody waits long between two attempts.
    pub const QUICK: &str = "[llm.retry]\nfirst_pause_ms = 1\n";
    /// Settings with which a call has one attempt.
    pub const ONCE: &str = "[llm.retry]\nattempts = 1\n";
    /// What one answer of the provider costs, in billionths of a dollar: 11 tokens at $0.15 and 7 at $0.60 a million.
    pub const COST: i64 = 11 * 150 + 7 * 600;

    /// With a provider that has these reactions, one for each call.
    pub fn answering(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        Self::of(Provider::answering(reactions))
    }

    /// With a provider that gives each call the same answer.
    pub fn always(text: &str) -> Self {
        let text = text.to_owned();
        Self::of(Provider::reacting(move |_| Reaction::text(&text)))
    }

    /// With a provider that holds the first call for good, and answers each further one at once: `Answer 1.`, `Answer 2.` …
    pub fn held_once() -> (Self, Gate) {
        let gate = Gate::new();
        let held = gate.clone();
        let provider = Provider::reacting(move |received| match received.number {
            0 => Reaction::text("Never told.").held(&held),
            number => Reaction::text(&format!("Answer {number}.")),
        });
        (Self::of(provider), gate)
    }

    /// With this provider.
    pub fn of(provider: Provider) -> Self {
        let models = Self { host: Host::warm(), provider };
        let _ = models.alias("fast", "openai/gpt-4o-mini", &models.provider.openai(), &[]);
        models
    }

    /// Registers an alias.
    pub fn alias(&self, alias: &str, model: &str, base_url: &str, flags: &[&str]) -> Value {
        self.host.item([&["model", "register", alias, "--model", model, "--base-url", base_url], flags].concat())
    }

    /// Writes `kitaru.toml`.
    pub fn settings(&self, text: &str) {
        self.host.file("kitaru.toml", text);
    }

    /// A command with `--output json` and these variables, and no key besides.
    pub fn command_with(&self, variables: &[(&str, &str)], words: &[&str]) -> Command {
        let mut command = self.host.json_command(words);
        command.envs(variables.iter().copied());
        command
    }

    /// What a command with the key says.
    pub fn reply(&self, words: &[&str]) -> Reply {
        self.command_with(&KEYED, words).into()
    }

    /// The item of a command with the key, which must succeed.
    pub fn item(&self, words: &[&str]) -> Value {
        self.reply(words).item()
    }

    /// The command that runs a flow, with these variables and no key besides.
    pub fn flow_with(&self, variables: &[(&str, &str)], flow: &str, input: &Value) -> Command {
        let (target, input) = (fixture(&format!("conformance:{flow}")), input.to_string());
        self.command_with(variables, &["run", &target, "--input", &input, "--allow-llm"])
    }

    /// Runs a flow, which must work; returns the execution.
    pub fn run(&self, flow: &str, input: &Value) -> Value {
        self.try_run(flow, input).item()
    }

    /// Runs a flow, however it ends.
    pub fn try_run(&self, flow: &str, input: &Value) -> Reply {
        self.flow_with(&KEYED, flow, input).into()
    }

    /// Runs a flow, and leaves it running.
    pub fn start(&self, flow: &str, input: &Value) -> Running {
        self.host.spawn(self.flow_with(&KEYED, flow, input))
    }

    /// A host that looks after everything, with these variables and no key besides.
    pub fn serving(&self, variables: &[(&str, &str)]) -> Running {
        let mut running = self.host.spawn(self.command_with(variables, &["serve", "--no-http"]));
        let _ = running.read_until(|line| line["event"] == "ready");
        running
    }

    /// Makes these calls in one flow, one after the other: what became of each.
    pub fn ask(&self, requests: &Value) -> Vec<Value> {
        told(&self.run("model_calls", &json!({ "requests": requests })))
    }

    /// The same in one checkpoint.
    pub fn ask_in_body(&self, requests: &Value) -> Vec<Value> {
        told(&self.run("model_body", &json!({ "requests": requests })))
    }

    /// How many calls the provider got.
    pub fn hits(&self) -> usize {
        self.provider.calls().len()
    }

    /// The newest execution, whole.
    pub fn newest(&self) -> Value {
        self.host.item(["executions", "latest"])
    }

    /// Waits until there is an execution.
    #[track_caller]
    pub fn begun(&self) -> String {
        until("an execution", || {
            let found = self.host.json(["executions", "list"]).items();
            found.first().map(|execution| id(execution).to_owned())
        })
    }

    /// The lines that an execution has logged so far.
    pub fn heard(&self, execution: &str) -> Vec<String> {
        let lines = self.host.json(["executions", "logs", execution]).items();
        lines.iter().filter_map(|line| line["message"].as_str()).map(|message| message.trim().to_owned()).collect()
    }

    /// The records of an execution's model calls.
    pub fn records(&self, execution: &str) -> Vec<ModelRecord> {
        records_of(&self.host, execution)
    }

    /// The same, byte for byte.
    pub fn record_bytes(&self, execution: &str) -> Vec<String> {
        rows_of(&self.host.database(), execution, &["model_calls"])
    }

    /// The value of a call's artifact, with its kind.
    #[track_caller]
    pub fn artifact(&self, execution: &Value, name: &str) -> (Value, Value) {
        let artifacts = execution["artifacts"].as_array().expect("an execution lists its artifacts");
        let found = artifacts.iter().find(|artifact| artifact["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no artifact `{name}` in {execution:#}"));
        let whole = self.host.item(["artifacts", "get", found["artifact_id"].as_str().expect("an artifact has an ID")]);
        (found["kind"].clone(), whole["value"].clone())
    }
}

/// The record of one model call.
#[derive(Clone, Debug)]
pub struct ModelRecord {
    /// Its name.
    pub name: String,
    /// The durable call: the model call itself, or the checkpoint around it.
    pub call: u32,
    /// The attempt of it.
    pub attempt: u32,
    /// What it cost, in billionths of a dollar.
    pub spent: i64,
    /// Its usage records.
    pub usage: Vec<Value>,
    /// Its events.
    pub events: Vec<Value>,
    /// What governed it.
    pub policies: Value,
}

impl ModelRecord {
    /// Its scopes' edges of one category: `start` or `end`.
    pub fn scopes(&self, category: &str, edge: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["category"] == category && event["scope_category"] == edge).collect()
    }

    /// Where the call itself starts.
    #[track_caller]
    pub fn start(&self) -> &Value {
        self.only("start")
    }

    /// Where it ends.
    #[track_caller]
    pub fn end(&self) -> &Value {
        self.only("end")
    }

    #[track_caller]
    fn only(&self, edge: &str) -> &Value {
        let found = self.scopes("llm", edge);
        let [event] = found[..] else { panic!("a call has one {edge}: {:#?}", self.events) };
        event
    }
}

fn records_of(host: &Host, execution: &str) -> Vec<ModelRecord> {
    let store = Connection::open_with_flags(host.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store is there");
    let query = "SELECT name, call, attempt, spent, usage, events, policies FROM model_calls WHERE execution = ?1 ORDER BY id";
    let mut statement = store.prepare(query).expect("the store has records of model calls");
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<ModelRecord> {
        let events: String = row.get(5)?;
        Ok(ModelRecord {
            name: row.get(0)?,
            call: row.get(1)?,
            attempt: row.get(2)?,
            spent: row.get(3)?,
            usage: parsed(row.get(4)?).as_array().cloned().expect("usage records are a list"),
            events: events.lines().map(|line| parsed(line.to_owned())).collect(),
            policies: parsed(row.get(6)?),
        })
    };
    let found = statement.query_map([key_of(&store, execution)], read).expect("rows");
    found.map(|record| record.expect("a record")).collect()
}

/// What became of the calls of a flow that returns that.
#[track_caller]
pub fn told(execution: &Value) -> Vec<Value> {
    execution["result"].as_array().unwrap_or_else(|| panic!("a list of what became of calls: {execution:#}")).clone()
}

/// Checks that a call failed so, with all of these parts in its message.
#[track_caller]
pub fn failed(told: &Value, kind: &str, parts: &[&str]) {
    assert_eq!(told["kind"], kind, "the kind of the failure: {told:#}");
    let message = told["message"].as_str().unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "the message should contain `{part}`: {told:#}");
    }
}

/// Whose fault a failed call says it is: `UserCode`, `Runtime` or `Backend`.
pub fn origin(told: &Value) -> &str {
    let origin = told["origin"].as_str().unwrap_or_default();
    origin.rsplit_once("::").map_or(origin, |(_, last)| last)
}

/// What the metadata of a checkpoint has of a model call.
#[track_caller]
pub fn entry<'e>(checkpoint: &'e Value, call: &str) -> &'e Value {
    let entry = &checkpoint["metadata"]["llm_calls"][call];
    assert!(entry.is_object(), "no model call `{call}` in the metadata of {checkpoint:#}");
    entry
}

/// The usage records in the metadata of a checkpoint, those of earlier attempts first.
#[track_caller]
pub fn usage(checkpoint: &Value) -> Vec<&Value> {
    let records = &checkpoint["metadata"]["llm_usage_v1"];
    let records = records.as_object().unwrap_or_else(|| panic!("no usage records in the metadata of {checkpoint:#}"));
    let mut records: Vec<&Value> = records.values().collect();
    records.sort_by_key(|record| record["record_id"].as_str().map(str::to_owned));
    records
}
