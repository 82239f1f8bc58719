//! What a command answered.

use std::process::Output;

use serde_json::Value;

/// What a command answered.
#[derive(Clone)]
pub struct Reply {
    command: String,
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "\n$ {command}\nexit code: {code:?}\n-- stdout --\n{stdout}\n-- stderr --\n{stderr}")
    }
}

impl Reply {
    pub(crate) fn new(command: String, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the host prints UTF-8");
        Self { command, code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Checks that the command succeeded.
    #[must_use = "or `let _`"]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "it should have succeeded{self:?}");
        self
    }

    /// What was printed: one line of JSON.
    pub fn envelope(&self) -> Value {
        assert_eq!(self.stdout.trim_end().lines().count(), 1, "standard output is one line of JSON{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}{self:?}"))
    }

    /// The item of a command that succeeded.
    pub fn item(self) -> Value {
        let reply = self.ok();
        let mut envelope = reply.envelope();
        assert!(envelope["command"].is_string() && envelope["item"].is_object(), "an envelope with an item{reply:?}");
        envelope["item"].take()
    }

    /// The items of a command that succeeded.
    pub fn items(self) -> Vec<Value> {
        let reply = self.ok();
        let envelope = reply.envelope();
        let items = envelope["items"].as_array().unwrap_or_else(|| panic!("an envelope with items{reply:?}"));
        assert_eq!(envelope["count"], items.len(), "`count` counts the items{reply:?}");
        items.clone()
    }

    /// The error of a command that failed with exit code 1, nothing on standard output and one line of JSON for the error.
    pub fn error(&self) -> Value {
        assert_eq!(self.code, Some(1), "it should have failed with exit code 1{self:?}");
        assert_eq!(self.stdout, "", "a failed command prints nothing on standard output{self:?}");
        let last = self.stderr.trim_end().lines().last().unwrap_or_default();
        let envelope: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}{self:?}"));
        assert!(envelope["command"].is_string(), "an error names its command{self:?}");
        assert!(
            envelope["error"]["message"].as_str().is_some_and(|message| !message.is_empty()),
            "an error has a message{self:?}"
        );
        envelope["error"].clone()
    }

    /// The error of a failed command, whose type and message must be as given: the message contains each of the parts.
    #[track_caller]
    pub fn refused(&self, class: &str, parts: &[&str]) -> Value {
        let error = self.error();
        assert_eq!(error["type"], class, "the class of the error{self:?}");
        let message = error["message"].as_str().unwrap_or_default();
        for part in parts {
            assert!(message.contains(part), "the message should contain `{part}`{self:?}");
        }
        error
    }

    /// The execution of a run that failed: the error names it.
    pub fn failed_execution(&self) -> String {
        let error = self.error();
        assert_eq!(error["status"], "failed", "{self:?}");
        error["exec_id"].as_str().unwrap_or_else(|| panic!("the error names the execution{self:?}")).to_owned()
    }

    /// The lines of standard output, each of JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}{self:?}"))).collect()
    }
}

/// The ID of an execution.
#[track_caller]
pub fn id(execution: &Value) -> &str {
    execution["exec_id"].as_str().unwrap_or_else(|| panic!("no execution: {execution:#}"))
}

/// The checkpoint call of an execution with this invocation ID.
#[track_caller]
pub fn checkpoint<'e>(execution: &'e Value, invocation: &str) -> &'e Value {
    let calls = execution["checkpoints"].as_array().expect("an execution lists its checkpoints");
    let found = calls.iter().find(|call| call["invocation_id"] == invocation);
    found.unwrap_or_else(|| panic!("no checkpoint call `{invocation}` in {execution:#}"))
}

/// One field of every item.
pub fn names<'v>(items: &'v Value, field: &str) -> Vec<&'v str> {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item[field].as_str().unwrap_or_else(|| panic!("`{field}` in {item:#}"))).collect()
}

/// The call IDs of an execution's checkpoints, in order.
pub fn call_ids(execution: &Value) -> Vec<&str> {
    names(&execution["checkpoints"], "call_id")
}
