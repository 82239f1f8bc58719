use super::*;
use crate::clock::SystemClock;
use crate::engine::models::said::{KEPT_BYTES, KEPT_IN_ALL, KEPT_PARTS, KEPT_PIECES, LEAST_BYTES};
use crate::ids::CallId;

fn which(execution: ExecutionId, index: u32) -> Which {
    Which { call: CallId { execution, index }, attempt: 1, ordinal: 0 }
}

fn text(chunk: &LiveChunk) -> &str {
    match &chunk.said {
        Said::Text(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn whoever_comes_late_or_again_misses_nothing_of_a_call_under_way() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut early = live.watch(&SystemClock, execution, None);
    let mut call = live.begin(&SystemClock, which(execution, 3), "story");
    assert_eq!(early.at_once(), None);
    call.text("One ".into());
    let first = early.at_once().unwrap();
    assert_eq!((text(&first), first.piece, first.pieces, first.call.index, first.name.as_str()), ("One ", 0, 1, 3, "story"));
    call.text("and ".into());
    call.text("two.".into());
    let mut again = live.watch(&SystemClock, execution, Some(&first.cursor));
    let mut late = live.watch(&SystemClock, execution, None);
    let foreign = live.watch(&SystemClock, execution, Some("0.77"));
    for (live, expected, piece) in [(&mut again, "and two.", 1), (&mut early, "and two.", 1), (&mut late, "One and two.", 0)] {
        let chunk = live.at_once().unwrap();
        assert_eq!((text(&chunk), chunk.piece, live.at_once()), (expected, piece, None));
    }
    drop(call);
    // Who listened by then has the last words; for who comes now they are elsewhere.
    let (mut foreign, now) = (foreign, early.live.watch(&SystemClock, execution, None));
    assert_eq!(text(&foreign.at_once().unwrap()), "One and two.");
    let mut back = early.live.watch(&SystemClock, execution, Some(&first.cursor));
    assert_eq!(text(&back.at_once().unwrap()), "and two.");
    for mut live in [again, early, late, foreign, back, now] {
        let end = live.at_once().unwrap();
        assert_eq!((end.said, end.piece, live.at_once()), (Said::Ended, 3, None));
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
    let told: Vec<_> = std::iter::from_fn(|| watching.at_once()).map(|chunk| (chunk.call.index, chunk.piece)).collect();
    assert_eq!(told, [(1, 0), (2, 0), (1, 1), (2, 1)]);
}

#[test]
fn what_is_kept_is_bounded_and_a_gap_is_seen() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut calls = [0, 1].map(|index| live.begin(&SystemClock, which(execution, index), "llm_1"));
    let is_bounded = || {
        let bounds = lock(&live.told(&SystemClock, execution, Arc::clone).kept).bounds();
        assert!(bounds.iter().all(|(is, most)| is <= most), "{bounds:?}");
    };
    let piece = "x".repeat(1_000);
    for _ in 0..1_000 {
        calls[0].text(piece.clone());
        is_bounded();
    }
    let late = live.watch(&SystemClock, execution, None).at_once().unwrap();
    assert_eq!(late.piece + late.pieces, 1_000);
    assert!(late.piece > 0 && text(&late).len() > KEPT_BYTES - 2 * 4_096, "{} {}", late.piece, text(&late).len());
    // Small pieces of one are many, those of two in turn too.
    for _ in 0..KEPT_PIECES * 2 {
        calls[0].text("y".into());
    }
    is_bounded();
    for _ in 0..KEPT_PARTS {
        calls.iter_mut().for_each(|call| call.text("z".into()));
    }
    is_bounded();
}

/// A long answer in words is there from its beginning for whoever comes late.
#[test]
fn small_pieces_take_little_room() {
    let (live, execution) = (Live::default(), SystemIds.execution());
    let mut call = live.begin(&SystemClock, which(execution, 0), "llm_1");
    let words: Vec<String> = (0..20_000).map(|number| format!("word-{number} ")).collect();
    words.iter().for_each(|word| call.text(word.clone()));
    let late = live.watch(&SystemClock, execution, None).at_once().unwrap();
    assert_eq!((late.piece, late.pieces, text(&late)), (0, 20_000, words.concat().as_str()));
    // Wherever somebody goes on, they have the rest and nothing twice.
    let run = late.cursor.split_once('.').unwrap().0;
    for number in [1, 2, 380, 381, 382, 12_345, 19_999] {
        let rest = live.watch(&SystemClock, execution, Some(&format!("{run}.{number}"))).at_once().unwrap();
        assert_eq!((rest.piece, text(&rest)), (number as u64, words[number..].concat().as_str()));
    }
}

/// However many speak at once, and however much.
#[test]
fn what_is_kept_of_all_is_bounded() {
    let live = Live::default();
    let many = KEPT_IN_ALL / KEPT_BYTES * 2;
    let mut calls: Vec<LiveCall> =
        (0..many).map(|_| live.begin(&SystemClock, which(SystemIds.execution(), 0), "llm_1")).collect();
    let piece = "x".repeat(4_096);
    for _ in 0..KEPT_BYTES / piece.len() * 2 {
        calls.iter_mut().for_each(|call| call.text(piece.clone()));
    }
    let in_all = live.0.bytes.load(Ordering::Relaxed);
    assert!(in_all <= KEPT_IN_ALL + many * LEAST_BYTES && in_all >= many * LEAST_BYTES / 2, "{in_all}");
    drop(calls);
    assert_eq!((live.0.bytes.load(Ordering::Relaxed), lock(&live.0.executions).len()), (0, 0), "nothing is left of it");
}

/// Whoever reads what is said to one execution, however slowly, holds up no other: not those who speak, come, listen or go.
#[test]
fn executions_do_not_wait_for_each_other() {
    let (live, slow) = (Live::default(), SystemIds.execution());
    let mut call = live.begin(&SystemClock, which(slow, 0), "llm_1");
    call.text("a".into());
    let told = live.told(&SystemClock, slow, Arc::clone);
    let reading = lock(&told.kept);
    let (sender, done) = std::sync::mpsc::channel();
    let others = live.clone();
    std::thread::spawn(move || {
        for _ in 0..64 {
            let execution = SystemIds.execution();
            let mut watching = others.watch(&SystemClock, execution, None);
            let mut call = others.begin(&SystemClock, which(execution, 0), "llm_1");
            call.text("b".into());
            assert_eq!(text(&watching.at_once().unwrap()), "b");
            drop((call, watching));
        }
        // Nor does somebody wait who comes to the slow one, or a call that begins there. Its end would.
        drop(others.watch(&SystemClock, slow, None));
        std::mem::forget(others.begin(&SystemClock, which(slow, 1), "llm_1"));
        sender.send(()).unwrap();
    });
    done.recv_timeout(std::time::Duration::from_secs(20)).expect("nobody waits");
    drop(reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_streams_are_heard_whole_by_all_who_listen() {
    const PIECES: u64 = 2_000;
    let live = Live::default();
    let expected: Arc<str> = (0..PIECES).map(|number| format!("{number} ")).collect::<String>().into();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let execution = SystemIds.execution();
        let mut call = live.begin(&SystemClock, which(execution, 0), "llm_1");
        let heard_all = Arc::new(tokio::sync::Barrier::new(4));
        for _ in 0..3 {
            let mut watching = live.watch(&SystemClock, execution, None);
            let (heard_all, expected) = (heard_all.clone(), expected.clone());
            tasks.spawn(async move {
                let (mut heard, mut next) = (String::new(), 0);
                while next < PIECES {
                    let chunk = watching.next().await;
                    assert_eq!(chunk.piece, next, "no gap, and nothing twice");
                    heard.push_str(text(&chunk));
                    next += chunk.pieces;
                    tokio::task::yield_now().await;
                }
                assert_eq!(heard, *expected);
                heard_all.wait().await;
                assert_eq!(watching.next().await.said, Said::Ended);
            });
        }
        tasks.spawn(async move {
            for number in 0..PIECES {
                call.text(format!("{number} "));
                if number % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            heard_all.wait().await;
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert!(lock(&live.0.executions).is_empty(), "nothing is kept of what has ended");
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
    assert_eq!(lock(&live.0.executions).len(), 1);
    drop(call);
    assert!(lock(&live.0.executions).is_empty());
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
