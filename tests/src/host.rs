//! A host with a data folder of its own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use kitaru_host::config::user_file;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Reply, Running, fixture, same_as_schema};

/// The host's binary: `KITARU_HOST_BINARY`, or where cargo left it when it built the tests.
pub fn binary() -> PathBuf {
    let name = format!("kitaru-host{}", std::env::consts::EXE_SUFFIX);
    let given = std::env::var_os("KITARU_HOST_BINARY").map(PathBuf::from);
    let path = given.unwrap_or_else(|| {
        let test = std::env::current_exe().expect("the test knows its own path");
        // target/<profile>/deps/<test>
        test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps").join(name)
    });
    assert!(path.is_file(), "`{}` is missing; build it with: cargo build --workspace --bins --tests", path.display());
    path
}

/// A host with a data folder and a working folder of its own, which go with it.
pub struct Host {
    folder: TempDir,
}

fn private_folder(path: &Path) {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).expect("a private folder");
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host whose data folder does not exist yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("kitaru-test-").tempdir().expect("a temporary folder");
        for name in ["work", "user"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder in a new one");
        }
        Self { folder }
    }

    /// A host that has compiled the conformance fixture already: where many are needed, that would be most of what they do.
    pub fn warm() -> Self {
        static COMPILED: OnceLock<Host> = OnceLock::new();
        let compiled = COMPILED.get_or_init(|| {
            let host = Self::new();
            let _ = host.flow("no_calls", &Value::Object(serde_json::Map::new()), &[]);
            host
        });
        let host = Self::new();
        let (from, to) = (compiled.home().join("cache"), host.home().join("cache"));
        private_folder(&host.home());
        private_folder(&to);
        for file in std::fs::read_dir(from).expect("compiled code").map(|file| file.expect("a file of the cache")) {
            std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy of the cache");
        }
        host
    }

    /// Its data folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.home().join("kitaru.db")
    }

    /// The folder in which its commands run.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The user's own configuration file, which is not there unless a test makes it.
    pub fn user_file(&self) -> PathBuf {
        let own = |name: &str| self.own_folders().into_iter().find(|(variable, _)| *variable == name).map(|(_, folder)| folder);
        user_file(own).expect("every platform names its folders by some of these")
    }

    /// A person's own folders, by the variables with which the platforms name them: XDG's on most, `HOME` on macOS, the others on Windows.
    fn own_folders(&self) -> [(&'static str, PathBuf); 5] {
        let of = |name: &str| self.folder.path().join(name);
        [
            ("XDG_DATA_HOME", of("data")),
            ("XDG_CONFIG_HOME", of("config")),
            ("HOME", of("user")),
            ("LOCALAPPDATA", of("data")),
            ("APPDATA", of("config")),
        ]
    }

    /// Gives a command a person of its own: what whoever runs the tests has stored, such as a login, is none of a test's business. Compilers are theirs
    /// all the same.
    pub fn apart(&self, command: &mut Command) {
        command.envs(self.own_folders());
        for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if let (None, Some(home)) = (std::env::var_os(variable), std::env::home_dir()) {
                command.env(variable, home.join(folder));
            }
        }
    }

    /// Makes the user's own configuration file.
    pub fn configure(&self, text: &str) -> PathBuf {
        same_as_schema(text);
        let file = self.user_file();
        std::fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the user's folder for configuration");
        std::fs::write(&file, text).expect("the user's own configuration");
        file
    }

    /// A file in the working folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.work().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// Makes a file in the working folder, and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        if let (true, Ok(text)) = (name.ends_with("kitaru.toml"), std::str::from_utf8(content.as_ref())) {
            same_as_schema(text);
        }
        std::fs::write(&path, content).expect("a file in the working folder");
        path
    }

    /// A flag that lets checkpoints write in the working folder, under the path `out`.
    pub fn writable(&self) -> String {
        format!("--allow-write={}::out", self.work().display())
    }

    /// The command, before it runs: nobody watches, nothing comes from the test's own environment.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.work()).env("KITARU_HOME", self.home());
        self.apart(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = (text.starts_with("KITARU_") && text != "KITARU_HOME") || text.starts_with("OTEL_");
            if ours || is_of_models(&text) || matches!(&*text, "NO_COLOR" | "CLICOLOR_FORCE" | "RUST_LOG" | "RUST_BACKTRACE") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Runs a command as a person would, without a terminal.
    pub fn text(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Reply {
        finished(self.command(arguments))
    }

    /// Runs a command with `--output json`.
    pub fn json(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Reply {
        finished(self.json_command(arguments))
    }

    /// The command with `--output json`, before it runs.
    pub fn json_command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.command(arguments);
        command.args(["--output", "json"]);
        command
    }

    /// Runs a command with `--output json` that must succeed, and returns its item.
    pub fn item(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
        self.json(arguments).item()
    }

    /// Runs a command with this text on its standard input.
    pub fn with_input(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &str) -> Reply {
        let mut command = self.json_command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the host starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        // A host that refuses before it reads closes the pipe, which is not the test's concern.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        reply(&command, child.wait_with_output().expect("the host ends"))
    }

    /// Starts a command and leaves it running.
    pub fn spawn(&self, command: Command) -> Running {
        Running::start(command)
    }

    /// Starts a host that looks after everything, and waits until it does.
    pub fn serving(&self) -> Running {
        let mut running = self.spawn(self.json_command(["serve", "--no-http"]));
        let _ = running.read_until(|line| line["event"] == "ready");
        running
    }

    /// Runs a flow of the fixture guest `conformance` with `arguments` as its input, which must work; returns the execution.
    pub fn flow(&self, flow: &str, arguments: &Value, flags: &[&str]) -> Value {
        self.try_flow(flow, arguments, flags).item()
    }

    /// Runs a flow of the fixture guest `conformance`, however it ends.
    pub fn try_flow(&self, flow: &str, arguments: &Value, flags: &[&str]) -> Reply {
        let (target, input) = (fixture(&format!("conformance:{flow}")), arguments.to_string());
        self.json([&["run", &target, "--input", &input], flags].concat())
    }

    /// An execution as it stands.
    pub fn get(&self, id: &str) -> Value {
        self.item(["executions", "get", id])
    }

    /// The durable calls of an execution.
    pub fn journal(&self, id: &str) -> Vec<Value> {
        self.json(["executions", "journal", id]).items()
    }

    /// Everything that the store holds about an execution, byte for byte.
    pub fn rows(&self, id: &str) -> Vec<String> {
        crate::traces::rows_of(&self.database(), id, &["executions", "journal", "waits", "artifacts", "logs"])
    }

    /// The records of an execution's journal, byte for byte.
    pub fn records(&self, id: &str) -> Vec<String> {
        crate::traces::rows_of(&self.database(), id, &["journal"])
    }
}

/// Whether a variable says which models there are, or how they are reached.
fn is_of_models(name: &str) -> bool {
    let proxy = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].iter().any(|proxy| name.eq_ignore_ascii_case(proxy));
    proxy || name.ends_with("_API_KEY") || matches!(name, "HF_TOKEN" | "OLLAMA_HOST" | "OPENROUTER_MODEL")
}

/// Runs a prepared command to its end.
pub(crate) fn finished(mut command: Command) -> Reply {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    reply(&command, output)
}

fn reply(command: &Command, output: Output) -> Reply {
    Reply::new(format!("{command:?}"), output)
}

impl From<Command> for Reply {
    fn from(command: Command) -> Self {
        finished(command)
    }
}
