//! The crash matrix: random flows, made from a seed, are run undisturbed, then with a `kill -9` at every journal write in turn and at random
//! moments, then replayed from every anchor. Compared: result, calls, and how often each body ran.
//!
//! `KITARU_CRASH_SEEDS=500 cargo test --workspace --test crash_matrix` tries so many seeds (25 otherwise), and
//! `KITARU_CRASH_SEED=17` that one. A failure names its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use kitaru_tests::{Host, Random, Reply, Traces, fixture, id, names};
use serde_json::{Value, json};

/// A flow to run: what it does, how often each numbered body must run, and which may only run once.
struct Script {
    acts: Vec<Value>,
    steps: Vec<u64>,
    once: Vec<u64>,
    /// Its bodies hold no capability, so that nobody can see them: the flow runs ahead of the disk (E3).
    unseen: bool,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut script = Self { acts: Vec::new(), steps: Vec::new(), once: Vec::new(), unseen: seed % 3 == 2 };
        let mut random = Random::new(seed);
        let count = 2 + random.below(4);
        script.acts = (0..count).map(|_| script.act(&mut random, true)).collect();
        script
    }

    fn number(&mut self) -> u64 {
        let number = self.steps.len() as u64 + 1;
        self.steps.push(number);
        number
    }

    fn act(&mut self, random: &mut Random, nested: bool) -> Value {
        match random.below(if nested { 10 } else { 8 }) {
            0 | 1 => json!({ "Step": self.number() }),
            2 => json!({ "Beside": (0..2 + random.below(2)).map(|_| self.number()).collect::<Vec<_>>() }),
            3 => json!({ "Race": [self.number(), self.number()] }),
            4 => json!({ "Caught": self.number() }),
            5 => json!({ "Flaky": self.number() }),
            6 => {
                let number = self.number();
                self.once.push(number);
                json!({ "Once": number })
            }
            7 => json!("Sleep"),
            8 => json!("Wait"),
            _ => json!({ "Child": (0..1 + random.below(2)).map(|_| self.act(random, false)).collect::<Vec<_>>() }),
        }
    }

    fn words(&self, host: &Host) -> Vec<String> {
        let path = if self.unseen { "" } else { Traces::guest_path() };
        let input = json!({ "path": path, "file": "out/failed", "acts": self.acts }).to_string();
        let words = ["run".into(), fixture("conformance:scripted"), "--input".into(), input];
        // Whoever watches has every step written by itself; without anybody they are written together.
        if self.unseen { words.into() } else { [&words[..], &[host.writable(), "--wait".into()]].concat() }
    }
}

/// The execution at the top: no other's child.
fn top(host: &Host) -> Option<Value> {
    let all = host.json(["executions", "list", "--size", "1000"]).items();
    all.into_iter().find(|summary| summary["parent_exec_id"].is_null())
}

/// Resumes the top execution until it has ended.
fn to_the_end(host: &Host, place: &str) -> Value {
    for _ in 0..20 {
        let execution = top(host).unwrap_or_else(|| panic!("{place}: an execution"));
        match execution["status"].as_str().unwrap() {
            "running" | "waiting" => {
                let _ = host.json(["executions", "resume", id(&execution)]);
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => return host.get(id(&execution)),
        }
    }
    panic!("{place}: it never ended: {:#}", top(host).unwrap_or_default());
}

/// Calls by name and how they ended, whatever the order of those that ran beside each other.
fn calls(host: &Host, execution: &Value) -> Vec<String> {
    let journal = host.journal(id(execution));
    journal.iter().map(|call| format!("{} {} {}", call["kind"], call["invocation_id"], call["status"])).collect()
}

/// How often each body ran, by its number.
fn runs(host: &Host) -> BTreeMap<u64, Vec<kitaru_tests::Trace>> {
    let mut runs: BTreeMap<u64, Vec<kitaru_tests::Trace>> = BTreeMap::new();
    for trace in Traces::new(host).read() {
        runs.entry(trace.step).or_default().push(trace);
    }
    runs
}

fn check(script: &Script, host: &Host, execution: &Value, expected: &(Value, Vec<String>), place: &str) {
    assert_eq!(execution["status"], "completed", "{place}: {execution:#}");
    // What may happen once may be left unknown by a death: then its outcome, and nothing else, is another.
    let unknown = |value: &Value| value.to_string();
    if script.once.is_empty() {
        assert_eq!(execution["result"], expected.0, "{place}");
        assert_eq!(calls(host, execution), expected.1, "{place}");
    } else {
        assert_eq!(
            execution["result"].as_array().unwrap().len(),
            expected.0.as_array().unwrap().len(),
            "{place}: {}",
            unknown(&execution["result"])
        );
        assert_eq!(calls(host, execution).len(), expected.1.len(), "{place}");
    }
    if script.unseen {
        return verified(host, execution, place);
    }
    let runs = runs(host);
    let flaky: Vec<u64> = script.acts.iter().flat_map(flaky).collect();
    let mut repeated = 0;
    for number in &script.steps {
        let found = runs.get(number).map(Vec::as_slice).unwrap_or_default();
        let wanted = if flaky.contains(number) { 2 } else { 1 };
        if script.once.contains(number) {
            assert!(found.len() <= 1, "{place}: body {number} may run once, and ran {} times", found.len());
            continue;
        }
        assert!((wanted..=wanted + 1).contains(&found.len()), "{place}: body {number} ran {} times", found.len());
        repeated += found.len() - wanted;
        assert!(found.iter().all(|trace| trace.key == found[0].key), "{place}: one key for all runs of a body");
    }
    // Bodies beside each other may all have been in flight.
    assert!(repeated <= 3, "{place}: {repeated} bodies ran again, and only those in flight may");
    verified(host, execution, place);
}

fn verified(host: &Host, execution: &Value, place: &str) {
    let verified = host.json(["executions", "verify", id(execution)]).items();
    assert_eq!(verified[0]["holds"], true, "{place}: {verified:#?}");
}

fn flaky(act: &Value) -> Vec<u64> {
    match (act["Flaky"].as_u64(), act["Child"].as_array()) {
        (Some(number), _) => vec![number],
        (None, Some(acts)) => acts.iter().flat_map(flaky).collect(),
        (None, None) => Vec::new(),
    }
}

fn try_seed(seed: u64) -> usize {
    let script = Script::of(seed);
    let place = format!("seed {seed}, {:?}", script.acts.iter().map(Value::to_string).collect::<Vec<_>>());
    let undisturbed = Host::warm();
    let _ = undisturbed.item(script.words(&undisturbed));
    let done = to_the_end(&undisturbed, &place);
    let expected = (done["result"].clone(), calls(&undisturbed, &done));
    check(&script, &undisturbed, &done, &expected, &format!("{place}, undisturbed"));

    let mut deaths = 0;
    // Each write in turn: after its commit, and every third time right before it.
    for append in 1.. {
        let side = if append % 3 == 0 { "KITARU_FAULT_KILL_BEFORE" } else { "KITARU_FAULT_KILL_AT" };
        let host = Host::warm();
        let mut command = host.json_command(script.words(&host));
        command.env(side, append.to_string());
        let reply = Reply::from(command);
        if reply.code == Some(0) {
            break;
        }
        assert_eq!(reply.code, None, "{place}, append {append}: killed, or done{reply:?}");
        deaths += 1;
        if top(&host).is_some() {
            let done = to_the_end(&host, &place);
            check(&script, &host, &done, &expected, &format!("{place}, {side}={append}"));
        }
    }
    // Random moments.
    let mut random = Random::new(seed ^ 0xdead);
    for _ in 0..2 {
        let host = Host::warm();
        let running = host.spawn(host.json_command(script.words(&host)));
        let moment = 20 + random.below(150);
        std::thread::sleep(Duration::from_millis(moment));
        running.kill();
        if top(&host).is_some() {
            let done = to_the_end(&host, &place);
            check(&script, &host, &done, &expected, &format!("{place}, killed after {moment} ms"));
        }
    }
    // From every anchor.
    let anchors: Vec<String> = names(&done["checkpoints"], "call_id").into_iter().map(str::to_owned).collect();
    let races = script.acts.iter().any(|act| act.to_string().contains("Race"));
    for anchor in anchors {
        let replay = undisturbed.item(["executions", "replay", id(&done), "--from", &anchor]);
        let replay = if replay["status"] == "waiting" { to_rest(&undisturbed, &replay) } else { replay };
        assert_eq!((&replay["status"], &replay["result"]), (&json!("completed"), &expected.0), "{place}, replayed from {anchor}");
        if !races {
            assert_eq!(calls(&undisturbed, &replay), expected.1, "{place}, replayed from {anchor}");
        }
    }
    deaths
}

/// A replay that waits for an answer of its own accord: its default comes at once.
fn to_rest(host: &Host, execution: &Value) -> Value {
    for _ in 0..20 {
        let _ = host.json(["executions", "resume", id(execution)]);
        let now = host.get(id(execution));
        if now["status"] != "waiting" && now["status"] != "running" {
            return now;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    host.get(id(execution))
}

/// Every `STRANDS`-th seed from `strand` on: so many tests share them, and run beside each other.
fn seeds(strand: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("KITARU_CRASH_SEED") {
        Some(seed) => {
            if seed % STRANDS == strand {
                vec![seed]
            } else {
                Vec::new()
            }
        }
        None => (0..number("KITARU_CRASH_SEEDS").unwrap_or(25)).filter(|seed| seed % STRANDS == strand).collect(),
    }
}

fn matrix(strand: u64) {
    let deaths: Vec<usize> = seeds(strand).into_iter().map(try_seed).collect();
    assert!(deaths.is_empty() || deaths.iter().sum::<usize>() > 0, "this host has no fault points");
}

const STRANDS: u64 = 5;

#[test]
fn k1_random_flows_survive_death_at_every_write_1() {
    matrix(1);
}

#[test]
fn k1_random_flows_survive_death_at_every_write_2() {
    matrix(2);
}

#[test]
fn k1_random_flows_survive_death_at_every_write_3() {
    matrix(3);
}

#[test]
fn k1_random_flows_survive_death_at_every_write_4() {
    matrix(4);
}

#[test]
fn k1_random_flows_survive_death_at_every_write_5() {
    matrix(0);
}
