//! The key is in the request that leaves and nowhere else. Each test plants one and looks for it.

use std::error::Error;
use std::fmt::Debug;

use kitaru_llm::provider::{Delivery, Endpoint, EndpointError, Secret, TransportError};
use kitaru_llm::retry::{Candidate, GaveUp, RetryPolicy, open_with_retries, send_with_retries};
use serde_json::json;

use crate::peer::{End, Peer, Seen, answer, events, json as json_answer};
use crate::scenes::{KEY, Scene, Still, impatient, request, scenes, transport};

/// Everything that a program prints of an error.
fn printed(error: &(dyn Error + 'static)) -> String {
    let own = format!("{error}\n{error:?}\n{error:#?}\n");
    error.source().map_or(own.clone(), |source| own + &printed(source))
}

/// No part of the key that somebody could recognise it by.
fn assert_clean(text: &str) {
    let found = KEY.as_bytes().windows(8).find(|part| text.as_bytes().windows(8).any(|window| window == *part));
    assert!(found.is_none(), "{text}");
}

fn assert_not_shown(value: &impl Debug) {
    assert_clean(&format!("{value:?} {value:#?}"));
}

fn echo(seen: &Seen) -> String {
    let (_, value) = seen.headers.iter().find(|(_, value)| value.contains(KEY)).unwrap();
    value.clone()
}

#[tokio::test]
async fn errors_that_quote_the_key() {
    for scene in scenes() {
        let peer = Peer::start(|number, seen| {
            let echo = echo(seen);
            let cut = &KEY[..18];
            let location = format!("http://127.0.0.1:1/?key={KEY}");
            let headers: &[(&str, &str)] = &[("x-request-id", &echo), ("location", &location), ("retry-after", KEY)];
            let body = match number % 6 {
                0 => json!({"error": {"message": format!("Incorrect API key provided: {echo}. See docs"), "code": KEY, "type": echo}}),
                1 => json!({"type": "error", "error": {"type": KEY, "message": format!("{}{KEY}", "x".repeat(490))}}),
                2 => json!({"error": format!("bad key {cut}…")}),
                3 => json!({"detail": echo, KEY: KEY}),
                4 => return Some(answer(401, headers, format!("<p>{echo}</p>"))),
                _ => return Some(answer(302, headers, echo.clone())),
            };
            Some(answer(401, headers, body.to_string()))
        })
        .await;
        for delivery in [Delivery::Whole, Delivery::Stream] {
            for _ in 0..6 {
                let prepared = scene.prepare(&peer, delivery);
                assert_not_shown(&prepared);
                let error = match delivery {
                    Delivery::Whole => transport().send(&prepared).await.unwrap_err(),
                    Delivery::Stream => transport().open(&prepared).await.unwrap_err(),
                };
                assert!(matches!(error, TransportError::Status(_)), "{error:?}");
                assert_clean(&printed(&error));
            }
        }
        assert_eq!(peer.seen().len(), 12);
    }
}

#[tokio::test]
async fn answers_that_quote_the_key() {
    for scene in scenes() {
        let quoted = |events: &[serde_json::Value]| -> String {
            events.iter().map(|event| format!("data: {}\n\n", event.to_string().replace("Hé", KEY))).collect()
        };
        let wire = quoted(&scene.events) + scene.done;
        let whole = scene.answer.to_string().replace("Hé", &format!("you sent {KEY}!"));
        let peer = Peer::start(move |number, _| match number {
            0 => Some(answer(200, &[("x-request-id", KEY)], whole.clone())),
            1 => Some(events(vec![wire.clone()], End::Clean)),
            2 => Some(answer(200, &[("content-type", KEY)], wire.clone())),
            3 => Some(answer(200, &[], format!("{KEY} is not JSON"))),
            _ => Some(events(vec![format!("data: {KEY}\n\n")], End::Clean)),
        })
        .await;
        let transport = transport();
        let reply = transport.send(&scene.prepare(&peer, Delivery::Whole)).await.unwrap();
        assert_clean(&format!("{} {:?} {reply:?}", reply.body, reply.request_id));
        let stream_request = scene.prepare(&peer, Delivery::Stream);
        let mut stream = transport.open(&stream_request).await.unwrap();
        while let Some(event) = stream.next().await {
            assert_clean(&event.unwrap().to_string());
        }
        assert_not_shown(&stream);
        let error = printed(&transport.open(&stream_request).await.unwrap_err());
        assert_clean(&error);
        assert!(!error.to_lowercase().contains(&KEY.to_lowercase()), "{error}");
        assert_clean(&printed(&transport.send(&scene.prepare(&peer, Delivery::Whole)).await.unwrap_err()));
        assert_clean(&printed(&transport.open(&stream_request).await.unwrap().next().await.unwrap().unwrap_err()));
        assert_not_shown(&transport);
    }
}

#[tokio::test]
async fn errors_of_the_connection() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let hung = Peer::start(|_, _| None).await;
    let cut = Peer::start(|_, _| Some(events(vec!["data: {}\n\n".into()], End::Cut))).await;
    for (base, delivery) in [
        (closed, Delivery::Whole),
        (hung.url(), Delivery::Whole),
        (cut.url(), Delivery::Stream),
        ("https://127.0.0.1:1".to_owned(), Delivery::Whole),
        ("http://no-such-name.invalid".to_owned(), Delivery::Whole),
    ] {
        let endpoint = Endpoint::of_provider("openai", Some(&base), Some(Secret::new(KEY))).unwrap().allow_plain_http();
        assert_not_shown(&endpoint);
        let prepared = endpoint.prepare(&request(), "m-1", delivery).unwrap();
        let candidates = [Candidate { model: "openai/m-1".into(), request: prepared }];
        assert_not_shown(&candidates);
        let (transport, policy, pace) = (impatient(200), RetryPolicy::default(), Still::default());
        let mut report = |report: kitaru_llm::retry::AttemptReport<'_>| assert_not_shown(&report);
        let error: GaveUp = match delivery {
            Delivery::Whole => send_with_retries(&transport, &candidates, &policy, &pace, &mut report).await.unwrap_err(),
            Delivery::Stream => {
                let mut begun = open_with_retries(&transport, &candidates, &policy, &pace, &mut report).await.unwrap();
                assert!(begun.value.next().await.unwrap().is_ok());
                let error = begun.value.next().await.unwrap().unwrap_err();
                assert_not_shown(&begun.value);
                GaveUp::Failed { attempts: 1, waited: std::time::Duration::ZERO, candidate: 0, last: error }
            }
        };
        assert_clean(&printed(&error));
    }
}

#[tokio::test]
async fn a_server_with_another_certificate_gets_no_key() {
    // Speaks plain HTTP where TLS is wanted: the connection ends before the request.
    let peer = Peer::start(|_, _| Some(json_answer(&json!({})))).await;
    let base = format!("https://{}", peer.address);
    let endpoint = Endpoint::of_provider("anthropic", Some(&base), Some(Secret::new(KEY))).unwrap();
    let error = transport().send(&endpoint.prepare(&request(), "m-1", Delivery::Whole).unwrap()).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    assert_clean(&printed(&error));
    assert!(peer.seen().is_empty());
}

#[test]
fn errors_of_the_configuration() {
    let Scene { api, scheme, .. } = scenes().remove(0);
    let clean = |error: EndpointError| assert_clean(&printed(&error));
    for base in [
        format!("https://{KEY}@a.example"),
        format!("https://a.example/#{KEY}"),
        format!("{KEY}://a"),
        format!("https://a?api_key={KEY}"),
    ] {
        clean(Endpoint::new(api, &base).unwrap_err());
    }
    let endpoint = Endpoint::new(api, "https://a.example").unwrap();
    clean(endpoint.clone().with_key(scheme, Secret::new(format!("{KEY}\nx"))).unwrap_err());
    clean(endpoint.clone().with_header("authorization", KEY).unwrap_err());
    clean(endpoint.clone().with_header("x-a", &format!("{KEY}\n")).map(|_| ()).err().unwrap_or(EndpointError::Key));
    let mut raw = request();
    raw.headers.insert("x-api-key".into(), json!(KEY));
    clean(endpoint.prepare(&raw, "m-1", Delivery::Whole).unwrap_err());
}
