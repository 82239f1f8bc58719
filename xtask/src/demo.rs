//! Shows on real input what the host does: every step with the command that a user would type, and what it prints.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::guests;
use crate::report::{self, line};
use crate::repository::{self, cargo, root};

/// Builds what is needed, then plays the story.
pub(crate) fn run() -> Result<()> {
    report::step("the host");
    repository::run(cargo().args(["build", "--package", "kitaru-host", "--locked"]))?;
    report::step("a toolchain that compiles flows");
    guests::wasm_target(&["wasm32-wasip2"])?;
    line("there is one");

    let folder = tempfile::Builder::new().prefix("kitaru-demo-").tempdir()?;
    let demo = Demo { folder: folder.path().to_owned() };
    let started = Instant::now();
    line(&format!("\nFrom here on in {}, with\n$ export KITARU_HOME={}", root().display(), demo.path("data")));
    demo.build()?;
    let source = demo.content_pipeline()?;
    demo.release_approval()?;
    demo.kill_and_resume()?;
    demo.replay(&source)?;
    report::step("all of it");
    demo.host(&["executions", "list"])?;
    line(&format!("\nThe demo took {}. Its data folder is gone now.", report::seconds(started.elapsed())));
    Ok(())
}

struct Demo {
    folder: PathBuf,
}

/// What a command printed.
struct Said {
    stdout: String,
    stderr: String,
}

impl Said {
    /// The execution that a run named on standard error.
    fn execution(&self) -> Result<String> {
        let id = self.stderr.lines().find_map(|line| line.strip_prefix("Execution "));
        let id = id.and_then(|rest| rest.split_whitespace().next());
        id.map(str::to_owned).with_context(|| format!("no execution is named in: {}", self.stderr))
    }

    fn must_contain(&self, text: &str) -> Result<()> {
        ensure!(self.stdout.contains(text), "this should contain `{text}`: {}", self.stdout);
        Ok(())
    }
}

impl Demo {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(repository::host_binary());
        repository::clean(&mut command);
        command.args(arguments).current_dir(root()).env("KITARU_HOME", self.path("data")).stdin(Stdio::null());
        // The components come into the demo's folder; what cargo needs in between is shared with the tests.
        command.env("CARGO_TARGET_DIR", repository::guest_target());
        command
    }

    /// Runs a command that must succeed, and shows it.
    fn host(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = self.command(arguments);
        line(&format!("$ {}", repository::typed(&command)));
        let output = command.output().context("cannot start the host")?;
        let said = shown(&output);
        ensure!(output.status.success(), "`{}` failed ({})", repository::typed(&command), output.status);
        Ok(said)
    }

    fn build(&self) -> Result<()> {
        report::step("flows, from source");
        for (project, component) in [
            ("examples/content-pipeline", "pipeline.wasm"),
            ("examples/release-approval", "approval.wasm"),
            ("tests/guests/conformance", "counting.wasm"),
        ] {
            self.host(&["build", project, "--quiet", "--to", &self.path(component)])?;
        }
        self.host(&["inspect", &self.path("pipeline.wasm")]).map(drop)
    }

    fn content_pipeline(&self) -> Result<String> {
        report::step("a flow on a real document, in a folder that it is granted");
        let run = ["run", &self.path("pipeline.wasm"), "--arg", "topic=moon", "--arg", "document=documents/tides.md"];
        let mut denied = self.command(&run);
        line(&format!("$ {}    # without the grant", repository::typed(&denied)));
        let output = denied.output()?;
        shown(&output);
        ensure!(!output.status.success(), "a flow without a grant read a file");
        let said = self.host(&[&run[..], &["--allow-read", "examples/content-pipeline/documents::documents"]].concat())?;
        said.must_contain("The moon does most of the work.")?;
        let id = said.execution()?;
        self.host(&["executions", "logs", &id])?;
        self.host(&["artifacts", "list", &id])?;
        Ok(id)
    }

    fn release_approval(&self) -> Result<()> {
        report::step("a flow that waits for people");
        let id = self.host(&["run", &self.path("approval.wasm"), "--arg", "topic=v1.0"])?.execution()?;
        line("# No process waits: the question is a row in the data folder.");
        self.host(&["executions", "pending-waits"])?;
        self.host(&["executions", "input", &id, "--value", "true"])?;
        let details = r#"{"notes":"Bug fixes","major_version":2}"#;
        self.host(&["executions", "input", &id, "--wait", "release_details", "--value", details])?.must_contain("PUBLISHED v2")
    }

    fn kill_and_resume(&self) -> Result<()> {
        report::step("kill -9 in mid-flight, and resume");
        line("# Each of five steps writes a line into a file, then works for most of a second.");
        std::fs::create_dir(self.folder.join("out"))?;
        let grant = format!("{}::out", self.path("out"));
        let target = format!("{}:count_slow", self.path("counting.wasm"));
        let arguments = ["--arg", "path=out/steps", "--arg", "steps=5", "--arg", "milliseconds=700", "--allow-write", &grant];
        let mut command = self.command(&[&["run", &target], &arguments[..]].concat());
        line(&format!("$ {} &", repository::typed(&command)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let steps = self.folder.join("out/steps");
        let waited = until_lines(&steps, 2, &mut child);
        line(&format!("$ kill -9 {}", child.id()));
        child.kill()?;
        let output = child.wait_with_output()?;
        waited?;
        let id = shown(&output).execution()?;
        self.host(&["executions", "get", &id])?;
        self.host(&["executions", "resume", &id])?.must_contain("15")?;
        let text = std::fs::read_to_string(&steps)?;
        line(&format!("$ cat {}    # idempotency key, attempt, step", steps.display()));
        line(&indented(&text));
        ensure!(text.lines().count() == 6, "five steps, and the one that was in flight once more: {text}");
        line("# Step 2 was in flight: it ran again, with the same idempotency key. No other step did.");
        Ok(())
    }

    fn replay(&self, source: &str) -> Result<()> {
        report::step("replay from the middle, with an edited checkpoint");
        let edit = r#"checkpoint.research="three sentences that an editor wrote""#;
        let said = self.host(&["executions", "replay", source, "--from", "write_draft", "--override", edit])?;
        said.must_contain("PUBLISHED: Draft from three sentences that an editor wrote")?;
        line("# `research` did not run, and the first execution is as it was:");
        self.host(&["executions", "get", source]).map(drop)
    }
}

fn shown(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let said = Said { stdout: text(&output.stdout), stderr: text(&output.stderr) };
    for text in [&said.stderr, &said.stdout] {
        if !text.is_empty() {
            line(&indented(text));
        }
    }
    said
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Waits until the file has so many lines.
fn until_lines(file: &Path, lines: usize, child: &mut Child) -> Result<()> {
    let started = Instant::now();
    loop {
        let found = std::fs::read_to_string(file).map_or(0, |text| text.lines().count());
        if found >= lines {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the run ended too soon ({status})");
        }
        ensure!(started.elapsed() < Duration::from_secs(30), "the run does not get on: {found} of {lines} steps");
        std::thread::sleep(Duration::from_millis(5));
    }
}
