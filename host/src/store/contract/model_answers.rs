//! Answers of models that may be given again.

use std::time::Duration;

use super::Place;
use super::scenes::{at, blob, claimed, entries, has_blob, inline};
use crate::journal::{Payload, PayloadHash};
use crate::store::{AnswerBounds, Append, Executions, Journal, ModelAnswer, ModelAnswers};

const MANY: AnswerBounds = AnswerBounds { entries: 100, bytes: 1 << 20 };

fn answer_of(key: u8, answer: Payload) -> ModelAnswer {
    ModelAnswer { key: [key; 32], answer, expires_at: None }
}

async fn keep(store: &impl ModelAnswers, key: u8, answer: &str, bounds: AnswerBounds) {
    store.keep_answer(answer_of(key, inline(answer)), bounds, at(0)).await.unwrap();
}

/// Which of these keys have an answer. Looking is a use.
async fn kept<const N: usize>(store: &impl ModelAnswers, keys: [u8; N]) -> Vec<u8> {
    let mut found = Vec::new();
    for key in keys {
        found.extend(store.answer([key; 32], at(0)).await.unwrap().map(|_| key));
    }
    found
}

pub(crate) async fn an_answer_reads_back_until_it_is_too_old<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    assert_eq!(store.answer([1; 32], at(0)).await.unwrap(), None);
    let answer = ModelAnswer { expires_at: Some(at(100)), ..answer_of(1, inline("yes")) };
    store.keep_answer(answer, MANY, at(0)).await.unwrap();
    keep(&store, 2, "always", MANY).await;
    let mut near = [1; 32];
    near[31] = 2;
    for store in [&store, &other] {
        assert_eq!(store.answer([1; 32], at(99)).await.unwrap(), Some(inline("yes")));
        assert_eq!(store.answer([1; 32], at(100)).await.unwrap(), None);
        assert_eq!(store.answer([2; 32], at(i64::from(u32::MAX))).await.unwrap(), Some(inline("always")));
        assert_eq!(store.answer(near, at(0)).await.unwrap(), None, "a key is all of its bytes");
    }
    drop((store, other));
    assert_eq!(place.open().answer([1; 32], at(99)).await.unwrap(), Some(inline("yes")), "after a restart");
}

pub(crate) async fn a_later_answer_takes_the_place_of_an_earlier_one<P: Place>(place: P) {
    let store = place.open();
    let earlier = ModelAnswer { expires_at: Some(at(100)), ..answer_of(1, inline("earlier")) };
    store.keep_answer(earlier, MANY, at(0)).await.unwrap();
    for text in ["later", "later", "latest"] {
        keep(&store, 1, text, MANY).await;
    }
    assert_eq!(store.answer([1; 32], at(200)).await.unwrap(), Some(inline("latest")));
    // It takes one place, and the bytes of one.
    let bounds = AnswerBounds { entries: 2, bytes: 12 };
    keep(&store, 2, "second", bounds).await;
    assert_eq!(kept(&store, [1, 2]).await, [1, 2]);
}

pub(crate) async fn the_answer_that_was_not_used_for_longest_makes_room<P: Place>(place: P) {
    let store = place.open();
    let bounds = AnswerBounds { entries: 3, ..MANY };
    for key in 1..=3 {
        keep(&store, key, "x", bounds).await;
    }
    assert_eq!(kept(&store, [1]).await, [1]);
    keep(&store, 4, "x", bounds).await;
    assert_eq!(kept(&store, [1, 2, 3, 4]).await, [1, 3, 4]);
    // Also of other processes, which may have less room.
    let other = place.open();
    keep(&other, 5, "x", AnswerBounds { entries: 2, ..MANY }).await;
    assert_eq!(kept(&other, [1, 3, 4, 5]).await, [4, 5]);
    keep(&other, 6, "x", AnswerBounds { entries: 0, ..MANY }).await;
    assert_eq!(kept(&other, [4, 5, 6]).await, [4, 5], "no room at all");
}

pub(crate) async fn answers_make_room_by_their_size<P: Place>(place: P) {
    let store = place.open();
    let bounds = AnswerBounds { entries: 100, bytes: 10 };
    for (key, size) in [(1, 3), (2, 3), (3, 4)] {
        keep(&store, key, &"x".repeat(size), bounds).await;
    }
    assert_eq!(kept(&store, [1, 2, 3]).await, [1, 2, 3]);
    keep(&store, 4, "xxxx", bounds).await;
    assert_eq!(kept(&store, [1, 2, 3, 4]).await, [3, 4], "two of three make room for four");
    keep(&store, 5, "xxxxxxxxxxx", bounds).await;
    assert_eq!(kept(&store, [3, 4, 5]).await, [3, 4], "what never fits pushes nobody out");
    let large = blob(&store, "xxxxxxxxxx").await;
    store.keep_answer(answer_of(6, large), bounds, at(0)).await.unwrap();
    assert_eq!(kept(&store, [3, 4, 6]).await, [6], "a large value counts as what it is");
}

pub(crate) async fn a_large_answer_stays_while_it_is_kept<P: Place>(place: P) {
    let store = place.open();
    let bounds = AnswerBounds { entries: 2, ..MANY };
    // In the database, and beside it.
    let (small, large) = ("an answer".to_owned(), "large ".repeat(50_000));
    for (key, text) in [(1, &small), (2, &large)] {
        let answer = blob(&store, text).await;
        store.keep_answer(answer_of(key, answer), bounds, at(0)).await.unwrap();
    }
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 0);
    assert!(has_blob(&store, &small).await && has_blob(&store, &large).await);
    // Two keys with the same answer need it both; and so does an execution.
    let lease = claimed(&store).await;
    store.append(&lease, Append { blobs: vec![PayloadHash::of(small.as_bytes())], ..entries([0]) }).await.unwrap();
    let answer = blob(&store, &large).await;
    store.keep_answer(answer_of(3, answer), bounds, at(0)).await.unwrap();
    keep(&store, 4, "x", bounds).await;
    assert_eq!(kept(&store, [1, 2, 3, 4]).await, [3, 4]);
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 0);
    assert!(has_blob(&store, &small).await && has_blob(&store, &large).await);
    keep(&store, 3, "no more", bounds).await;
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), large.len() as u64);
    assert!(has_blob(&store, &small).await && !has_blob(&store, &large).await);
}

pub(crate) async fn answers_that_are_too_old_are_forgotten<P: Place>(place: P) {
    let store = place.open();
    for key in 1..=5 {
        let answer = blob(&store, &format!("answer {key}")).await;
        let answer = ModelAnswer { expires_at: Some(at(i64::from(key) * 10)), ..answer_of(key, answer) };
        store.keep_answer(answer, MANY, at(0)).await.unwrap();
    }
    keep(&store, 6, "always", MANY).await;
    assert_eq!(store.forget_answers(at(9)).await.unwrap(), 0);
    assert_eq!(store.forget_answers(at(20)).await.unwrap(), 2);
    assert_eq!(kept(&store, [1, 2, 3, 4, 5, 6]).await, [3, 4, 5, 6]);
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 2 * "answer 1".len() as u64);
    // They make room before any that may be used.
    assert_eq!(kept(&store, [3, 4, 5]).await, [3, 4, 5]);
    let bounds = AnswerBounds { entries: 2, ..MANY };
    store.keep_answer(answer_of(7, inline("new")), bounds, at(50)).await.unwrap();
    assert_eq!(kept(&store, [3, 4, 5, 6, 7]).await, [6, 7]);
    assert_eq!(store.forget_answers(at(i64::from(u32::MAX))).await.unwrap(), 0);
}
