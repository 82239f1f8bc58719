//! The audit of determinism (E6): every flow of a corpus is run again and again, on engines that make code and find memory in different ways. It
//! must make the same durable calls, and have the same bytes in its whole memory at each of them.
//!
//! What checkpoints and questions answer is recorded in the first run and served in all others, as a host serves it. So whatever differs between two runs
//! is something that the flow saw of the engine, the machine or the moment.

#[path = "determinism/corpus.rs"]
mod corpus;
#[path = "determinism/tape.rs"]
mod tape;

use std::collections::BTreeSet;
use std::sync::Arc;

use kitaru_host::sandbox::{AuditedEngine, Program, Sandbox, wasi_interfaces};
use kitaru_tests::{example, fixture};

use corpus::{Flow, flows};
use tape::{Outcome, Recorded, Tape};

/// At how many of a flow's first calls its memory is looked at: each look is a run of its own.
const LOOKS: usize = 12;

/// The engines. The first one is as the host's.
const ENGINES: [AuditedEngine; 4] = [
    AuditedEngine { optimises: true, from_pool: true },
    AuditedEngine { optimises: true, from_pool: false },
    AuditedEngine { optimises: false, from_pool: true },
    AuditedEngine { optimises: false, from_pool: false },
];

/// What was compared, so that an audit of nothing is noticed.
#[derive(Debug, Default)]
struct Audited {
    flows: usize,
    calls: usize,
    looks: usize,
    differences: Vec<String>,
}

async fn programs(component: &str) -> Vec<(AuditedEngine, Arc<Program>)> {
    let bytes = std::fs::read(component).unwrap();
    let mut programs = Vec::new();
    for engine in ENGINES {
        let sandbox = Sandbox::for_audit(engine).unwrap();
        programs.push((engine, Arc::new(Program::load(&sandbox, &bytes).await.unwrap())));
    }
    programs
}

async fn audit(component: &str, wanted: impl Fn(&str) -> bool) -> Audited {
    let programs = programs(component).await;
    let mut audited = Audited::default();
    let (_, first) = &programs[0];
    for flow in flows(first.manifest(), wanted) {
        audited.flows += 1;
        let tape = Tape::record(first, &flow).await;
        audited.calls += tape.calls.len();
        for (engine, program) in &programs {
            // On the first engine too: that is the second run there.
            compare(&mut audited, *engine, &flow, &tape, &tape.replay(program, &flow, None).await);
        }
        for at in 0..tape.calls.len().min(LOOKS) {
            let mut sights = Vec::new();
            for (engine, program) in programs.iter().chain(programs.first()) {
                let seen = tape.replay(program, &flow, Some(at)).await;
                let sight =
                    seen.sight.unwrap_or_else(|| panic!("{}: nothing was seen at call {at}: {:?}", flow.name, seen.outcome));
                assert!(sight.bytes > 0, "{}: no memory at call {at}", flow.name);
                sights.push((engine, sight));
            }
            audited.looks += sights.len();
            let expected = sights[0].1;
            for (engine, sight) in &sights[1..] {
                if sight.memory != expected.memory || sight.globals != expected.globals {
                    let call = &tape.calls[at];
                    audited.differences.push(format!("{}: other memory at call {at} ({call}) on {engine:?}", flow.name));
                }
            }
        }
    }
    audited
}

fn compare(audited: &mut Audited, engine: AuditedEngine, flow: &Flow, expected: &Tape, seen: &Recorded) {
    let name = &flow.name;
    for (at, (one, other)) in expected.calls.iter().zip(&seen.calls).enumerate() {
        if one != other {
            audited.differences.push(format!("{name}: call {at} is {other} on {engine:?}, and was {one}"));
            return;
        }
    }
    if expected.calls.len() != seen.calls.len() {
        let (was, is) = (expected.calls.len(), seen.calls.len());
        audited.differences.push(format!("{name}: {is} calls on {engine:?}, and there were {was}"));
    } else if expected.outcome != seen.outcome {
        audited
            .differences
            .push(format!("{name}: it ended as {:?} on {engine:?}, and did as {:?}", seen.outcome, expected.outcome));
    }
}

#[track_caller]
fn same(audited: &Audited, at_least: [usize; 3]) {
    assert!(audited.differences.is_empty(), "flows see more than their journal:\n  {}", audited.differences.join("\n  "));
    let found = [audited.flows, audited.calls, audited.looks];
    assert!(found.iter().zip(at_least).all(|(found, least)| *found >= least), "too little was looked at: {audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_every_import_of_wasi_shows_the_same_on_every_engine() {
    let audited = audit(&fixture("determinism"), |_| true).await;
    same(&audited, [17, 32, 128]);
}

/// Whoever links another interface adds what it shows to the guest that the test above audits.
#[tokio::test(flavor = "multi_thread")]
async fn e6_no_interface_of_wasi_is_left_out_of_the_audit() {
    let bytes = std::fs::read(fixture("determinism")).unwrap();
    let program = Program::load(&Sandbox::for_audit(ENGINES[0]).unwrap(), &bytes).await.unwrap();
    let names = program.imports().iter().map(|name| name.split_once('@').map_or(name.as_str(), |(name, _)| name));
    let asked: BTreeSet<&str> = names.filter(|name| name.starts_with("wasi:")).collect();
    let linked = wasi_interfaces();
    assert_eq!(asked, linked.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_the_flows_of_the_fixture_do_the_same_on_every_engine() {
    let audited = audit(&fixture("conformance"), corpus::ends_by_itself).await;
    same(&audited, [60, 60, 250]);
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_the_examples_do_the_same_on_every_engine() {
    let mut all = Audited::default();
    for name in
        ["hello", "content-pipeline", "release-approval", "artifacts", "logging", "llm-writer", "coding-agent", "durable-chat"]
    {
        let audited = audit(&example(name), |_| true).await;
        all.flows += audited.flows;
        all.calls += audited.calls;
        all.looks += audited.looks;
        all.differences.extend(audited.differences.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    same(&all, [8, 8, 40]);
}

/// The audit finds what it is for: a flow that sees something of its run.
#[tokio::test(flavor = "multi_thread")]
async fn another_seed_is_seen_as_a_difference() {
    let programs = programs(&fixture("determinism")).await;
    let (engine, program) = &programs[0];
    let flow = flows(program.manifest(), |name| name == "hash_order").remove(0);
    let tape = Tape::record(program, &flow).await;
    let other = Flow { seed: [9; 32], ..flow.clone() };
    let mut audited = Audited::default();
    compare(&mut audited, *engine, &flow, &tape, &tape.replay(program, &other, None).await);
    assert!(audited.differences.iter().any(|difference| difference.contains("call 0")), "{audited:?}");
    let (one, another) = (tape.replay(program, &flow, Some(0)).await, tape.replay(program, &other, Some(0)).await);
    assert_ne!(one.sight.unwrap().memory, another.sight.unwrap().memory);
    assert!(matches!(tape.outcome, Outcome::Returned(_)), "{:?}", tape.outcome);
}
