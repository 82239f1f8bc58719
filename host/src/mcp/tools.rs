//! Tools: one for each verb that has one, made once.

use std::sync::OnceLock;

use rmcp::model::{Tool, ToolAnnotations};

use super::{schemas, verb};
use crate::access::Role;
use crate::service::verbs::{About, Effect, Entry, Method, all};

/// What a tool does beyond its verb.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Nothing, or it follows the execution that it lets go on.
    Verb(&'static Entry),
    /// It starts an execution, and says so as Kitaru does.
    Starts(&'static Entry),
}

/// Verbs that start an execution.
const STARTS: [&str; 2] = ["executions.run", "invoke"];
/// Verbs after which an execution goes on, which may ask something then.
const LEADS_ON: [&str; 3] = ["executions.input", "executions.retry", "executions.resume"];
/// Verbs in which flows run, or the network is used: what comes of them is not for this host alone to say.
const REACHES_OUT: [&str; 7] =
    ["executions.run", "executions.input", "executions.retry", "executions.resume", "executions.replay", "invoke", "model.test"];

impl Kind {
    fn of(entry: &'static Entry) -> Self {
        if STARTS.contains(&entry.about.name) { Self::Starts(entry) } else { Self::Verb(entry) }
    }

    /// The verb.
    pub(super) fn entry(self) -> &'static Entry {
        match self {
            Self::Verb(entry) | Self::Starts(entry) => entry,
        }
    }

    /// Whether it is followed by an execution that runs.
    pub(super) fn leads_on(self) -> bool {
        match self {
            Self::Starts(_) => true,
            Self::Verb(entry) => LEADS_ON.contains(&entry.about.name),
        }
    }

    /// Whether it gives plain text.
    pub(super) fn is_log(self) -> bool {
        self.entry().about.name == "executions.logs"
    }
}

/// What the tool of a name does, if it is that of a verb.
pub(super) fn kind_of(tool: &str) -> Option<Kind> {
    all().iter().find(|entry| entry.about.tool == Ok(tool)).map(Kind::of)
}

/// The tools of verbs that somebody with this role may use.
pub(super) fn of_verbs(role: Role) -> impl Iterator<Item = Tool> {
    static TOOLS: OnceLock<Vec<(Role, Tool)>> = OnceLock::new();
    let all = TOOLS.get_or_init(|| all().iter().filter_map(|entry| Some((entry.about.role, tool(entry)?))).collect());
    all.iter().filter(move |(needed, _)| *needed <= role).map(|(_, tool)| tool.clone())
}

fn tool(entry: &'static Entry) -> Option<Tool> {
    let (about, kind) = (&entry.about, Kind::of(entry));
    let mut tool = Tool::new(about.tool.ok()?, described(about, kind), schemas::input(entry)).with_title(title(about.name));
    tool = tool.with_annotations(annotations(about));
    let output = match kind {
        Kind::Starts(_) => Some(started()),
        Kind::Verb(_) if kind.is_log() => None,
        Kind::Verb(_) => schemas::output(entry),
    };
    Some(match output {
        Some(output) => tool.with_raw_output_schema(output.into()),
        None => tool,
    })
}

/// What is given by tools that start an execution.
pub(super) fn started() -> serde_json::Map<String, serde_json::Value> {
    schemas::started(verb("executions.get").and_then(schemas::output))
}

fn described(about: &About, kind: Kind) -> String {
    let mut text = about.summary.trim().to_owned();
    if kind.leads_on() {
        text.push_str(" Waits some seconds for it to end or to ask something.");
    }
    if kind.is_log() {
        text.push_str(" One line for each entry: time, level, checkpoint, message.");
    }
    text
}

/// `executions.pending-waits` as `Executions: pending waits`.
fn title(name: &str) -> String {
    let (group, rest) = name.split_once('.').unwrap_or((name, ""));
    let mut title: String = group.chars().take(1).flat_map(char::to_uppercase).chain(group.chars().skip(1)).collect();
    if !rest.is_empty() {
        title.push_str(": ");
        title.push_str(&rest.replace(['-', '.'], " "));
    }
    title
}

/// What programs are told before they ask whether a tool may be used.
pub(super) fn annotations(about: &About) -> ToolAnnotations {
    let reads = about.effect == Effect::Reads;
    ToolAnnotations::new()
        .read_only(reads)
        .destructive(about.effect == Effect::Destroys)
        // Setting or taking away the same thing twice is the same as once.
        .idempotent(reads || matches!(about.method, Method::Put | Method::Delete))
        .open_world(REACHES_OUT.contains(&about.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(name: &str) -> Value {
        let tool = of_verbs(Role::Admin).find(|tool| tool.name == name).unwrap_or_else(|| panic!("no tool {name}"));
        serde_json::to_value(tool).unwrap()
    }

    #[test]
    fn every_verb_with_a_tool_has_one_and_names_are_unique() {
        let mut names: Vec<String> = of_verbs(Role::Admin).map(|tool| tool.name.into_owned()).collect();
        assert_eq!(names.len(), all().iter().filter(|entry| entry.about.tool.is_ok()).count());
        assert!(
            names.iter().all(|name| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')),
            "{names:?}"
        );
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn annotations_say_what_a_tool_does() {
        let hints = |name: &str| {
            let hints = &shown(name)["annotations"];
            ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"].map(|hint| hints[hint] == true)
        };
        assert_eq!(hints("kitaru_executions_get"), [true, false, true, false]);
        assert_eq!(hints("kitaru_executions_run"), [false, false, false, true]);
        assert_eq!(hints("kitaru_executions_cancel"), [false, true, false, false]);
        assert_eq!(hints("kitaru_executions_delete"), [false, true, true, false]);
        assert_eq!(hints("kitaru_secrets_create"), [false, false, true, false]);
    }

    #[test]
    fn a_visitor_sees_what_he_may_use() {
        let has = |role: Role, name: &str| of_verbs(role).any(|tool| tool.name == name);
        assert!(has(Role::Viewer, "kitaru_executions_get") && !has(Role::Viewer, "kitaru_executions_input"));
        assert!(has(Role::Operator, "kitaru_executions_input") && !has(Role::Operator, "kitaru_executions_run"));
        assert!(has(Role::Admin, "kitaru_executions_delete") && !has(Role::Author, "kitaru_executions_delete"));
    }

    #[test]
    fn what_starts_and_what_is_text_says_so() {
        let run = shown("kitaru_executions_run");
        assert_eq!(run["outputSchema"]["required"], json!(["exec_id", "target", "execution", "warning"]));
        assert_eq!(run["title"], "Executions: run");
        assert!(shown("get_execution_logs").get("outputSchema").is_none());
        assert_eq!(shown("get_execution_logs")["inputSchema"]["properties"]["limit"]["default"], 200);
        assert_eq!(shown("kitaru_executions_pending_waits")["title"], "Executions: pending waits");
    }

    #[test]
    fn credentials_and_files_are_no_tools() {
        assert!(kind_of("kitaru_secrets_delete").is_none() && kind_of("executions.get").is_none());
        assert!(all().iter().all(|entry| entry.about.tool.map_or_else(|why| !why.is_empty(), |name| !name.is_empty())));
    }
}
