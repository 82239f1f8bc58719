//! Answers that come as streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream;
use kitaru_llm::provider::{Delivery, EventStream, Phase, Transport, TransportError};
use serde_json::{Value, json};

use crate::peer::{End, Peer, answer, endless, events};
use crate::scenes::{KEY, Scene, chat, impatient, narrow, scenes, transport};

async fn open(transport: &Transport, scene: &Scene, peer: &Peer) -> Result<EventStream, TransportError> {
    transport.open(&scene.prepare(peer, Delivery::Stream)).await
}

/// All events, and the error that ended them.
async fn drain(stream: &mut EventStream) -> (Vec<Value>, Option<TransportError>) {
    let mut all = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => all.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (all, Some(error));
            }
        }
    }
    (all, None)
}

async fn play(pieces: Vec<String>, end: End) -> (Vec<Value>, Option<TransportError>) {
    let peer = Peer::start(move |_, _| Some(events(pieces.clone(), end))).await;
    drain(&mut open(&impatient(500), &chat(), &peer).await.unwrap()).await
}

#[tokio::test]
async fn streams_of_all_protocols_in_any_pieces() {
    for scene in scenes() {
        for size in [1, 7, 4_096] {
            let wire = scene.wire().into_bytes();
            let peer = Peer::start(move |_, _| {
                let pieces: Vec<_> = wire.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                Some(endless(stream::iter(pieces)))
            })
            .await;
            let mut stream = open(&transport(), &scene, &peer).await.unwrap();
            assert_eq!(stream.request_id().as_deref(), Some("req-1"));
            assert_eq!(drain(&mut stream).await, (scene.events.clone(), None));
            let [seen] = peer.seen().try_into().unwrap();
            assert_eq!(seen.path, scene.stream_path);
            assert_eq!(seen.header("accept"), Some("text/event-stream"));
        }
    }
}

#[tokio::test]
async fn half_an_answer_is_an_error_however_it_ends() {
    for scene in scenes() {
        for end in [End::Cut, End::Clean] {
            let first = format!("data: {}\n\n", scene.events[0]);
            let peer = Peer::start(move |_, _| Some(events(vec![first.clone()], end))).await;
            let (all, error) = drain(&mut open(&transport(), &scene, &peer).await.unwrap()).await;
            assert_eq!(all, scene.events[..1]);
            assert!(
                matches!(error, Some(TransportError::CutOff { received, .. }) if received > 0),
                "{:?} {end:?} {error:?}",
                scene.api
            );
        }
    }
    let (all, error) = play(vec!["data: {\"choices\": [{\"fin".into()], End::Clean).await;
    assert!(all.is_empty() && matches!(error, Some(TransportError::CutOff { .. })), "{error:?}");
    assert!(matches!(play(vec![], End::Clean).await.1, Some(TransportError::CutOff { received: 0, .. })));
}

#[tokio::test]
async fn an_answer_that_is_complete_needs_no_more() {
    let scene = chat();
    let complete: Vec<String> = scene.events.iter().map(|event| format!("data: {event}\n\n")).collect();
    for end in [End::Cut, End::Clean] {
        assert_eq!(play(complete.clone(), end).await, (scene.events.clone(), None), "without [DONE], {end:?}");
    }
    let done = vec![scene.wire()];
    assert_eq!(play(done, End::Hang).await, (scene.events.clone(), None), "nobody waits after [DONE]");
    let mut unterminated = scene.wire().replace(scene.done, "");
    unterminated.truncate(unterminated.len() - 2);
    assert_eq!(play(vec![unterminated], End::Clean).await, (scene.events, None));
}

#[tokio::test]
async fn a_stream_that_stops_is_not_waited_for() {
    let (all, error) = play(vec!["data: {\"choices\": []}\n\n".into()], End::Hang).await;
    assert_eq!(all.len(), 1);
    assert!(matches!(error, Some(TransportError::Timeout { phase: Phase::NextBytes, .. })), "{error:?}");
}

#[tokio::test]
async fn comments_keep_a_stream_alive() {
    let wire = chat().wire();
    let peer = Peer::start(move |_, _| {
        let wire = wire.clone();
        let pieces = stream::unfold(0, move |step| {
            let piece = if step < 6 { ": PROCESSING\n\n".to_owned() } else { wire.clone() };
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                (step < 7).then(|| (Ok(Bytes::from(piece)), step + 1))
            }
        });
        Some(endless(pieces))
    })
    .await;
    let (all, error) = drain(&mut open(&impatient(400), &chat(), &peer).await.unwrap()).await;
    assert_eq!((all.len(), error), (3, None));
}

#[tokio::test]
async fn bad_events_are_typed() {
    let good = "data: {\"choices\": []}\n\n".to_owned();
    let (all, error) = play(vec![good.clone(), "data: {\"choices\": nonsense}\n\n".into(), good.clone()], End::Clean).await;
    assert_eq!(all.len(), 1);
    assert!(matches!(&error, Some(TransportError::BadBody { reason, .. }) if !reason.contains("nonsense")), "{error:?}");

    let overloaded = json!({"error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (all, error) = play(vec![good, format!("event: error\ndata: {overloaded}\n\n")], End::Hang).await;
    assert_eq!(all.len(), 1);
    assert!(matches!(error, Some(TransportError::Status(error)) if error.report.class.is_retryable()));
}

/// It cannot be told which of these texts go on with the key, so nothing that waits is given either.
#[tokio::test]
async fn too_many_texts_that_end_like_the_key_end_the_call() {
    let (first, second) = KEY.split_at(14);
    let event = |fields: Value| format!("data: {fields}\n\n");
    let many: Value = (0..1_001).map(|number| (format!("n{number}"), json!(&KEY[..6]))).collect::<serde_json::Map<_, _>>().into();
    let begun = event(json!({ "choices": [], "a": first }));
    let pieces = vec![event(json!({ "choices": [] })), begun, event(many), event(json!({ "choices": [], "a": second }))];
    let (all, error) = play(pieces, End::Hang).await;
    assert_eq!(all, [json!({ "choices": [] })]);
    assert!(matches!(&error, Some(TransportError::BadBody { reason, .. }) if reason.contains("too many texts")), "{error:?}");
}

#[tokio::test]
async fn large_events_and_long_streams_end() {
    let peer = Peer::start(|_, _| {
        let piece = Bytes::from(format!("data: {{\"x\": \"{}\"}}\n\n", "x".repeat(10_000)));
        Some(endless(stream::repeat_with(move || Ok(piece.clone()))))
    })
    .await;
    let (all, error) = drain(&mut open(&narrow(1_000_000, 5_000), &chat(), &peer).await.unwrap()).await;
    assert!(all.is_empty() && matches!(error, Some(TransportError::TooLarge { limit: 5_000, .. })), "{error:?}");
    let (all, error) = drain(&mut open(&narrow(100_000, 20_000), &chat(), &peer).await.unwrap()).await;
    assert!((1..=9).contains(&all.len()) && matches!(error, Some(TransportError::TooLarge { limit: 100_000, .. })), "{error:?}");
}

/// Whoever does not read holds the provider up, and whoever goes away ends the request.
#[tokio::test]
async fn a_slow_reader_slows_the_provider() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(usize::MAX, Ordering::SeqCst);
        }
    }
    const PIECE: usize = 100_000;
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let peer = Peer::start(move |_, _| {
        let (counted, gone) = (Arc::clone(&counted), Gone(Arc::clone(&counted)));
        let piece = Bytes::from(format!("data: {{\"x\": \"{}\"}}\n\n", "x".repeat(PIECE)));
        Some(endless(stream::repeat_with(move || {
            let _ = &gone;
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(piece.clone())
        })))
    })
    .await;
    let mut stream = open(&narrow(u64::MAX, 200_000), &chat(), &peer).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let held = sent.load(Ordering::SeqCst);
    // What the two sockets hold is the kernel's business: some megabytes.
    assert!(held * PIECE < 32_000_000, "{held} pieces");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(sent.load(Ordering::SeqCst) <= held + 1);
    drop(stream);
    for _ in 0..100 {
        if sent.load(Ordering::SeqCst) == usize::MAX {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the provider still writes");
}

#[tokio::test]
async fn an_answer_that_is_no_stream() {
    let peer = Peer::start(|number, _| {
        let body = if number == 0 { r#"{"error": {"code": 429, "message": "slow down"}}"# } else { r#"{"choices": []}"# };
        Some(answer(200, &[("content-type", "application/json")], body))
    })
    .await;
    let error = open(&transport(), &chat(), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::Status(error) if error.report.class.is_retryable()));
    let error = open(&transport(), &chat(), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::BadBody { expected: "a stream of events", .. }), "{error}");
}

#[tokio::test]
async fn a_complete_answer_stays_one_when_the_connection_is_kept_open() {
    let scene = chat();
    let wire: String = scene.events.iter().map(|event| format!("data: {event}\n\n")).collect();
    assert_eq!(play(vec![wire], End::Hang).await, (scene.events, None));
}
