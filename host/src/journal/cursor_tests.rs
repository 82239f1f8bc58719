//! E1, E2, E9 and E10 as pure functions.

use super::*;
use crate::ids::ExecutionId;
use crate::journal::{CanonicalJson, Entry, EntryBody, ReplayError, ReplayRequest, parse_override_key};
use proptest::prelude::*;

fn source_id() -> ExecutionId {
    "01a1fa62-0000-7000-8000-000000000001".parse().unwrap()
}

fn call(kind: CallKind, name: &str, invocation: &str, input: &str) -> Descriptor {
    let input = CanonicalJson::parse(input).unwrap();
    Descriptor {
        kind,
        name: name.into(),
        invocation: invocation.into(),
        input_hash: input.hash(),
        input: Payload::Inline(input.into_string().into_bytes()),
        checkpoint_type: None,
    }
}

fn checkpoint(name: &str) -> Descriptor {
    call(CallKind::Checkpoint, name, name, "{}")
}

fn success(text: &str) -> Outcome {
    Outcome::Success(Payload::Inline(text.as_bytes().to_vec()))
}

fn failed() -> Outcome {
    Outcome::Failure(Failure::user("error", "no").at_call(0))
}

/// A journal under construction.
#[derive(Default)]
struct Book(Vec<Entry>);

impl Book {
    fn add(&mut self, body: EntryBody) -> &mut Self {
        let seq = self.0.len() as u64;
        self.0.push(Entry { seq, at: Timestamp::from_micros(1_000 + seq as i64), body });
        self
    }

    fn start(&mut self, index: u32, attempt: u32, descriptor: Option<Descriptor>) -> &mut Self {
        self.add(EntryBody::CallStarted { call: index, attempt, descriptor })
    }

    fn end(&mut self, index: u32, attempt: u32, outcome: Outcome) -> &mut Self {
        self.add(EntryBody::CallEnded {
            call: index,
            attempt,
            descriptor: None,
            outcome,
            provenance: Provenance::Ran,
            metadata: None,
        })
    }

    fn ran(&mut self, index: u32, descriptor: Descriptor, outcome: Outcome) -> &mut Self {
        self.start(index, 1, Some(descriptor)).end(index, 1, outcome)
    }

    fn history(&self) -> History {
        History::fold(&self.0).unwrap()
    }
}

fn three() -> Book {
    let mut book = Book::default();
    book.ran(0, checkpoint("research"), success("1")).ran(1, checkpoint("draft"), success("2")).ran(
        2,
        checkpoint("publish"),
        success("3"),
    );
    book
}

fn plan(book: &Book, request: ReplayRequest) -> Result<ReplayPlan, ReplayError> {
    ReplayPlan::new(source_id(), &book.history(), &request)
}

fn from(selector: &str) -> ReplayRequest {
    ReplayRequest { from: Some(selector.into()), ..ReplayRequest::default() }
}

#[test]
fn e1_recorded_outcomes_are_served_success_or_failure() {
    let mut book = Book::default();
    book.ran(0, checkpoint("a"), success("1")).ran(1, checkpoint("b"), failed());
    let cursor = Cursor::new(book.history(), None);
    assert!(matches!(cursor.decide(0, &checkpoint("a"), false), Decision::Recorded { end } if end.outcome == success("1")));
    assert!(matches!(cursor.decide(1, &checkpoint("b"), false), Decision::Recorded { end } if end.outcome == failed()));
    assert_eq!(cursor.decide(2, &checkpoint("c"), false), Decision::Run { attempt: 1, started: false });
}

#[test]
fn e2_every_difference_is_divergence_within_one_execution() {
    let book = three();
    let cursor = Cursor::new(book.history(), None);
    for other in [
        checkpoint("renamed"),
        call(CallKind::Wait, "research", "research", "{}"),
        call(CallKind::Checkpoint, "research", "mine", "{}"),
        call(CallKind::Checkpoint, "research", "research", "{\"a\":1}"),
    ] {
        // Even where a replay would look away: recovery is the same run, gone over again.
        assert!(matches!(cursor.decide(0, &other, true), Decision::Mismatch { expected } if expected.name == "research"));
    }
    assert_eq!(cursor.missing(2).unwrap().index, 2);
    assert_eq!(cursor.missing(3), None);
}

#[test]
fn e4_an_interrupted_call_runs_again_as_the_next_attempt() {
    let mut book = Book::default();
    book.start(0, 1, Some(checkpoint("a")));
    let cursor = Cursor::new(book.history(), None);
    assert_eq!(cursor.decide(0, &checkpoint("a"), false), Decision::Run { attempt: 2, started: true });
    book.start(0, 2, None).end(0, 2, success("1"));
    let history = book.history();
    let record = &history.calls()[0];
    assert_eq!(record.attempts[0].status, crate::journal::AttemptStatus::Interrupted);
    assert_eq!(record.attempts[1].status, crate::journal::AttemptStatus::Completed);
}

#[test]
fn e9_reopening_runs_the_culprit_again_and_forgets_what_followed_it() {
    let mut book = Book::default();
    book.ran(0, checkpoint("a"), success("1")).ran(1, checkpoint("b"), failed()).ran(2, checkpoint("clean_up"), success("null"));
    let failure = Failure { call_index: Some(1), ..Failure::user("error", "no") };
    assert_eq!(Cursor::culprit(&book.history(), &failure), Some(1));
    book.add(EntryBody::Finished { outcome: Outcome::Failure(failure) });
    book.add(EntryBody::Reopened { rerun: Some(1), component: None });
    let history = book.history();
    assert_eq!((history.len(), history.finished.clone()), (2, None));
    let cursor = Cursor::new(history, None);
    assert!(matches!(cursor.decide(0, &checkpoint("a"), false), Decision::Recorded { .. }));
    assert_eq!(cursor.decide(1, &checkpoint("b"), false), Decision::Run { attempt: 2, started: true });
    assert_eq!(cursor.decide(2, &checkpoint("publish"), false), Decision::Run { attempt: 1, started: false });
}

#[test]
fn e9_a_failure_that_names_no_call_is_the_last_ones_if_that_failed() {
    let mut book = Book::default();
    book.ran(0, checkpoint("a"), failed()).ran(1, checkpoint("b"), success("1"));
    assert_eq!(Cursor::culprit(&book.history(), &Failure::user("error", "x")), None, "the flow caught that one");
    book.ran(2, checkpoint("c"), failed());
    assert_eq!(Cursor::culprit(&book.history(), &Failure::user("error", "x")), Some(2));
    let named_wrongly = Failure { call_index: Some(1), ..Failure::user("error", "x") };
    assert_eq!(Cursor::culprit(&book.history(), &named_wrongly), Some(2));
}

#[test]
fn e10_selectors() {
    let mut book = three();
    book.ran(3, call(CallKind::Checkpoint, "draft", "draft_2", "{}"), success("4"));
    book.ran(4, call(CallKind::Wait, "ok", "ok", "{}"), success("true"));
    for (selector, live_from) in
        [("publish", 2), ("draft_2", 3), (" research ", 0), (":1", 1), (&format!("{}:2", source_id()), 2)]
    {
        assert_eq!(plan(&book, from(selector)).unwrap().live_from, live_from, "{selector}");
    }
    assert!(
        matches!(plan(&book, from("draft")), Err(ReplayError::Ambiguous { matches, .. }) if matches.contains(":1, ") && matches.ends_with(":3"))
    );
    assert!(
        matches!(plan(&book, from("ok")), Err(ReplayError::Unknown { available, .. }) if available == "draft, publish, research")
    );
    assert_eq!(plan(&book, from("  ")), Err(ReplayError::BlankAnchor));
    assert_eq!(plan(&book, ReplayRequest::default()), Err(ReplayError::NoAnchor));
    assert_eq!(plan(&Book::default(), from("x")), Err(ReplayError::NoHistory(source_id())));
}

#[test]
fn e10_override_keys() {
    assert_eq!(parse_override_key("checkpoint. a "), Ok("a"));
    assert_eq!(parse_override_key("checkpoint."), Err(ReplayError::BlankOverride));
    assert_eq!(parse_override_key("wait.x"), Err(ReplayError::WaitOverride));
    assert!(matches!(parse_override_key("research"), Err(ReplayError::OverrideKey(_))));
}

#[test]
fn e10_the_live_part_begins_at_the_earlier_of_anchor_and_first_call_after_an_override() {
    let book = three();
    let with = |anchor: Option<&str>, overridden: &str| {
        let overrides = vec![(overridden.to_owned(), "9".to_owned())];
        plan(&book, ReplayRequest { from: anchor.map(str::to_owned), overrides, ..ReplayRequest::default() }).unwrap().live_from
    };
    assert_eq!(with(Some("publish"), "research"), 1);
    assert_eq!(with(Some("research"), "publish"), 0);
    assert_eq!(with(None, "draft"), 2);
}

#[test]
fn e10_before_the_live_part_calls_are_served_and_after_it_they_run() {
    let book = three();
    let overrides = vec![("research".to_owned(), "9".to_owned())];
    let plan = plan(&book, ReplayRequest { from: Some("publish".into()), overrides, ..ReplayRequest::default() }).unwrap();
    let cursor = Cursor::new(History::default(), Some((plan, book.history())));
    assert!(matches!(cursor.decide(0, &checkpoint("research"), false), Decision::Overridden(given) if given.value == "9"));
    assert_eq!(cursor.decide(1, &checkpoint("draft"), false), Decision::Run { attempt: 1, started: false });
}

#[test]
fn e10_a_served_call_keeps_its_true_origin() {
    let origin: ExecutionId = "01a1fa62-0000-7000-8000-000000000009".parse().unwrap();
    let mut book = Book::default();
    let recorded_at = Timestamp::from_micros(5);
    let provenance = Provenance::Served { source: origin, call: 4, recorded_at, other_input: false };
    book.add(EntryBody::CallEnded {
        call: 0,
        attempt: 0,
        descriptor: Some(checkpoint("a")),
        outcome: success("1"),
        provenance: provenance.clone(),
        metadata: None,
    });
    book.ran(1, checkpoint("b"), success("2"));
    let plan = plan(&book, from("b")).unwrap();
    let cursor = Cursor::new(History::default(), Some((plan, book.history())));
    match cursor.decide(0, &checkpoint("a"), false) {
        Decision::Served { provenance: served, clock, .. } => assert_eq!((served, clock), (provenance, recorded_at)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn e10_inputs_may_differ_only_where_flow_inputs_were_changed() {
    let book = three();
    let changed = call(CallKind::Checkpoint, "research", "research", "{\"topic\":2}");
    let decide = |request: ReplayRequest, call: &Descriptor, identity: bool| {
        Cursor::new(History::default(), Some((plan(&book, request).unwrap(), book.history()))).decide(0, call, identity)
    };
    assert!(matches!(decide(from("publish"), &changed, false), Decision::Mismatch { .. }));
    let with_inputs = ReplayRequest { inputs_changed: true, ..from("publish") };
    for decision in [decide(with_inputs.clone(), &changed, false), decide(from("publish"), &changed, true)] {
        assert!(matches!(decision, Decision::Served { provenance: Provenance::Served { other_input: true, .. }, .. }));
    }
    assert!(
        matches!(decide(with_inputs, &checkpoint("renamed"), false), Decision::Mismatch { .. }),
        "names must match all the same"
    );
}

#[test]
fn e10_answered_waits_are_served_unless_asked_again() {
    let mut book = Book::default();
    let wait = call(CallKind::Wait, "ok", "ok", "{}");
    book.ran(0, wait.clone(), success("true")).ran(1, checkpoint("a"), success("1"));
    let decide = |ask_again| {
        let plan = plan(&book, ReplayRequest { ask_again, ..from("a") }).unwrap();
        Cursor::new(History::default(), Some((plan, book.history()))).decide(0, &wait, false)
    };
    assert!(matches!(decide(false), Decision::Served { .. }));
    assert_eq!(decide(true), Decision::Run { attempt: 1, started: false });
}

#[test]
fn e13_entries_that_do_not_follow_are_named() {
    let mut book = Book::default();
    book.start(0, 1, Some(checkpoint("a"))).end(0, 1, success("1")).end(0, 1, success("2"));
    assert_eq!(History::fold(&book.0).unwrap_err().seq, 2);
    let mut gap = three().0;
    gap.remove(3);
    assert_eq!(History::fold(&gap).unwrap_err().seq, 4);
    let mut early = Book::default();
    early.end(1, 1, success("1"));
    assert_eq!(History::fold(&early.0).unwrap_err().seq, 0);
}

proptest! {
    /// Whatever prefix of a journal survives a crash, the calls in it are served as recorded and the rest runs (E1, K1).
    #[test]
    fn e1_any_surviving_prefix_serves_exactly_what_it_holds(names in prop::collection::vec("[a-c]", 1..12), cut in 0_usize..24) {
        let mut book = Book::default();
        let mut invocations = crate::journal::Invocations::default();
        let calls: Vec<Descriptor> = names.iter().map(|name| {
            call(CallKind::Checkpoint, name, &invocations.next(name, None).unwrap(), "{}")
        }).collect();
        for (index, descriptor) in calls.iter().enumerate() {
            book.ran(index as u32, descriptor.clone(), success(&index.to_string()));
        }
        let cut = cut.min(book.0.len());
        let history = History::fold(&book.0[..cut]).unwrap();
        let cursor = Cursor::new(history, None);
        for (index, descriptor) in calls.iter().enumerate() {
            let decision = cursor.decide(index as u32, descriptor, false);
            let expected_served = 2 * index + 2 <= cut;
            let served = matches!(&decision, Decision::Recorded { end } if end.outcome == success(&index.to_string()));
            prop_assert_eq!(served, expected_served);
            if !expected_served {
                let attempt = if 2 * index + 1 == cut { 2 } else { 1 };
                prop_assert_eq!(decision, Decision::Run { attempt, started: attempt == 2 });
            }
        }
    }
}
