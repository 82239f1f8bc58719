//! An assistant's program that is not ours: the official Python SDK of the Model Context Protocol, told by a test what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{python, repository};

/// How long one answer may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the client begins: as it does by itself, or as it did before there was anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The version of 2026-07-28, without a handshake.
    Newest,
    /// The handshake of earlier versions.
    Legacy,
}

/// The client, which has connected. It ends when the test lets go of it.
pub struct Assistant {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// What came of something.
#[derive(Debug)]
pub struct Told {
    reply: Value,
}

impl Assistant {
    /// The client of a server that this command starts; with a person at hand who answers questions, if `elicits`.
    pub fn of_command(server: &Command, mode: Mode, elicits: bool) -> Self {
        Self::start(client_of(server, mode, elicits))
    }

    /// The same, with what the server says on standard error in a file.
    pub fn of_command_telling(server: &Command, mode: Mode, elicits: bool, file: &str) -> Self {
        let mut client = client_of(server, mode, elicits);
        client.stderr(std::fs::File::create(file).expect("a file"));
        Self::start(client)
    }

    /// The client of a server at this address, which sends these headers.
    pub fn of_url(url: &str, headers: &[(&str, &str)], mode: Mode, elicits: bool) -> Self {
        let mut client = client(mode, elicits);
        client.args(headers.iter().map(|(name, value)| format!("--header={name}={value}"))).args(["--url", url]);
        Self::start(client)
    }

    fn start(mut client: Command) -> Self {
        let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    /// Does something, and returns what came of it.
    pub fn tell(&mut self, what: &Value) -> Told {
        let stdin = self.stdin.as_mut().expect("it is told nothing after its end");
        writeln!(stdin, "{what}").and_then(|()| stdin.flush()).expect("the client listens");
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Told { reply: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")) },
            Err(RecvTimeoutError::Timeout) => panic!("no answer to {what}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the client has ended over {what}; standard error says why"),
        }
    }

    /// Calls a tool.
    pub fn call(&mut self, name: &str, arguments: &Value) -> Told {
        self.answering(name, arguments, &json!([]))
    }

    /// Calls a tool, with a person who answers what is asked meanwhile.
    pub fn answering(&mut self, name: &str, arguments: &Value, answers: &Value) -> Told {
        self.tell(&json!({ "do": "call", "name": name, "arguments": arguments, "answers": answers }))
    }

    /// Ends the conversation as programs do, by closing it, and waits until the client has ended.
    pub fn end(mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("the client ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Assistant {
    fn drop(&mut self) {
        // Closed, the client ends its server; a test that fails has nobody to wait for.
        drop(self.stdin.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Told {
    /// The result, whatever it is of.
    pub fn result(&self) -> &Value {
        self.reply.get("result").unwrap_or_else(|| panic!("refused: {:#}", self.reply))
    }

    /// The structured result of a tool that did what it is for.
    pub fn value(&self) -> &Value {
        let result = self.result();
        assert_ne!(result["isError"], true, "{result:#}");
        &result["structuredContent"]
    }

    /// The text of a tool's result, all of its parts.
    pub fn text(&self) -> String {
        let parts = self.result()["content"].as_array().unwrap_or_else(|| panic!("no content: {:#}", self.reply));
        parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// What a tool said that refused.
    pub fn refusal(&self) -> String {
        assert_eq!(self.result()["isError"], true, "{:#}", self.reply);
        self.text()
    }

    /// The error of the protocol.
    pub fn error(&self) -> &Value {
        self.reply.get("error").unwrap_or_else(|| panic!("no error: {:#}", self.reply))
    }

    /// The same, if there is one.
    pub fn failure(&self) -> Option<&Value> {
        self.reply.get("error")
    }

    /// The questions that the person was asked.
    pub fn asked(&self) -> &[Value] {
        self.reply["asked"].as_array().map_or(&[], Vec::as_slice)
    }
}

fn client(mode: Mode, elicits: bool) -> Command {
    let mut client = Command::new(python("mcp-client", "requirements.txt", "KITARU_TESTS_PYTHON"));
    client.arg(repository().join("tests/tools/mcp_client.py"));
    client.args(["--mode", if mode == Mode::Newest { "auto" } else { "legacy" }]);
    if elicits {
        client.arg("--elicit");
    }
    client
}

/// The client, before it runs, of a server that this command starts.
fn client_of(server: &Command, mode: Mode, elicits: bool) -> Command {
    let mut client = client(mode, elicits);
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => client.env(name, value),
            None => client.env_remove(name),
        };
    }
    if let Some(folder) = server.get_current_dir() {
        client.arg("--cwd").arg(folder);
    }
    client.arg("--").arg(server.get_program()).args(server.get_args());
    client
}
