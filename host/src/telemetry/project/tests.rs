//! Executions as events.

use std::collections::{HashMap, HashSet};

use kitaru_llm::event::{Category, Event, Profile, atif, atof};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::ids::ExecutionId;
use crate::journal::{CallKind, Entry, EntryBody, Failure, History, Outcome, Provenance};
use crate::store::{ExecutionRow, Status};
use crate::telemetry::stage::{
    Book, RAW, at, called, ended, execution_id, model_call, model_calls, new_execution, review, row, started, success,
};
use crate::telemetry::{Projection, Values, call_scope, flow_scope};

fn lines(events: &[Event]) -> String {
    events.iter().map(|event| format!("{}\n", atof::to_line(event))).collect()
}

fn done() -> ExecutionRow {
    row(new_execution(1), Status::Completed, Some(at(510)))
}

/// Compares with a file; `KITARU_UPDATE_GOLDEN=1` writes it anew, to be looked at.
fn assert_golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/telemetry/project/golden").join(name);
    if std::env::var_os("KITARU_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

#[test]
fn an_execution_is_exported_as_it_is_written_down_here() {
    let events = review().events(&new_execution(1), &model_calls(execution_id(1)), false, Some(&done()));
    assert_golden("review.atof.jsonl", &lines(&events));
    let agent = atif::Agent { name: "review".into(), version: "1".into(), ..atif::Agent::default() };
    let trajectory = atif::trajectory(&events, None, execution_id(1).to_string(), agent);
    assert_golden("review.atif.json", &format!("{}\n", serde_json::to_string_pretty(&trajectory).unwrap()));
}

#[test]
fn a2_nothing_raw_is_shown_unless_it_is_asked_for() {
    let rows = model_calls(execution_id(1));
    let mut failed = Book::default();
    let failure = Outcome::Failure(Failure::user("error", format!("cannot use {RAW}")));
    failed
        .add(1, started(0, 1, Some(called(CallKind::Llm, "outline", "outline", None))))
        .add(2, ended(0, 1, failure.clone(), Provenance::Ran))
        .add(3, EntryBody::Finished { outcome: failure, unseen: Vec::new(), learnt_after: None });
    for book in [review(), failed] {
        let shown = |content: bool| lines(&book.events(&new_execution(1), &rows, content, Some(&done())));
        assert!(!shown(false).contains(RAW));
        assert!(shown(true).contains(RAW));
    }
    let with = review().events(&new_execution(1), &rows, true, Some(&done()));
    let tool = with.iter().find(|event| event.category() == Some(&Category::Tool)).unwrap();
    assert_eq!(tool.data, json!({ "in": RAW }));
}

#[test]
fn a_tool_and_the_model_that_asked_for_it_find_each_other() {
    let events = review().events(&new_execution(1), &model_calls(execution_id(1)), false, Some(&done()));
    let tool = events.iter().find(|event| event.category() == Some(&Category::Tool)).unwrap();
    assert_eq!(tool.profile, Some(Profile { tool_call_id: Some("call_1".into()), ..Profile::default() }));
    let alone = review().events(&new_execution(1), &[], false, Some(&done()));
    let tool = alone.iter().find(|event| event.category() == Some(&Category::Tool)).unwrap();
    assert_eq!(tool.profile, Some(Profile::default()));
}

#[test]
fn what_was_served_is_shown_as_replayed_and_costs_nothing() {
    let source = execution_id(9);
    let (mut book, new) = (Book::default(), new_execution(1));
    let served = Provenance::Served { source, call: 0, recorded_at: at(0), other_input: false };
    let end = |call: u32, kind: CallKind, name: &str, provenance: Provenance| EntryBody::CallEnded {
        call,
        attempt: 0,
        descriptor: Some(called(kind, name, name, None)),
        outcome: success(),
        provenance,
        metadata: None,
        started_at: None,
    };
    book.add(5, end(0, CallKind::Checkpoint, "research", served.clone()))
        .add(6, end(1, CallKind::Llm, "outline", Provenance::Cached { source, call: 1 }))
        .add(7, end(2, CallKind::Llm, "title", Provenance::Overridden));
    let mut projection = Projection::new(&new, false);
    let mut events = projection.begin(json!(null));
    for entry in &book.0 {
        let call = u32::try_from(entry.seq).unwrap();
        let rows = if call < 2 { vec![model_call(source, (call, 1, 0), (0, 3), 0xa1)] } else { Vec::new() };
        events.extend(projection.apply(entry, Values { served: rows, ..Values::default() }));
    }
    events.extend(projection.conclude(&row(new, Status::Completed, Some(at(9))), json!(null)));
    check(&events, true);
    let models: Vec<_> = events.iter().filter(|event| event.category() == Some(&Category::Llm)).collect();
    assert_eq!(models.len(), 6);
    for event in &models {
        assert_eq!(event.metadata["replayed"] == json!(true), event.is_end() || event.name == "openai", "{event:?}");
        assert_ne!(event.uuid, Uuid::from_u128(0xa1), "a copy is not the original");
    }
    for end in models.iter().filter(|event| event.is_end()) {
        assert_eq!(end.metadata["kitaru.llm.cost_usd"], json!(0));
        assert!(end.profile.as_ref().and_then(Profile::response).is_none_or(|response| response.usage.is_none()));
    }
    let checkpoint = events.iter().find(|event| event.name == "research" && event.is_end()).unwrap();
    assert_eq!(checkpoint.metadata["kitaru.original_call_id"], json!(format!("{source}:0")));
    let trajectory = atif::trajectory(&events, None, "s", atif::Agent::default());
    let sums = trajectory.final_metrics.unwrap();
    assert_eq!((sums.total_prompt_tokens, sums.total_cost_usd), (0, Some(0.0)));
}

#[test]
fn a_reopened_execution_has_a_scope_for_each_run() {
    let mut book = Book::default();
    let failed = || Outcome::Failure(Failure::user("error", "no").at_call(0));
    book.add(1, started(0, 1, Some(called(CallKind::Checkpoint, "draft", "draft", None))))
        .add(2, ended(0, 1, failed(), Provenance::Ran))
        .add(3, EntryBody::Finished { outcome: failed(), unseen: Vec::new(), learnt_after: Some(1) })
        .add(9, EntryBody::Reopened { rerun: vec![0], component: None, automatic: false })
        .add(10, started(0, 2, None))
        .add(11, ended(0, 2, success(), Provenance::Ran))
        .add(12, EntryBody::Finished { outcome: success(), unseen: Vec::new(), learnt_after: None });
    let id = execution_id(1);
    let events = book.events(&new_execution(1), &[], false, Some(&row(new_execution(1), Status::Completed, Some(at(12)))));
    check(&events, true);
    let scopes: Vec<_> = events.iter().filter(|event| event.is_start()).map(|event| (event.uuid, event.parent)).collect();
    assert_eq!(
        scopes,
        [
            (flow_scope(id, 0), None),
            (call_scope(id, 0, 0), Some(flow_scope(id, 0))),
            (flow_scope(id, 1), None),
            (call_scope(id, 0, 1), Some(flow_scope(id, 1))),
        ]
    );
    let errors: Vec<_> = events.iter().filter(|event| event.is_end()).map(Event::error_type).collect();
    assert_eq!(errors, [Some("error"), Some("error"), None, None]);
}

#[test]
fn what_was_cut_off_ends_with_its_execution() {
    let mut book = Book::default();
    book.add(1, started(0, 1, Some(called(CallKind::Wait, "approve", "approve", None))))
        .add(2, started(1, 1, Some(called(CallKind::Llm, "outline", "outline", None))));
    let running = book.events(&new_execution(1), &[], false, Some(&row(new_execution(1), Status::Running, None)));
    check(&running, false);
    assert!(running.iter().all(Event::is_start), "it may go on");
    let cancelled = row(new_execution(1), Status::Cancelled, Some(at(5)));
    let events = book.events(&new_execution(1), &[], false, Some(&cancelled));
    check(&events, true);
    assert!(events.iter().filter(|event| event.is_end()).all(|event| event.error_type() == Some("cancelled")));
    assert_eq!(events.iter().filter(|event| event.is_end()).count(), 3);
}

/// What holds of all events: scopes have one beginning and at most one end that are alike and in order, and are in a scope that is there.
fn check(events: &[Event], is_over: bool) {
    let mut starts: HashMap<Uuid, &Event> = HashMap::new();
    for event in events.iter().filter(|event| event.is_start()) {
        assert!(starts.insert(event.uuid, event).is_none(), "two begin as {}", event.uuid);
    }
    let mut ends = HashSet::new();
    for end in events.iter().filter(|event| event.is_end()) {
        assert!(ends.insert(end.uuid), "{} ends twice", end.uuid);
        let start = starts.get(&end.uuid).expect("a beginning");
        assert_eq!((start.parent, &start.name, start.category()), (end.parent, &end.name, end.category()));
        assert_eq!(start.attributes(), end.attributes());
        assert!(end.timestamp.as_micros() > start.timestamp.as_micros(), "{start:?} {end:?}");
    }
    assert_eq!(ends.len() == starts.len(), is_over, "{}", lines(events));
    for event in events {
        match event.parent {
            Some(parent) => assert!(starts.contains_key(&parent), "the scope around {event:?}"),
            None => assert_eq!(event.category(), Some(&Category::Agent)),
        }
        assert_eq!(atof::from_line(&atof::to_line(event)).unwrap(), *event);
    }
    let uuids: HashSet<_> = events.iter().filter(|event| event.is_mark()).map(|event| event.uuid).collect();
    assert_eq!(uuids.len(), events.iter().filter(|event| event.is_mark()).count());
}

fn kinds() -> impl Strategy<Value = CallKind> {
    prop_oneof![
        Just(CallKind::Checkpoint),
        Just(CallKind::Checkpoint),
        Just(CallKind::Llm),
        Just(CallKind::Wait),
        Just(CallKind::Sleep),
        Just(CallKind::Flow)
    ]
}

fn bodies() -> impl Strategy<Value = EntryBody> {
    let descriptor =
        || kinds().prop_map(|kind| called(kind, "call", "call", (kind == CallKind::Checkpoint).then_some("tool_call")));
    let outcome = || prop_oneof![Just(success()), Just(Outcome::Failure(Failure::user("error", "no").at_call(0)))];
    let provenance = prop_oneof![
        Just(Provenance::Ran),
        Just(Provenance::Ran),
        Just(Provenance::Overridden),
        Just(Provenance::Cancelled),
        Just(Provenance::Served { source: ExecutionId::from_bytes([9; 16]), call: 0, recorded_at: at(0), other_input: false }),
    ];
    let call = || 0_u32..4;
    prop_oneof![
        (call(), descriptor()).prop_map(|(call, descriptor)| EntryBody::CallIssued { call, descriptor }),
        (call(), 1_u32..4, descriptor()).prop_map(|(call, attempt, descriptor)| started(call, attempt, Some(descriptor))),
        (call(), 1_u32..4).prop_map(|(call, attempt)| EntryBody::AttemptFailed {
            call,
            attempt,
            failure: Failure::user("error", "no"),
            metadata: None,
            retry_at: at(0),
        }),
        (call(), 0_u32..4, descriptor(), outcome(), provenance, any::<bool>()).prop_map(
            |(call, attempt, descriptor, outcome, provenance, ahead)| EntryBody::CallEnded {
                call,
                attempt,
                descriptor: Some(descriptor),
                outcome,
                provenance,
                metadata: None,
                started_at: ahead.then(|| at(0)),
            }
        ),
        outcome().prop_map(|outcome| EntryBody::Finished { outcome, unseen: Vec::new(), learnt_after: Some(1) }),
        Just(EntryBody::Reopened { rerun: vec![0], component: None, automatic: true }),
        Just(EntryBody::Upgraded { component: [1; 32] }),
    ]
}

/// A journal that can be: what does not follow is left out.
fn books() -> impl Strategy<Value = Book> {
    prop::collection::vec((0_i64..3, bodies()), 0..40).prop_map(|wished| {
        let (mut book, mut history, mut now) = (Book::default(), History::default(), 0);
        for (later, body) in wished {
            now += later;
            let entry = Entry { seq: history.next_seq, at: at(now), body };
            let mut next = history.clone();
            if next.apply(entry.clone()).is_ok() {
                history = next;
                book.0.push(entry);
            }
        }
        book
    })
}

proptest! {
    #[test]
    fn scopes_are_paired_and_nested_whatever_happens(book in books(), length in 0_usize..40) {
        let (new, id) = (new_execution(1), execution_id(1));
        // Attempts of a call keep its model call's identifier.
        let rows: Vec<_> = (0..4_u32)
            .flat_map(|call| (1..4_u32).map(move |attempt| (call, attempt)))
            .map(|(call, attempt)| model_call(id, (call, attempt, 0), (0, 1), u128::from(call) + 1))
            .collect();
        let whole = book.events(&new, &rows, false, Some(&row(new.clone(), Status::Failed, Some(at(200)))));
        check(&whole, true);
        // What was told of a part stays true.
        let part = Book(book.0.iter().take(length).cloned().collect());
        let part = part.events(&new, &rows, false, None);
        prop_assert!(part.iter().all(|event| whole.contains(event)));
    }
}
