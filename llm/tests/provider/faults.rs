//! What providers do to those who want a whole answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use kitaru_llm::codec::ErrorClass;
use kitaru_llm::provider::{Delivery, Phase, Reply, RetryAfter, StatusError, Timeouts, Transport, TransportError};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::peer::{Peer, answer, json as json_answer};
use crate::scenes::{chat, impatient, narrow, request, timeouts, transport};

async fn send(transport: &Transport, peer: &Peer) -> Result<Reply, TransportError> {
    transport.send(&chat().prepare(peer, Delivery::Whole)).await
}

async fn status(peer: Peer) -> StatusError {
    match send(&transport(), &peer).await {
        Err(TransportError::Status(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn statuses() {
    let headers = &[("retry-after", "7"), ("x-should-retry", "true"), ("x-request-id", "req-9")];
    let body = json!({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}});
    let error = status(Peer::always(429, headers, body.to_string()).await).await;
    assert_eq!((error.report.status, error.report.class), (Some(429), ErrorClass::RateLimited));
    assert_eq!(error.report.code.as_deref(), Some("rate_limit_exceeded"));
    assert_eq!(error.retry_after, Some(RetryAfter::Delay(Duration::from_secs(7))));
    assert_eq!((error.should_retry, error.request_id.as_deref()), (Some(true), Some("req-9")));

    let error = status(Peer::always(500, &[], "").await).await;
    assert!(error.to_string().ends_with("answered with an error: status 500: Internal Server Error"), "{error}");
    assert_eq!(status(Peer::always(204, &[], "").await).await.report.status, Some(204));
    let error = status(Peer::always(200, &[], json!({"error": {"message": "no", "code": 503}}).to_string()).await).await;
    assert_eq!((error.report.status, error.report.class), (None, ErrorClass::Overloaded));
}

#[tokio::test]
async fn an_endless_error_body_is_cut() {
    let peer = Peer::start(|_, _| {
        let piece = Bytes::from(vec![b'x'; 10_000]);
        Some(answer(500, &[], Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))))
    })
    .await;
    assert_eq!(send(&transport(), &peer).await.unwrap_err().status(), Some(500));
}

#[tokio::test]
async fn an_error_whose_body_does_not_end_is_known_by_its_status_soon() {
    let peer = Peer::start(|_, _| {
        let piece = Bytes::from_static(b"{\"error\": ");
        let body = stream::iter([Ok::<_, std::io::Error>(piece)]).chain(stream::pending());
        Some(answer(503, &[("retry-after", "1")], Body::from_stream(body)))
    })
    .await;
    let begun = std::time::Instant::now();
    assert_eq!(send(&transport(), &peer).await.unwrap_err().status(), Some(503));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_answers() {
    let peer = Peer::start(|_, _| None).await;
    let error = send(&impatient(100), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { phase: Phase::FirstByte, .. }), "{error}");

    let slow = Timeouts { total: Duration::from_millis(80), ..timeouts(5_000) };
    let prepared = chat().endpoint(&peer).with_timeouts(slow).prepare(&request(), "m-1", Delivery::Whole).unwrap();
    let error = transport().send(&prepared).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { phase: Phase::Answer, .. }), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = Peer::always(200, &[], "").await;
    let gone = Peer { address: listener.local_addr().unwrap(), ..gone };
    drop(listener);
    let error = send(&transport(), &gone).await.unwrap_err();
    assert!(matches!(&error, TransportError::Unreachable { reason, .. } if reason.contains("refused")), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks() {
    let peer = Peer::start(|_, _| {
        let pieces = stream::iter([Ok(Bytes::from_static(b"{\"a\":")), Err(std::io::Error::other("cut"))]);
        Some(answer(200, &[], Body::from_stream(pieces)))
    })
    .await;
    let error = send(&transport(), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::CutOff { .. }), "{error:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let raw = Peer { address: listener.local_addr().unwrap(), ..peer };
    tokio::spawn(async move {
        for reply in ["", "SSH-2.0-OpenSSH_9\r\n"] {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    for _ in 0..2 {
        let error = send(&transport(), &raw).await.unwrap_err();
        assert!(matches!(error, TransportError::CutOff { received: 0, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn bad_documents() {
    for body in ["", "<html>key page</html>", "{\"a\": 1} trailing", "{\"content\": \"half", "\u{fffd}{"] {
        let error = send(&transport(), &Peer::always(200, &[], body).await).await.unwrap_err();
        assert!(matches!(&error, TransportError::BadBody { reason, .. } if reason.starts_with("line ")), "{error}");
        assert!(!error.to_string().contains("page") && !error.to_string().contains("half"));
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_read() {
    const PIECE: usize = 1 << 20;
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let peer = Peer::start(move |number, _| {
        let counted = Arc::clone(&counted);
        let piece = Bytes::from(vec![b' '; PIECE]);
        let pieces = std::iter::repeat_with(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(piece.clone())
        });
        let length: &[_] = if number == 0 { &[] } else { &[("content-length", "104857600")] };
        Some(answer(200, length, Body::from_stream(stream::iter(pieces.take(100)))))
    })
    .await;
    let error = send(&transport(), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge { limit, .. } if limit == 32 << 20), "{error}");
    let pieces = sent.swap(0, Ordering::SeqCst);
    assert!((32..60).contains(&pieces), "{pieces} pieces of a megabyte");

    // Its length is known beforehand: nothing is read but what the sockets hold.
    let error = send(&transport(), &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge { .. }), "{error}");
    assert!(sent.load(Ordering::SeqCst) < 30);
    assert!(send(&narrow(10, 10), &Peer::always(200, &[], "{\"a\": 12}").await).await.is_ok(), "a limit is reached, not passed");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let private = Peer::start(|_, _| Some(json_answer(&json!({"secret": true})))).await;
    let location = format!("{}/latest/meta-data", private.url());
    let peer = Peer::start(move |_, _| Some(answer(307, &[("location", &location)], ""))).await;
    let error = send(&transport(), &peer).await.unwrap_err();
    assert_eq!(error.status(), Some(307));
    assert!(error.to_string().contains("not followed"));
    assert!(private.seen().is_empty());
}
