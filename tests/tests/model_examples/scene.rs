//! A host that knows a scripted provider's models, with a key in its environment.

use std::path::PathBuf;
use std::process::Command;

use kitaru_tests::provider::{Provider, Reaction, Received};
use kitaru_tests::{Host, Reply, Running, repository};
use serde_json::Value;

/// The key of every provider. It belongs into the headers of requests and nowhere else.
pub(crate) const KEY: &str = "sk-planted-5c1e-marker";

/// Variables that would change who is asked, and how he is reached.
const FOREIGN: [&str; 10] = [
    "OPENROUTER_API_KEY",
    "GOOGLE_API_KEY",
    "OLLAMA_HOST",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "REQUEST_METHOD",
];

pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) provider: Provider,
}

impl Scene {
    /// The alias `fast` is the provider's `openai/gpt-4o-mini`.
    pub(crate) fn with(provider: Provider) -> Self {
        let scene = Self { host: Host::new(), provider };
        scene.register("fast", "openai/gpt-4o-mini", &scene.provider.openai());
        scene
    }

    pub(crate) fn answering(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        Self::with(Provider::answering(reactions))
    }

    pub(crate) fn register(&self, alias: &str, model: &str, base: &str) {
        let _ = self.host.item(["model", "register", alias, "--model", model, "--base-url", base]);
    }

    /// A command of a host that has keys.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.json_command(arguments);
        for name in FOREIGN {
            command.env_remove(name);
        }
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            command.env(name, KEY);
        }
        command
    }

    pub(crate) fn reply(&self, arguments: &[&str]) -> Reply {
        Reply::from(self.command(arguments))
    }

    pub(crate) fn item(&self, arguments: &[&str]) -> Value {
        self.reply(arguments).item()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        self.host.spawn(self.command(arguments))
    }

    /// Answers the question that an execution waits for; the execution afterwards.
    pub(crate) fn answer(&self, execution: &str, value: &Value) -> Value {
        self.item(&["executions", "input", execution, "--value", &value.to_string()])
    }

    pub(crate) fn latest(&self) -> Value {
        self.host.item(["executions", "latest"])
    }

    /// The requests of all model calls so far.
    pub(crate) fn asked(&self) -> Vec<Received> {
        self.provider.calls().into_iter().map(|call| call.received).collect()
    }

    /// A copy of the agent's sample project in the host's working folder.
    pub(crate) fn project(&self) -> PathBuf {
        let project = self.host.work().join("project");
        std::fs::create_dir_all(&project).unwrap();
        for entry in std::fs::read_dir(repository().join("examples/coding-agent/project")).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), project.join(file.file_name())).unwrap();
        }
        project
    }

    /// A flag that grants the sample project, `read` or `write`.
    pub(crate) fn grant(&self, access: &str) -> String {
        format!("--allow-{access}={}::project", self.host.path("project"))
    }

    /// The key is in no file of the data folder.
    #[track_caller]
    pub(crate) fn keeps_no_key(&self) {
        let mut folders = vec![self.host.home()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{} has the key in it", path.display());
                files += 1;
            }
        }
        assert!(files > 0, "there is something to look through");
    }
}

/// What a request's conversation says, by who says it.
pub(crate) fn said_by(asked: &Received, role: &str) -> Vec<String> {
    asked.conversation().into_iter().filter(|(who, _)| who == role).map(|(_, text)| text).collect()
}
