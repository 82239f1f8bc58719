//! Questions and answers.

use std::sync::Arc;

use super::Place;
use super::scenes::{at, becomes, claimed, entries, inline, question};
use crate::ids::CallId;
use crate::store::{Append, Journal, NewWait, Resolution, StatusChange, StoreError, Waits};

pub(crate) async fn a_wait_is_settled_once<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = CallId { execution: lease.execution, index: 4 };
    let answer = Resolution::Answered(inline("true"));
    assert!(matches!(store.resolve(id, None, answer.clone(), at(9)).await, Err(StoreError::NotFound { what: "wait", .. })));
    assert!(matches!(store.wait(id).await, Err(StoreError::NotFound { what: "wait", .. })));

    store.append(&lease, Append { wait: Some(question(4)), ..entries([0]) }).await.unwrap();
    let open = store.wait(id).await.unwrap();
    assert_eq!((open.id, open.entered_at, open.resolution, open.resolved_at), (id, at(1), None, None));
    assert_eq!(format!("{:?}", open.wait), format!("{:?}", question(4)));

    let anew = store.resolve(id, Some(at(0)), answer.clone(), at(9)).await;
    assert!(matches!(anew, Err(StoreError::Conflict { .. })), "an answer to what was asked before is none to what is asked now");
    store.resolve(id, Some(at(1)), answer.clone(), at(9)).await.unwrap();
    let settled = store.wait(id).await.unwrap();
    assert_eq!((settled.resolution, settled.resolved_at), (Some(answer), Some(at(9))));
    let second = store.resolve(id, None, Resolution::Answered(inline("false")), at(10)).await;
    assert!(matches!(second, Err(StoreError::Conflict { .. })));
    assert_eq!(store.wait(id).await.unwrap().resolution, Some(Resolution::Answered(inline("true"))));
}

pub(crate) async fn a_wait_can_be_aborted<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for call in [5, 2] {
        let append = Append { wait: Some(question(call)), ..becomes(StatusChange::Waiting { wake_at: None }) };
        store.append(&lease, append).await.unwrap();
    }
    store.resolve(CallId { execution: lease.execution, index: 5 }, None, Resolution::Aborted, at(9)).await.unwrap();
    let waits = store.waits(lease.execution).await.unwrap();
    let found: Vec<_> = waits.into_iter().map(|wait| (wait.id.index, wait.resolution)).collect();
    assert_eq!(found, [(2, None), (5, Some(Resolution::Aborted))]);
}

pub(crate) async fn concurrent_answers_have_one_winner<P: Place>(place: P) {
    let stores = [Arc::new(place.open()), Arc::new(place.open())];
    let lease = claimed(&*stores[0]).await;
    stores[0].append(&lease, Append { wait: Some(question(0)), ..entries([0]) }).await.unwrap();
    let id = CallId { execution: lease.execution, index: 0 };
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move {
                (number, store.resolve(id, None, Resolution::Answered(inline(&number.to_string())), at(9)).await)
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (number, Ok(())) => won.push(number.to_string()),
            (_, Err(error)) => assert!(matches!(error, StoreError::Conflict { .. }), "{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(stores[0].wait(id).await.unwrap().resolution, Some(Resolution::Answered(inline(&won[0]))));
}

/// What was asked in a world that is gone, answered or not, must not answer what is asked in the next.
pub(crate) async fn e9_questions_of_calls_that_run_again_are_gone<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for (call, seq) in [1, 3].into_iter().zip(0..) {
        store.append(&lease, Append { wait: Some(question(call)), ..entries([seq]) }).await.unwrap();
    }
    let ids = [1, 3].map(|index| CallId { execution: lease.execution, index });
    store.resolve(ids[1], None, Resolution::Aborted, at(9)).await.unwrap();
    let reopened = StatusChange::Reopened { component: None, from_call: None, rerun: vec![3], automatic: true };
    store.append(&lease, becomes(reopened)).await.unwrap();
    let open = store.waits(lease.execution).await.unwrap();
    assert_eq!(open.iter().map(|wait| wait.id).collect::<Vec<_>>(), [ids[0]]);
}

pub(crate) async fn e9_a_reopened_execution_asks_anew<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = CallId { execution: lease.execution, index: 3 };
    store.append(&lease, Append { wait: Some(question(3)), ..entries([0]) }).await.unwrap();
    store.resolve(id, None, Resolution::Aborted, at(9)).await.unwrap();
    store
        .append(&lease, becomes(StatusChange::Reopened { component: None, from_call: None, rerun: vec![], automatic: false }))
        .await
        .unwrap();
    let other = NewWait { name: "other".into(), question: None, ..question(3) };
    store.append(&lease, Append { wait: Some(other), at: at(20), ..entries([1]) }).await.unwrap();
    let asked = store.wait(id).await.unwrap();
    assert_eq!((asked.wait.name.as_str(), asked.wait.question, asked.entered_at), ("other", None, at(20)));
    assert_eq!((asked.resolution, asked.resolved_at), (None, None));
    store.resolve(id, None, Resolution::Answered(inline("1")), at(30)).await.unwrap();
}

pub(crate) async fn questions_for_models_are_found_among_all<P: Place>(place: P) {
    let store = place.open();
    let (one, other) = (claimed(&store).await, claimed(&store).await);
    let ask = async |lease: &crate::store::Lease, seq: u64, call: u32, metadata: Option<&str>| {
        let wait = NewWait { metadata: metadata.map(str::to_owned), ..question(call) };
        store.append(lease, Append { wait: Some(wait), ..entries([seq]) }).await.unwrap();
    };
    ask(&one, 0, 0, Some(r#"{"missing_model":true,"model":null}"#)).await;
    ask(&one, 1, 1, Some(r#"{"missing_model":false}"#)).await;
    ask(&one, 2, 2, None).await;
    ask(&other, 0, 7, Some(r#"{"a":1,"missing_model":true}"#)).await;
    let found = async || {
        let mut found: Vec<_> = store.waits_for_models().await.unwrap().into_iter().map(|wait| wait.id).collect();
        found.sort_by_key(|id| id.index);
        found
    };
    let id = |lease: &crate::store::Lease, index| CallId { execution: lease.execution, index };
    assert_eq!(found().await, [id(&one, 0), id(&other, 7)]);
    store.resolve(id(&one, 0), None, Resolution::Expired, at(9)).await.unwrap();
    assert_eq!(found().await, [id(&other, 7)]);
    // Asked anew.
    ask(&one, 3, 0, Some(r#"{"missing_model":true}"#)).await;
    assert_eq!(found().await.len(), 2);
}
