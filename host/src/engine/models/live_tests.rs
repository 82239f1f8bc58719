use super::*;
use crate::clock::SystemClock;
use crate::ids::{Ids as _, SystemIds};

fn which(execution: ExecutionId, index: u32) -> Which {
    Which { call: CallId { execution, index }, attempt: 1, ordinal: 0 }
}

fn text(chunk: &LiveChunk) -> &str {
    match &chunk.said {
        Said::Text(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

/// What comes without waiting.
fn at_once(live: &mut LiveText) -> Option<LiveChunk> {
    use std::task::{Context, Poll, Waker};
    match std::pin::pin!(live.next()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(chunk) => Some(chunk),
        Poll::Pending => None,
    }
}

#[test]
fn whoever_comes_late_or_again_misses_nothing_of_a_call_under_way() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut early = live.watch(&SystemClock, execution, None);
    let mut call = live.begin(&SystemClock, which(execution, 3), "story");
    assert_eq!(at_once(&mut early), None);
    call.text("One ".into());
    let first = at_once(&mut early).unwrap();
    assert_eq!((text(&first), first.piece, first.pieces, first.call.index, first.name.as_str()), ("One ", 0, 1, 3, "story"));
    call.text("and ".into());
    call.text("two.".into());
    let mut again = live.watch(&SystemClock, execution, Some(&first.cursor));
    let mut late = live.watch(&SystemClock, execution, None);
    let foreign = live.watch(&SystemClock, execution, Some("0.77"));
    for (live, expected, piece) in [(&mut again, "and two.", 1), (&mut early, "and two.", 1), (&mut late, "One and two.", 0)] {
        let chunk = at_once(live).unwrap();
        assert_eq!((text(&chunk), chunk.piece, at_once(live)), (expected, piece, None));
    }
    drop(call);
    for mut live in [again, early, late, foreign] {
        let end = at_once(&mut live).unwrap();
        assert_eq!((end.said, end.piece), (Said::Ended, 3), "its text is elsewhere now");
    }
}

#[test]
fn calls_beside_each_other_are_told_apart() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut watching = live.watch(&SystemClock, execution, None);
    let mut calls = [1, 2].map(|index| live.begin(&SystemClock, which(execution, index), "llm_1"));
    for word in ["a", "b"] {
        for call in &mut calls {
            call.text(word.into());
        }
    }
    let told: Vec<_> = std::iter::from_fn(|| at_once(&mut watching)).map(|chunk| (chunk.call.index, chunk.piece)).collect();
    assert_eq!(told, [(1, 0), (2, 0), (1, 1), (2, 1)]);
}

#[test]
fn what_is_kept_is_bounded_and_a_gap_is_seen() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut call = live.begin(&SystemClock, which(execution, 0), "llm_1");
    let piece = "x".repeat(1_000);
    for _ in 0..1_000 {
        call.text(piece.clone());
    }
    assert!(lock(&live.0)[&execution].bytes <= KEPT_BYTES);
    let late = at_once(&mut live.watch(&SystemClock, execution, None)).unwrap();
    assert_eq!(late.piece + late.pieces, 1_000);
    assert!(late.piece > 0 && text(&late).len() <= KEPT_BYTES, "{}", late.piece);
    for _ in 0..KEPT_PIECES * 2 {
        call.text("y".into());
    }
    assert!(lock(&live.0)[&execution].kept.len() <= KEPT_PIECES);
}

#[test]
fn nothing_is_kept_of_executions_that_are_quiet_and_unwatched() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    drop(live.begin(&SystemClock, which(execution, 0), "llm_1"));
    drop(live.watch(&SystemClock, execution, None));
    let (mut call, watching) =
        (live.begin(&SystemClock, which(execution, 0), "llm_1"), live.watch(&SystemClock, execution, None));
    call.text("a".into());
    drop(watching);
    assert_eq!(lock(&live.0).len(), 1);
    drop(call);
    assert!(lock(&live.0).is_empty());
}

#[tokio::test]
async fn who_waits_is_woken() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut watching = live.watch(&SystemClock, execution, None);
    let waiting = tokio::spawn(async move { watching.next().await });
    let mut call = live.begin(&SystemClock, which(execution, 0), "llm_1");
    tokio::task::yield_now().await;
    call.text("a".into());
    assert_eq!(text(&waiting.await.unwrap()), "a");
}
