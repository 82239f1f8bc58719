//! The documentation is true: its commands are run as they stand and print what it says, its command line reference is complete, its links
//! lead somewhere.
//!
//! Every `console` block of the README, of `docs/` and of the examples is run, in order, with `examples/` beside it as in a fresh clone. A
//! comment before a block changes that:
//!
//! ```text
//! <!-- docs-test: fails -->          each command of the block must fail
//! <!-- docs-test: skip: reason -->   the block cannot be run in a test
//! <!-- docs-test: file: path -->     the block (of any language) is written to this file, for the commands after it
//! <!-- docs-test: edit: path -->     the block is a function that replaces the one of its name in this file
//! <!-- docs-test: quotes: path -->   the block (of any language) stands in this file, word for word
//! <!-- docs-test: appears -->        each line of the block (of any language) is something that the commands before it printed
//! ```
//!
//! In a block with `$ `, other lines are output that the command before them must print. `…` stands for anything, `<execution>` or `<id>` for
//! the newest execution, `<artifact>` for the first artifact that it saved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kitaru_tests::{Host, binary, example, repository};
use serde_json::Value;

#[path = "docs/markdown.rs"]
mod markdown;

use markdown::{Block, anchors, blocks, links, markdown_below, prose};

/// What a fresh clone has that documentation works with.
const CLONE: [&str; 3] = ["examples", "guest-sdk", "wit"];
/// Programs beside `kitaru-host` that documentation may run.
const PROGRAMS: [&str; 5] = ["cat", "cp", "ls", "mkdir", "timeout"];

/// One test and not one for each file, because they share a clone and what is built in it.
#[test]
fn commands_work_and_print_what_is_shown() {
    let mut files = vec![repository().join("README.md")];
    files.extend(markdown_below(&repository().join("docs")));
    files.extend(markdown_below(&repository().join("examples")));
    run_all(&files);
}

#[test]
fn the_command_line_reference_is_complete() {
    let host = Host::new();
    let mut known = BTreeMap::new();
    walk_help(&host, &mut Vec::new(), &mut known);
    let globals = known[""].clone();
    for flags in of_commands(&mut known) {
        flags.retain(|flag| !globals.contains(flag));
    }
    let text = fs::read_to_string(repository().join("docs/cli.md")).unwrap();
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = None;
    for (line, _) in prose(&text) {
        if let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim().replace('`', "")) {
            section = match title.strip_prefix("kitaru-host ") {
                Some(command) => Some(command.to_owned()),
                None => (title == "Global options").then(String::new),
            };
            documented.extend(section.clone().map(|section| (section, BTreeSet::new())));
        } else if let (Some(section), Some(row)) = (&section, line.strip_prefix("| `")) {
            let cell = row.split(" |").next().unwrap_or_default();
            documented.get_mut(section).expect("a section").extend(long_flags(cell));
        }
    }
    // A command may have a flag of its own by the name of a global one, as `--version` of those that take a version.
    for flags in of_commands(&mut documented) {
        flags.retain(|flag| !globals.contains(flag));
    }
    assert_eq!(documented, known, "docs/cli.md (left) and `--help` (right)");
}

/// The flags of each command, without the global ones.
fn of_commands(flags: &mut BTreeMap<String, BTreeSet<String>>) -> impl Iterator<Item = &mut BTreeSet<String>> {
    flags.iter_mut().filter(|(command, _)| !command.is_empty()).map(|(_, flags)| flags)
}

#[test]
fn the_limits_are_documented_with_their_defaults() {
    let host = Host::new();
    let execution = host.item(["run", &example("hello"), "--arg", "name=Ada"]);
    let limits = execution["frozen_execution_spec"]["limits"].as_object().expect("limits").clone();
    for file in ["docs/sandbox.md", "docs/configuration.md"] {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        for (key, default) in &limits {
            // What follows from other limits is said in words.
            let said = if default.is_null() { String::new() } else { default.to_string() };
            let documented = text.lines().any(|line| line.contains(key.as_str()) && line.contains(&said));
            assert!(documented, "{file} has no line with `{key}` and its default {default}");
        }
    }
}

#[test]
fn relative_links_lead_somewhere() {
    let mut problems = Vec::new();
    for file in markdown_below(repository()) {
        let text = fs::read_to_string(&file).unwrap();
        for (line, number) in prose(&text) {
            for target in links(line) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let aim = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
                let there = aim.exists() && (anchor.is_empty() || anchors(&aim).contains(anchor));
                if !there {
                    problems.push(format!("{}:{number}: {target}", file.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "links that lead nowhere:\n{}", problems.join("\n"));
}

// Running.

/// Runs the blocks of files, each file with a data folder of its own.
fn run_all(files: &[PathBuf]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
    fs::create_dir_all(&folder).unwrap();
    // Somebody may run the tests in another terminal. Held until the end.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (mut problems, mut ran, mut skipped) = (Vec::new(), 0, Vec::new());
    for file in files {
        let root = folder.join("clone");
        clone(&root);
        let host = Host::new();
        let name = file.strip_prefix(repository()).unwrap().display().to_string();
        let mut session = Session { host, cwd: root, target: folder.join("target"), printed: String::new() };
        for block in blocks(&fs::read_to_string(file).unwrap()) {
            let place = format!("{name}:{}", block.line);
            match session.run(&block) {
                Ok(Done::Ran(count)) => ran += count,
                Ok(Done::Skipped(commands, reason)) => {
                    skipped.extend(commands.iter().map(|command| format!("{place}: {command} ({reason})")));
                }
                Err(problem) => {
                    problems.push(format!("{place}: {problem}"));
                    // What follows in this file builds on what has just failed.
                    break;
                }
            }
        }
    }
    println!(
        "{ran} commands ran; {} skipped{}{}",
        skipped.len(),
        if skipped.is_empty() { "" } else { ":\n  " },
        skipped.join("\n  ")
    );
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// What a file's commands share.
struct Session {
    host: Host,
    cwd: PathBuf,
    target: PathBuf,
    printed: String,
}

enum Done {
    Ran(usize),
    Skipped(Vec<String>, String),
}

impl Session {
    fn run(&mut self, block: &Block) -> Result<Done, String> {
        let commands = if block.language == "console" { block.commands()? } else { Vec::new() };
        match block.directive.split_once(": ").unwrap_or((&block.directive, "")) {
            ("skip", "") => return Err("a block may be skipped for a reason only".into()),
            ("skip", reason) => {
                return Ok(Done::Skipped(commands.into_iter().map(|(command, _)| command).collect(), reason.to_owned()));
            }
            ("file", path) if !path.is_empty() => {
                let path = self.cwd.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, block.lines.join("\n") + "\n").unwrap();
                return Ok(Done::Ran(0));
            }
            ("edit", path) if !path.is_empty() => return edit(&self.cwd.join(path), &block.lines).map(|()| Done::Ran(0)),
            ("quotes", path) if !path.is_empty() => {
                let text = fs::read_to_string(self.cwd.join(path)).map_err(|error| format!("{path}: {error}"))?;
                let stands = text.contains(&format!("{}\n", block.lines.join("\n")));
                return if stands { Ok(Done::Ran(0)) } else { Err(format!("the block does not stand in {path} as it is")) };
            }
            ("appears", "") => {
                let printed = self.printed.clone();
                return expect_lines(&block.lines, &printed).map(|()| Done::Ran(0));
            }
            ("" | "fails", "") => {}
            _ => return Err(format!("unknown comment `docs-test: {}`", block.directive)),
        }
        for (command, expected) in &commands {
            let printed = self.command(command, block.directive == "fails")?;
            expect_lines(expected, &printed).map_err(|problem| format!("{problem}\n$ {command}"))?;
            self.printed.push_str(&printed);
        }
        Ok(Done::Ran(commands.len()))
    }

    /// Runs one line and returns what it printed.
    fn command(&mut self, line: &str, must_fail: bool) -> Result<String, String> {
        let first = line.split_whitespace().next().unwrap_or_default();
        if first == "cd" {
            self.cwd = self.cwd.join(line.trim_start_matches("cd").trim());
            return if self.cwd.is_dir() { Ok(String::new()) } else { Err(format!("`{line}`: there is no such folder")) };
        }
        if first != "kitaru-host" && !PROGRAMS.contains(&first) {
            return Err(format!("`{line}` is not run by this test; say why with `docs-test: skip: reason`"));
        }
        let line = self.fill_in(line)?;
        let output = self.shell(&line).output().expect("a shell");
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8")).concat();
        if output.status.success() == must_fail {
            let wanted = if must_fail { "fail" } else { "succeed" };
            return Err(format!("it should {wanted} ({})\n$ {line}\n{printed}", output.status));
        }
        Ok(printed)
    }

    /// Replaces placeholders.
    fn fill_in(&self, line: &str) -> Result<String, String> {
        let mut line = line.to_owned();
        if ["<execution>", "<id>", "<artifact>"].iter().any(|name| line.contains(name)) {
            let latest = self.item("executions latest")?;
            let id = latest["exec_id"].as_str().unwrap_or_default();
            let saved = latest["artifacts"].as_array().into_iter().flatten().find(|artifact| artifact["save_type"] == "manual");
            let artifact = saved.and_then(|artifact| artifact["artifact_id"].as_str()).unwrap_or("<artifact>");
            line = line.replace("<execution>", id).replace("<id>", id).replace("<artifact>", artifact);
        }
        if line.contains('<') { Err(format!("`{line}` has a placeholder that is not known")) } else { Ok(line) }
    }

    fn item(&self, command: &str) -> Result<Value, String> {
        let output = self.shell(&format!("kitaru-host {command} -o json")).output().expect("a shell");
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{command}: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(answer["item"].clone())
    }

    /// A shell in which `kitaru-host` is ours, and nothing comes from the test's own environment.
    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&self.cwd).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let foreign = ["KITARU_", "CARGO_PKG_", "CARGO_MANIFEST", "NEXTEST"].iter().any(|prefix| text.starts_with(prefix));
            let of_models = text.ends_with("_API_KEY") || matches!(&*text, "HF_TOKEN" | "OLLAMA_HOST" | "OPENROUTER_MODEL");
            if foreign
                || of_models
                || matches!(&*text, "NO_COLOR" | "CLICOLOR_FORCE" | "RUST_LOG" | "RUST_BACKTRACE" | "LD_LIBRARY_PATH")
            {
                shell.env_remove(&name);
            }
        }
        let folder = binary().parent().expect("a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).expect("a search path");
        shell.env("PATH", path).env("KITARU_HOME", self.host.home()).env("CARGO_TARGET_DIR", &self.target);
        self.host.apart(&mut shell);
        shell
    }
}

/// Replaces the function in `file` that has the same name as the one that `lines` are.
fn edit(file: &Path, lines: &[String]) -> Result<(), String> {
    let head = lines.iter().find(|line| line.starts_with("fn ")).ok_or("the block has no function")?;
    let start = head.split_inclusive('(').next().unwrap_or_default();
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (before, rest) = text.split_once(start).ok_or_else(|| format!("{} has no `{start}`", file.display()))?;
    let (_, after) = rest.split_once("\n}\n").ok_or("the function has no end")?;
    let new = lines.iter().skip_while(|line| *line != head).map(String::as_str).collect::<Vec<_>>().join("\n");
    fs::write(file, format!("{before}{new}\n{after}")).map_err(|error| error.to_string())
}

/// Checks that each line is among what was printed.
fn expect_lines(expected: &[String], printed: &str) -> Result<(), String> {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed_lines: Vec<String> = printed.lines().map(squeeze).collect();
    for line in expected.iter().filter(|line| !line.trim().is_empty()) {
        let mut pattern = squeeze(line);
        for placeholder in ["<execution>", "<id>", "<artifact>"] {
            pattern = pattern.replace(placeholder, "…");
        }
        if !printed_lines.iter().any(|printed| fits(&pattern, printed)) {
            return Err(format!("this line is not printed: {line}\nprinted:\n{printed}"));
        }
    }
    Ok(())
}

/// Whether `text` is `pattern`, in which `…` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    if parts.len() == 1 {
        return rest.is_empty();
    }
    for part in &parts[1..parts.len() - 1] {
        match rest.split_once(part.trim()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.trim_start())
}

/// Makes the folder `root` what a fresh clone would be, without touching files that are as they should be.
fn clone(root: &Path) {
    fs::create_dir_all(root).unwrap();
    for entry in fs::read_dir(root).unwrap().flatten() {
        if !CLONE.contains(&&*entry.file_name().to_string_lossy()) {
            remove(&entry.path());
        }
    }
    for name in CLONE {
        copy(&repository().join(name), &root.join(name));
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        let bytes = fs::read(from).unwrap();
        // Only what differs gets a new time, so that builds of the rest stay good.
        if fs::read(to).ok().as_ref() != Some(&bytes) {
            fs::write(to, bytes).unwrap();
        }
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(to).unwrap().flatten() {
        if !from.join(entry.file_name()).exists() {
            remove(&entry.path());
        }
    }
    for entry in fs::read_dir(from).unwrap().flatten().filter(|entry| entry.file_name() != "target") {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

// Reading `--help`.

/// The flags of every command at or below `path`.
fn walk_help(host: &Host, path: &mut Vec<String>, known: &mut BTreeMap<String, BTreeSet<String>>) {
    let arguments = path.iter().map(String::as_str).chain(["--help"]);
    let help = host.text(arguments).ok().stdout;
    let mut section = "";
    let (mut flags, mut commands) = (BTreeSet::new(), Vec::new());
    for line in help.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
        } else if section == "Commands:" && line.starts_with("  ") && !line.starts_with("   ") {
            commands.extend(line.split_whitespace().next().filter(|name| *name != "help").map(str::to_owned));
        } else if line.trim_start().starts_with('-') {
            flags.extend(long_flags(line.trim_start().split("  ").next().unwrap_or_default()));
        }
        if let Some((_, aliases)) = line.split_once("[alias") {
            flags.extend(long_flags(aliases));
        }
    }
    known.insert(path.join(" "), flags);
    for command in commands {
        path.push(command);
        walk_help(host, path, known);
        path.pop();
    }
}

fn long_flags(text: &str) -> Vec<String> {
    let words = text.split([' ', ',', '`', '=', ']', '[', '<', '.', '/']);
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}
