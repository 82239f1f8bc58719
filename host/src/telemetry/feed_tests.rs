//! What a feed reads, and when.

use std::path::PathBuf;

use kitaru_llm::event::Category;
use serde_json::json;

use super::*;
use crate::journal::{CallKind, Failure};
use crate::store::put_bytes;
use crate::telemetry::stage::{
    Book, at, called, ended, execution_id, model_call, new_execution, record, started, store, success,
};

/// The file of the only large value below a folder.
fn large_file(folder: PathBuf) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files = entries.filter_map(|entry| match entry.file_type().unwrap().is_dir() {
        true => large_file(entry.path()),
        false => (entry.metadata().unwrap().len() == 300_000).then(|| entry.path()),
    });
    files.next()
}

#[tokio::test]
async fn a_look_that_failed_is_made_up_for_by_the_next() {
    let (folder, store) = store();
    let id = execution_id(1);
    let large = put_bytes(store.as_ref(), vec![b'1'; 300_000]).await.unwrap();
    let mut book = Book::default();
    book.add(10, started(0, 1, Some(called(CallKind::Checkpoint, "a", "a", None))))
        .add(20, ended(0, 1, success(), Provenance::Ran))
        .add(30, started(1, 1, Some(called(CallKind::Checkpoint, "b", "b", None))))
        .add(40, ended(1, 1, Outcome::Success(large), Provenance::Ran))
        .add(50, EntryBody::Finished { outcome: success(), unseen: Vec::new(), learnt_after: None });
    record(&store, new_execution(1), &book, &[]).await;
    let whole: Vec<_> = Feed::new(store.clone(), id, true).look().await.unwrap().events;
    let (value, away) = (large_file(folder.path().to_owned()).expect("a large value has a file"), folder.path().join("away"));
    std::fs::rename(&value, &away).unwrap();
    let mut feed = Feed::new(store.clone(), id, true);
    for _ in 0..2 {
        assert!(feed.look().await.is_err() && !feed.is_over());
    }
    std::fs::rename(&away, &value).unwrap();
    assert_eq!(feed.look().await.unwrap().events, whole, "each event once, those from before the failure too");
    assert!(feed.is_over() && feed.look().await.unwrap().events.is_empty());
}

/// The first attempt failed, the second is what was served, and the source was reopened later and asked a third time.
#[tokio::test]
async fn a_served_call_shows_the_model_calls_of_the_attempt_that_ended_it() {
    let (_folder, store) = store();
    let (source, replay) = (execution_id(1), execution_id(2));
    let failure = Failure::runtime("timeout", "took too long").retryable();
    let end = |attempt: u32| EntryBody::CallEnded {
        call: 0,
        attempt,
        descriptor: None,
        outcome: success(),
        provenance: Provenance::Ran,
        metadata: None,
        started_at: None,
    };
    let mut book = Book::default();
    book.add(10, started(0, 1, Some(called(CallKind::Checkpoint, "a", "a", None))))
        .add(20, EntryBody::AttemptFailed { call: 0, attempt: 1, failure, metadata: None, retry_at: at(30) })
        .add(30, started(0, 2, None))
        .add(60, end(2))
        .add(70, EntryBody::Finished { outcome: success(), unseen: Vec::new(), learnt_after: None });
    let rows: Vec<ModelCallRow> = (1..4)
        .map(|attempt| {
            let row = model_call(source, (0, attempt, 0), (31, 60), u128::from(attempt));
            ModelCallRow { events: row.events.replace("\"gpt-x\"", &format!("\"attempt-{attempt}\"")), ..row }
        })
        .collect();
    record(&store, new_execution(1), &book, &rows).await;

    let served = Provenance::Served { source, call: 0, recorded_at: at(60), other_input: false };
    let mut again = Book::default();
    again.add(
        100,
        EntryBody::CallEnded {
            call: 0,
            attempt: 0,
            descriptor: Some(called(CallKind::Checkpoint, "a", "a", None)),
            outcome: success(),
            provenance: served,
            metadata: Some(json!({ "llm_calls": { "research_call": {} } }).to_string()),
            started_at: None,
        },
    );
    record(&store, new_execution(2), &again, &[]).await;
    let events = Feed::new(store.clone(), replay, false).look().await.unwrap().events;
    let models =
        events.iter().map(|(_, event)| event).filter(|event| event.category() == Some(&Category::Llm) && event.is_start());
    let names: Vec<_> = models.map(|event| event.profile.clone().and_then(|profile| profile.model_name)).collect();
    assert_eq!(names, [Some("attempt-2".to_owned())]);
}
