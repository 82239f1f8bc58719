//! One script of commands, on a data folder and over a server: they answer the same. And on the same data, what only looks answers the same to the letter.

use std::collections::BTreeSet;

use kitaru_tests::{Host, Reply, example, fixture, repository};
use serde_json::{Map, Value, json};

use super::laptop::Team;

/// Commands of the script, one a line; `$name` is what an earlier one gave to `=> name pointer`. `!` where it has to fail.
const SCRIPT: &str = r#"
run HELLO --arg name=Ada                                            => hello /item/exec_id
run LOGGING --arg topic=logs --tag nightly                          => logging /item/exec_id
run RELEASE --arg topic=v1                                          => asks /item/exec_id
run CONFORMANCE:log_volume --arg lines=11111 --arg bytes=8          => volume /item/exec_id
run CONFORMANCE:wait_bool                                           => bool /item/exec_id
run CONFORMANCE:log_wait                                            => other /item/exec_id
! run HELLO --arg nobody=Ada
! run CONFORMANCE:nowhere
! run CONFORMANCE:uncaught --arg message=broken                     => failed /error/exec_id
! run WORK/nothing.wasm
! run HELLO --arg name=Ada --idempotency-key ''
executions list --status waiting --flow release_approval
executions pending-waits $bool
! executions input $bool --value 7
! executions input $bool --wait other --value true
executions input $bool --value true
! executions input $bool --value true
executions abort-wait $asks
! executions resume $hello
! executions retry $hello
! executions retry $failed
! executions get ffffffff-0000-7000-8000-000000000000
! executions get nonsense
executions replay $hello --from greet --arg name=Bob                => replay /item/exec_id
! executions replay $hello --from nowhere
executions replay $hello $replay --from greet --wait
executions diff $hello $replay
executions diff-matrix $hello $replay $logging
executions cohort --flow hello --at greet --limit 2
executions statistics --group-by status --metric statuses
executions access $hello
executions logs $logging
executions logs $logging --follow
executions logs $logging --follow --limit 20000
executions journal $logging
executions journal $logging --policies
executions journal $logging --limit 1
executions journal $logging --after 0 --limit 5
executions model-calls $hello
executions schema $hello
executions verify $hello $logging
executions verify $other --component CONFORMANCE
executions cancel $other
! executions cancel $hello
! executions delete
executions export $hello --format atif
executions export $hello --format atof --follow
executions export $hello --to hello.kitaru
executions delete $bool
! executions get $bool
executions import hello.kitaru
artifacts list $logging                                             => artifact /items/0/artifact_id
artifacts get $artifact
artifacts get $artifact --to artifact.json
! artifacts get nothing
deploy HELLO --arg name=Ada
deploy HELLO --tag nightly --exclusive
deploy HELLO --tag spare
! deploy CONFORMANCE
invoke hello --arg name=Eve --label by-name                         => invoked /item/exec_id
invoke hello --tag nightly --arg name=Ida
! invoke nobody
invoke hello
executions list --flow hello --deployment 1
executions list --flow hello --deployment nightly
executions cohort --flow hello --deployment v1
executions cohort --flow hello --metadata never=1
executions statistics --flow hello --deployment 2 --group-by status --metric statuses
! executions list --deployment 1
! executions list --flow hello --deployment nowhere
flow list
flow list --flow hello
flow list --flow nobody
flow show hello
flow tag hello stable --version 1
flow untag hello stable
! flow untag hello default
flow deployments list hello
flow deployments show hello --version 2
! flow deployments delete hello --version 1
! flow deployments delete hello --version 2
flow deployments delete hello --version 3
flow delete hello
secrets set creds --KEY=value --metadata team=1
secrets set creds --OTHER=value
secrets show creds
secrets list
! secrets show nothing
secrets delete creds
model register fast --model openai/gpt-4o-mini
model register slow --model anthropic/claude-sonnet-4-5 --default
model list
model show fast
model usage
model remove fast
! model remove fast
! model test nothing
auth service-accounts create ci --role author --flow team-* --description builds
auth service-accounts list --name ci
auth service-accounts show ci
auth service-accounts update ci --role viewer --all-flows
! auth service-accounts create ci
auth api-keys create ci github
auth api-keys list ci
auth api-keys show ci github
auth api-keys update ci github --no-active
auth api-keys rotate ci github --retain-minutes 5
! auth api-keys show ci nothing
auth api-keys delete ci github
auth service-accounts delete ci
! auth token --seconds 100000
grants list
grants forget --all
! grants forget all
! grants forget abcdef
"#;

/// Commands that answer otherwise over a server, and where that is tested, or why it is not.
const OTHERWISE: [(&str, &str); 31] = [
    ("executions latest", "the newest is not the same where several start: `LOOKS` has it"),
    ("flow deployments curl", "it names the server"),
    ("executions upgrade", "a server keeps a flow that waits in memory for a while, and refuses until it has left"),
    ("executions waits link", "it names the server, and is another one each time"),
    ("auth whoami", "it says who one is"),
    ("auth token", "it is another one each time, with the role of whoever asks"),
    ("auth audit", "a server notes who came over the network"),
    ("status", "it says with whom commands work"),
    ("info", "as `status`"),
    ("config show", "it shows which server it is"),
    ("config path", "files of this machine"),
    ("config schema", "files of this machine"),
    ("mcp", "it is a conversation"),
    ("login", "it is about servers"),
    ("logout", "it is about servers"),
    ("clean project", "refuses over a server"),
    ("clean global", "refuses over a server"),
    ("clean all", "refuses over a server"),
    ("log-store show", "refuses over a server"),
    ("log-store set", "refuses over a server"),
    ("log-store reset", "refuses over a server"),
    ("init", "this machine"),
    ("new", "this machine"),
    ("build", "this machine"),
    ("inspect", "this machine"),
    ("sign", "this machine"),
    ("keys", "this machine"),
    ("keys generate", "this machine"),
    ("serve", "this machine"),
    ("doctor", "this machine"),
    ("completions", "this machine"),
];

/// What differs on purpose, by the name of a field.
const DIFFERS: [(&str, &str); 10] = [
    ("created_by", "whoever is logged in, and not `local`"),
    ("size_bytes", "archives have times in them"),
    ("freed_bytes", "pages of a database"),
    ("duration_delta_seconds", "how long it took"),
    ("latency_ms", "how long it took"),
    ("records", "steps that come within a millisecond are one record"),
    ("history_bytes", "as the records"),
    ("starter", "whoever came over the network is noted, with what they may"),
    ("runner", "a server keeps a flow that waits in memory for a while"),
    ("api_key_id", "it is random"),
];

/// Commands that only look, on the same data.
const LOOKS: &[&str] = &[
    "executions list",
    "executions list --status failed --limit 1",
    "executions list --size 2 --page 2",
    "executions list --search LOG",
    "executions list --search wait --limit 1",
    "executions list --search nowhere",
    "executions latest",
    "executions get $hello",
    "executions get $failed",
    "executions get $asks",
    "executions journal $logging",
    "executions access $hello",
    "executions logs $logging",
    "executions logs $logging --grouped -v",
    "executions logs $hello",
    "executions logs $logging --follow --limit 2",
    // More than one page of a server has, and other than a number of whole pages.
    "executions logs $volume --limit 10001",
    "executions logs $volume --follow --limit 10001",
    "executions logs $volume --follow --limit 11000",
    "executions logs $volume --follow --limit 4000000000",
    "executions pending-waits",
    "executions diff $hello $invoked",
    "executions cohort --flow hello",
    "executions statistics --group-by flow",
    "executions verify $hello",
    "executions export $hello --format atof",
    "executions export $hello --format atif --content",
    "artifacts list $logging",
    "artifacts get $artifact",
    "flow list",
    "secrets list",
    "model list",
    "model show slow",
    "model usage --by flow",
    "auth service-accounts list",
    "grants list",
];

/// What commands are told, and what they answer.
struct Session<'h> {
    host: &'h Host,
    known: Map<String, Value>,
}

impl<'h> Session<'h> {
    fn new(host: &'h Host) -> Self {
        Self { host, known: Map::new() }
    }

    fn words(&self, command: &str) -> Vec<String> {
        let target = |word: &str| {
            word.replace("HELLO", &example("hello"))
                .replace("LOGGING", &example("logging"))
                .replace("RELEASE", &example("release-approval"))
                .replace("CONFORMANCE", &fixture("conformance"))
                .replace("WORK", &self.host.work().display().to_string())
        };
        let word = |word: &str| match word {
            "''" => String::new(),
            _ => match word.strip_prefix('$') {
                Some(name) => {
                    self.known.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("`{word}` is not known")).to_owned()
                }
                None => target(word),
            },
        };
        command.split_whitespace().map(word).collect()
    }

    /// Runs a line of the script. What it answered, without what is another each time.
    fn step(&mut self, line: &str) -> Value {
        let (command, kept) = line.split_once("=>").unwrap_or((line, ""));
        let (must_fail, command) = command.trim().strip_prefix("! ").map_or((false, command.trim()), |command| (true, command));
        let reply = self.host.json(self.words(command));
        // A batch of which some are refused fails, and so does what does not hold: both tell on standard output.
        assert_eq!(reply.code == Some(0), !must_fail, "{line}{reply:?}");
        let answer = if reply.stdout.is_empty() {
            serde_json::from_str(reply.stderr.lines().last().unwrap_or_default())
                .unwrap_or_else(|error| panic!("{error}{reply:?}"))
        } else {
            Value::Array(reply.json_lines())
        };
        let mut words = kept.split_whitespace();
        if let (Some(name), Some(pointer)) = (words.next(), words.next()) {
            let found = answer.pointer(pointer).or_else(|| answer.pointer(&format!("/0{pointer}")));
            self.known.insert(name.to_owned(), found.unwrap_or_else(|| panic!("no {pointer} in {answer:#}")).clone());
        }
        plain(answer)
    }
}

/// An answer without what is another each time it is given.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_same = |name: &String| DIFFERS.iter().all(|(differs, _)| *differs != name.as_str());
            let fields = fields.into_iter().filter(|(name, _)| is_same(name));
            Value::Object(fields.map(|(name, value)| (name, plain(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::String(text) => plain_text(&text).into(),
        Value::Number(number) if number.is_f64() => json!("<fraction>"),
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 1_000_000_000_000) => json!("<time>"),
        value => value,
    }
}

/// Without IDs, times and keys.
fn plain_text(text: &str) -> String {
    let mut plain = String::new();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+');
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        plain.push_str(if is_part(first) { word_of(word) } else { word });
        rest = after;
    }
    plain
}

fn word_of(word: &str) -> &str {
    let bytes = word.as_bytes();
    let dashes_at = |places: [usize; 4]| places.iter().all(|at| bytes.get(*at) == Some(&b'-'));
    let is_time = bytes.len() > 18 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[..4].iter().all(u8::is_ascii_digit);
    let is_id = bytes.len() >= 36 && word.is_ascii() && dashes_at([8, 13, 18, 23]);
    match word {
        _ if is_time => "<time>",
        _ if is_id => "<id>",
        _ if word.starts_with("kh_") || word.starts_with("kt_") => "<key>",
        _ if word.starts_with("rs-") => "<submission>",
        _ if word.starts_with("kitaru-test-") => "<folder>",
        _ => word,
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn a_script_answers_the_same_here_and_elsewhere() {
    let team = Team::new("admin");
    let own = Host::warm();
    let (mut here, mut elsewhere) = (Session::new(&own), Session::new(&team.laptop));
    let mut problems = Vec::new();
    for line in lines() {
        let (expected, found) = (here.step(line), elsewhere.step(line));
        if expected != found {
            problems.push(format!("{line}\n  here       {expected}\n  elsewhere  {found}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(!team.laptop.home().exists(), "nothing was made on this machine");

    // What is there now looks the same from both sides, to the letter.
    elsewhere.step("auth service-accounts create other");
    let other = Session { host: &team.host, known: elsewhere.known.clone() };
    for look in LOOKS {
        for form in ["text", "json"] {
            if form == "json" && look.contains("--grouped") {
                continue;
            }
            let command = format!("{look} --output {form}");
            let run = |session: &Session<'_>| session.host.text(session.words(&command));
            let (expected, found): (Reply, Reply) = (run(&other), run(&elsewhere));
            assert_eq!((&expected.stdout, expected.code), (&found.stdout, found.code), "{command}");
        }
    }
}

/// The commands that the reference describes, which is complete: another test sees to that.
#[test]
fn every_command_is_in_the_script_or_has_a_reason() {
    let text = std::fs::read_to_string(repository().join("docs/cli.md")).unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("## kitaru-host "));
    let known: BTreeSet<&str> = OTHERWISE.iter().map(|(command, _)| *command).collect();
    let groups: BTreeSet<&str> =
        commands.clone().filter_map(|command| command.rsplit_once(' ').map(|(group, _)| group)).collect();
    let mut missing = Vec::new();
    for command in commands {
        let is_in_script = lines().any(|line| {
            let line = line.trim_start_matches("! ");
            line == command || line.starts_with(&format!("{command} "))
        });
        if !is_in_script && !known.contains(command) && !groups.contains(command) {
            missing.push(command);
        }
    }
    let gone: Vec<&str> = known.into_iter().filter(|known| !text.contains(&format!("## kitaru-host {known}\n"))).collect();
    assert!(gone.is_empty(), "there are no such commands: {gone:?}");
    assert!(missing.is_empty(), "not shown to be the same over a server: {missing:?}");
}
