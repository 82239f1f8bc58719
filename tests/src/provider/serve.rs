//! Answering over HTTP: a reaction becomes steps, and steps become bytes while the client takes them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::stream;

use super::gate::Gate;
use super::protocol::Protocol;
use super::reaction::{Interruption, Reaction, What, middle};
use super::received::{Ending, Exchange, Received};

/// How long a connection is left open before it is cut, so that what was sent is out.
const BEFORE_CUT: Duration = Duration::from_millis(50);
/// Bulk is made in pieces of this size.
const BULK: &[u8] = &[b' '; 64 * 1024];

/// What decides about reactions.
pub(super) type Script = Box<dyn FnMut(&Received) -> Reaction + Send>;

/// What the server and the test share.
pub(super) struct Shared {
    pub(super) script: Mutex<Script>,
    pub(super) exchanges: Mutex<Vec<Exchange>>,
    pub(super) models: Mutex<Vec<String>>,
}

/// A test that panicked has said why.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request.
pub(super) async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
    let path = parts.uri.to_string();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut received = Received {
        number: 0,
        protocol: Protocol::of(parts.method.as_str(), &path),
        method: parts.method.to_string(),
        path,
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body,
        at: Instant::now(),
    };
    {
        let mut exchanges = lock(&shared.exchanges);
        received.number = exchanges.len();
        exchanges.push(Exchange { received: received.clone(), sent: 0, ending: Ending::Open });
    }
    let log = Log { shared: Arc::clone(&shared), number: received.number };
    let Some(protocol) = received.protocol else { return other(&shared, &received, log) };
    let reaction = (*lock(&shared.script))(&received);
    if !reaction.delay.is_zero() {
        tokio::time::sleep(reaction.delay).await;
    }
    if let Some(gate) = &reaction.gate {
        gate.pass().await;
    }
    if let What::Hang = reaction.what {
        std::future::pending::<()>().await;
    }
    reply(reaction, protocol, &received, log)
}

/// Lists of models, and paths that no provider has.
fn other(shared: &Shared, received: &Received, log: Log) -> Response {
    let path = received.path.split('?').next().unwrap_or_default();
    let (status, body) = match (received.method.as_str(), path.ends_with("/models")) {
        ("GET", true) => (200, Protocol::models(&lock(&shared.models)).to_string()),
        _ => (404, format!(r#"{{"error":{{"message":"no provider has {path}"}}}}"#)),
    };
    response(status, "application/json", &[], Some(body.len() as u64), whole(body), log)
}

fn reply(reaction: Reaction, protocol: Protocol, received: &Received, log: Log) -> Response {
    let Reaction { what, headers, interruptions, pace, .. } = reaction;
    let (status, content_type, length, steps) = match what {
        What::Answer(answer) if received.is_streamed() => {
            let events = protocol.events(&answer, received);
            let steps = interrupted(events.head, events.pieces, events.tail, &interruptions, pace);
            (200, "text/event-stream; charset=utf-8".to_owned(), None, steps)
        }
        What::Answer(answer) => {
            let body = protocol.whole(&answer, received).to_string();
            let (length, steps) = document(body, &interruptions);
            (200, "application/json".to_owned(), length, steps)
        }
        What::Status { status, body } => {
            let body = body.unwrap_or_else(|| protocol.error(status, "The provider says no.").to_string());
            (status, "application/json".to_owned(), Some(body.len() as u64), whole(body))
        }
        What::EchoedKey { status } => {
            let key = received.key().unwrap_or_default();
            let body = protocol.error(status, &format!("Incorrect API key provided: {key}. Ask for another one.")).to_string();
            (status, "application/json".to_owned(), Some(body.len() as u64), whole(body))
        }
        What::Raw { content_type, pieces } => {
            (200, content_type, None, interrupted(Vec::new(), pieces, Vec::new(), &interruptions, pace))
        }
        What::Bulk { bytes, announced } => {
            (200, "application/json".to_owned(), announced.then_some(bytes), vec![Step::Bulk(bytes)])
        }
        What::Hang => unreachable!("it never came so far"),
    };
    response(status, &content_type, &headers, length, steps, log)
}

/// A body that is sent at once.
fn whole(body: String) -> Vec<Step> {
    if body.is_empty() { Vec::new() } else { vec![Step::Bytes(body.into())] }
}

/// The steps of a document. One that is interrupted is so in its middle, and has the length that it would have had.
fn document(body: String, interruptions: &[(usize, Interruption)]) -> (Option<u64>, Vec<Step>) {
    if interruptions.is_empty() {
        return (Some(body.len() as u64), whole(body));
    }
    let inserted = interruptions.iter().any(|(_, interruption)| matches!(interruption, Interruption::Text(_)));
    let length = (!inserted).then_some(body.len() as u64);
    let (first, second) = body.split_at(middle(&body));
    let after_first: Vec<(usize, Interruption)> = interruptions.iter().map(|(_, what)| (1, what.clone())).collect();
    let pieces = vec![first.to_owned(), second.to_owned()];
    (length, interrupted(Vec::new(), pieces, Vec::new(), &after_first, Duration::ZERO))
}

/// The steps of pieces, with what happens between them.
fn interrupted(
    head: Vec<String>,
    pieces: Vec<String>,
    tail: Vec<String>,
    interruptions: &[(usize, Interruption)],
    pace: Duration,
) -> Vec<Step> {
    let beyond = interruptions.iter().find(|(when, _)| *when > pieces.len());
    assert!(beyond.is_none(), "the answer has {} pieces, and never comes to {beyond:?}", pieces.len());
    let mut steps: Vec<Step> = head.into_iter().map(|text| Step::Bytes(text.into())).collect();
    let repeated: Vec<Bytes> = pieces.iter().map(|piece| piece.clone().into()).collect();
    let happens = |after: usize, steps: &mut Vec<Step>| {
        for (_, interruption) in interruptions.iter().filter(|(when, _)| *when == after) {
            steps.push(match interruption {
                Interruption::Cut => Step::Cut,
                Interruption::Hang => Step::Hang,
                Interruption::Held(gate) => Step::Held(gate.clone()),
                Interruption::Text(text) => Step::Bytes(text.clone().into()),
                Interruption::Endless => Step::Endless(repeated[after.saturating_sub(1)].clone()),
            });
        }
    };
    happens(0, &mut steps);
    for (before, piece) in pieces.into_iter().enumerate() {
        if !pace.is_zero() {
            steps.push(Step::Pause(pace));
        }
        steps.push(Step::Bytes(piece.into()));
        happens(before + 1, &mut steps);
    }
    steps.extend(tail.into_iter().map(|text| Step::Bytes(text.into())));
    steps
}

fn response(
    status: u16,
    content_type: &str,
    headers: &[(String, String)],
    length: Option<u64>,
    steps: Vec<Step>,
    log: Log,
) -> Response {
    let mut response = Response::builder().status(status).header("content-type", content_type);
    response = response.header("x-request-id", format!("req-{}", log.number));
    if let Some(length) = length {
        response = response.header("content-length", length);
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body(steps, log)).expect("a status and headers that exist")
}

/// What is done to send a body.
enum Step {
    Bytes(Bytes),
    Bulk(u64),
    Endless(Bytes),
    Pause(Duration),
    Held(Gate),
    Hang,
    Cut,
}

/// How far a body is.
struct Sending {
    steps: std::vec::IntoIter<Step>,
    bulk: u64,
    log: Log,
}

impl Sending {
    /// The next bytes of what is generated.
    fn next_of_bulk(&mut self) -> Option<Bytes> {
        let size = usize::try_from(self.bulk).unwrap_or(usize::MAX).min(BULK.len());
        self.bulk -= size as u64;
        (size > 0).then(|| Bytes::from_static(&BULK[..size]))
    }

    /// Notes what is about to be sent. With the last of it the answer is whole: nobody asks again where its length is known.
    fn sends(&self, bytes: &Bytes) {
        let is_last = self.bulk == 0 && self.steps.as_slice().is_empty();
        self.log.note(bytes.len() as u64, if is_last { Ending::Whole } else { Ending::Open });
    }
}

fn body(steps: Vec<Step>, log: Log) -> Body {
    if steps.is_empty() {
        log.note(0, Ending::Whole);
        return Body::empty();
    }
    let sending = Sending { steps: steps.into_iter(), bulk: 0, log };
    Body::from_stream(stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        loop {
            let bytes = match sending.next_of_bulk() {
                Some(bytes) => bytes,
                None => match sending.steps.next() {
                    None => {
                        sending.log.note(0, Ending::Whole);
                        return None;
                    }
                    Some(Step::Bytes(bytes)) => bytes,
                    Some(Step::Endless(bytes)) => {
                        sending.log.note(bytes.len() as u64, Ending::Open);
                        sending.steps = vec![Step::Endless(bytes.clone())].into_iter();
                        return Some((Ok(bytes), Some(sending)));
                    }
                    Some(Step::Bulk(bytes)) => {
                        sending.bulk = bytes;
                        continue;
                    }
                    Some(Step::Pause(pause)) => {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    Some(Step::Held(gate)) => {
                        gate.pass().await;
                        continue;
                    }
                    Some(Step::Hang) => std::future::pending().await,
                    Some(Step::Cut) => {
                        tokio::time::sleep(BEFORE_CUT).await;
                        sending.log.note(0, Ending::Cut);
                        return Some((Err(io::Error::other("the script cuts here")), None));
                    }
                },
            };
            sending.sends(&bytes);
            return Some((Ok(bytes), Some(sending)));
        }
    }))
}

/// Where a request's answer is noted. One that is dropped before its end was abandoned.
struct Log {
    shared: Arc<Shared>,
    number: usize,
}

impl Log {
    fn note(&self, sent: u64, ending: Ending) {
        if let Some(exchange) = lock(&self.shared.exchanges).get_mut(self.number) {
            exchange.sent += sent;
            if exchange.ending == Ending::Open {
                exchange.ending = ending;
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.note(0, Ending::Abandoned);
    }
}
