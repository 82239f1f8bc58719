//! E1, E2 and E9 as pure functions.

use super::*;
use crate::journal::scenes::{Book, call, checkpoint, failed, success, three};
use crate::journal::{EntryBody, Failure};
use proptest::prelude::*;

#[test]
fn e1_recorded_outcomes_are_served_success_or_failure() {
    let mut book = Book::default();
    book.ran(0, checkpoint("a"), success("1")).ran(1, checkpoint("b"), failed());
    let cursor = Cursor::new(book.history(), None);
    assert!(matches!(cursor.decide(0, &checkpoint("a"), false), Decision::Recorded { end } if end.outcome == success("1")));
    assert!(matches!(cursor.decide(1, &checkpoint("b"), false), Decision::Recorded { end } if end.outcome == failed()));
    assert_eq!(cursor.decide(2, &checkpoint("c"), false), Decision::Run { attempt: 1, started: false, given: None });
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
    assert_eq!(cursor.decide(0, &checkpoint("a"), false), Decision::Run { attempt: 2, started: true, given: None });
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
    assert_eq!(book.history().to_rerun(&failure), [1]);
    book.add(EntryBody::Finished { outcome: Outcome::Failure(failure), unseen: vec![], learnt_after: Some(2) });
    book.add(EntryBody::Reopened { rerun: vec![1], component: None, automatic: false });
    let history = book.history();
    assert_eq!((history.len(), history.finished.clone()), (2, None));
    let cursor = Cursor::new(history, None);
    assert!(matches!(cursor.decide(0, &checkpoint("a"), false), Decision::Recorded { .. }));
    assert_eq!(cursor.decide(1, &checkpoint("b"), false), Decision::Run { attempt: 2, started: true, given: None });
    // Another call stands where the clean-up stood: its attempts go on from there, and its key is another.
    assert_eq!(cursor.decide(2, &checkpoint("publish"), false), Decision::Run { attempt: 2, started: false, given: None });
    assert_eq!((cursor.own().dropped_at(2), cursor.own().dropped_at(1)), (1, 0));
    assert_eq!((cursor.own().generation(1), cursor.own().generation(2)), (0, 1));
}

/// E7, E9: what was issued beside the failed call stands; what the flow never asked about runs again with it.
#[test]
fn e9_reopening_keeps_what_ran_beside_the_culprit() {
    let mut book = Book::default();
    let issued = |call, name: &str| EntryBody::CallIssued { call, descriptor: checkpoint(name) };
    book.add(issued(0, "a")).add(issued(1, "b")).add(issued(2, "c")).add(issued(3, "d"));
    for index in 0..4 {
        book.start(index, 1, None);
    }
    book.end(2, 1, success("3")).end(1, 1, failed()).end(3, 1, failed()).end(0, 1, success("1"));
    book.ran(4, checkpoint("clean_up"), success("null"));
    let failure = Failure { call_index: Some(1), ..Failure::user("error", "no") };
    book.add(EntryBody::Finished { outcome: Outcome::Failure(failure.clone()), unseen: vec![3], learnt_after: Some(4) });
    let rerun = book.history().to_rerun(&failure);
    assert_eq!(rerun, [1, 3]);
    let names =
        |history: History| history.forgotten(&rerun).iter().map(|record| record.descriptor.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(book.history()), ["clean_up"]);
    book.add(EntryBody::Reopened { rerun, component: None, automatic: false });
    let history = book.history();
    assert_eq!(history.len(), 4);
    let ended: Vec<bool> = history.calls().iter().map(|record| record.end.is_some()).collect();
    assert_eq!(ended, [true, false, true, false]);
    assert_eq!(history.by_invocation(CallKind::Checkpoint, "clean_up"), None);
}

/// E9: what the flow made before it learnt of the failure stands, though the call had failed before that was made.
#[test]
fn e9_reopening_cuts_where_the_flow_learnt_of_the_failure() {
    let mut book = Book::default();
    book.add(EntryBody::CallIssued { call: 0, descriptor: checkpoint("a") });
    book.start(0, 1, None).end(0, 1, failed());
    book.ran(1, checkpoint("b"), success("1")).ran(2, checkpoint("c"), success("2"));
    let failure = Failure { call_index: Some(0), ..Failure::user("error", "no") };
    book.add(EntryBody::Finished { outcome: Outcome::Failure(failure), unseen: vec![], learnt_after: Some(2) });
    book.add(EntryBody::Reopened { rerun: vec![0], component: None, automatic: false });
    let history = book.history();
    assert_eq!(history.len(), 2);
    let ended: Vec<bool> = history.calls().iter().map(|record| record.end.is_some()).collect();
    assert_eq!(ended, [false, true]);
}

/// E5, E9: how far a body got that its flow ended, nobody knows; that of one that ended by itself, everybody does.
#[test]
fn e5_a_cancelled_attempt_stays_unknown_when_its_call_is_reopened() {
    let mut book = Book::default();
    book.add(EntryBody::CallIssued { call: 0, descriptor: checkpoint("a") }).start(0, 1, None);
    book.ran(1, checkpoint("b"), failed());
    book.cut_off(0);
    let failure = Failure { call_index: Some(1), ..Failure::user("error", "no") };
    book.add(EntryBody::Finished { outcome: Outcome::Failure(failure.clone()), unseen: vec![0], learnt_after: Some(2) });
    let rerun = book.history().to_rerun(&failure);
    assert_eq!(rerun, [1, 0]);
    book.add(EntryBody::Reopened { rerun, component: None, automatic: false });
    let history = book.history();
    let interrupted: Vec<bool> = history.calls().iter().map(crate::journal::CallRecord::was_interrupted).collect();
    assert_eq!(interrupted, [true, false]);
    assert_eq!(history.calls()[0].attempts[0].status, crate::journal::AttemptStatus::Cancelled);
}

/// Nobody knows what a call would have come to that the flow's own end ended: with other code the flow may want to know.
#[test]
fn e9_what_the_end_of_the_flow_ended_runs_again_whatever_failed() {
    for failure in [Failure::user("error", "the flow's own"), Failure::user("trap", "a panic")] {
        let mut book = Book::default();
        book.add(EntryBody::CallIssued { call: 0, descriptor: checkpoint("a") }).start(0, 1, None);
        book.ran(1, checkpoint("b"), success("1"));
        book.cut_off(0);
        book.add(EntryBody::Finished { outcome: Outcome::Failure(failure.clone()), unseen: vec![0], learnt_after: None });
        let rerun = book.history().to_rerun(&failure);
        assert_eq!(rerun, [0]);
        book.add(EntryBody::Reopened { rerun, component: None, automatic: false });
        let ended: Vec<bool> = book.history().calls().iter().map(|record| record.end.is_some()).collect();
        assert_eq!(ended, [false, true]);
    }
}

#[test]
fn e9_a_failure_that_names_no_call_is_the_last_ones_if_that_failed() {
    let mut book = Book::default();
    book.ran(0, checkpoint("a"), failed()).ran(1, checkpoint("b"), success("1"));
    assert_eq!(book.history().to_rerun(&Failure::user("error", "x")), [] as [u32; 0], "the flow caught that one");
    book.ran(2, checkpoint("c"), failed());
    assert_eq!(book.history().to_rerun(&Failure::user("error", "x")), [2]);
    assert_eq!(book.history().to_rerun(&Failure::user("trap", "x")), [] as [u32; 0], "a trap is not a call's failure");
    let named_wrongly = Failure { call_index: Some(1), ..Failure::user("error", "x") };
    assert_eq!(book.history().to_rerun(&named_wrongly), [2]);
}

#[test]
fn e13_entries_that_do_not_follow_are_named() {
    let mut book = Book::default();
    book.start(0, 1, Some(checkpoint("a"))).end(0, 1, success("1")).end(0, 1, success("2"));
    assert_eq!(History::fold(book.0.clone()).unwrap_err().seq, 2);
    let mut gap = three().0;
    gap.remove(3);
    assert_eq!(History::fold(gap).unwrap_err().seq, 4);
    let mut early = Book::default();
    early.end(1, 1, success("1"));
    assert_eq!(History::fold(early.0).unwrap_err().seq, 0);
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
        let history = History::fold(book.0[..cut].to_vec()).unwrap();
        let cursor = Cursor::new(history, None);
        for (index, descriptor) in calls.iter().enumerate() {
            let decision = cursor.decide(index as u32, descriptor, false);
            let expected_served = 2 * index + 2 <= cut;
            let served = matches!(&decision, Decision::Recorded { end } if end.outcome == success(&index.to_string()));
            prop_assert_eq!(served, expected_served);
            if !expected_served {
                let attempt = if 2 * index + 1 == cut { 2 } else { 1 };
                prop_assert_eq!(decision, Decision::Run { attempt, started: attempt == 2, given: None });
            }
        }
    }
}
