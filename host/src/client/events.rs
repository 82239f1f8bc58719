//! Streams of events that go on where they were when their connection was lost.

use std::collections::VecDeque;
use std::time::Duration;

use http::{HeaderValue, header};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::problem;
use super::request::Ask;
use super::wire::{Answer, Failed, Wire};
use crate::service::{RemoteError, ServiceError};

/// The largest event: all that happened in an execution so far may be one.
const LARGEST: usize = 1024 * 1024 * 1024;
/// A connection on which something came after so long was a good one, also if it only said that it is there.
const GOOD: Duration = Duration::from_secs(10);

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// What it is called.
    pub(super) name: String,
    /// To go on after it.
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// Events of one address, with as many connections as that takes.
pub(super) struct Events {
    wire: Wire,
    ask: Ask,
    answer: Option<Answer>,
    parser: Parser,
    /// The last event that was told and can be gone on after.
    last: Option<String>,
    backoff: Backoff,
    /// Since when no connection was of any use.
    lost_since: Option<Instant>,
    opened_at: Instant,
    /// When something came last.
    heard_at: Instant,
}

impl Events {
    /// Opens the stream. Who is refused now is told at once, and not after many tries.
    pub(super) async fn open(wire: &Wire, ask: Ask) -> Result<Self, ServiceError> {
        let answer = checked(wire, wire.open(&asked(&ask, None)).await?)?;
        Ok(Self {
            wire: wire.clone(),
            ask,
            answer: Some(answer),
            parser: Parser::default(),
            last: None,
            backoff: Backoff::new(),
            lost_since: None,
            opened_at: Instant::now(),
            heard_at: Instant::now(),
        })
    }

    /// The next event. A stream that ends is opened again: whoever listens knows from the events when nothing follows.
    pub(super) async fn next(&mut self) -> Result<Sent, ServiceError> {
        loop {
            if let Some(sent) = self.parser.next() {
                // What is told again is no way forward.
                if sent.id.is_some() && sent.id != self.last {
                    self.last.clone_from(&sent.id);
                    (self.lost_since, self.backoff) = (None, Backoff::new());
                }
                return Ok(sent);
            }
            let Some(answer) = &mut self.answer else {
                self.connect().await?;
                continue;
            };
            let failed = match answer.piece().await {
                Ok(Some(piece)) if self.parser.has_room_for(piece.len()) => {
                    self.parser.take(&piece);
                    self.heard_at = Instant::now();
                    continue;
                }
                Ok(Some(_)) => return Err(self.too_large()),
                Ok(None) => None,
                Err(failed) => Some(failed.error),
            };
            // Half an event is none.
            (self.answer, self.parser) = (None, Parser::default());
            // One that says nothing is of no use, however long it is there.
            if self.heard_at.saturating_duration_since(self.opened_at) >= GOOD {
                (self.lost_since, self.backoff) = (None, Backoff::new());
            }
            self.pause(failed, None).await?;
        }
    }

    async fn connect(&mut self) -> Result<(), ServiceError> {
        match self.wire.send(&asked(&self.ask, self.last.as_deref()), None).await {
            Ok(answer) => {
                (self.answer, self.opened_at) = (Some(checked(&self.wire, answer)?), Instant::now());
                self.heard_at = self.opened_at;
                Ok(())
            }
            Err(failed) if failed.may_pass() => {
                let pause = failed.retry_after();
                self.pause(Some(failed.error), pause).await
            }
            Err(Failed { error, .. }) => Err(error),
        }
    }

    /// Waits before the next try, unless there were enough of them.
    async fn pause(&mut self, why: Option<ServiceError>, asked: Option<Duration>) -> Result<(), ServiceError> {
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        let patience = self.wire.settings.reconnect;
        if since.elapsed() >= patience {
            let why = why.map_or_else(|| "it ended again and again".to_owned(), |why| why.to_string());
            let message = format!("what happens at {} could not be followed any more", self.wire.address);
            let tried = format!("no connection was of use for {} seconds: {why}", patience.as_secs());
            return Err(RemoteError::unreachable(message)
                .because([tried])
                .hint("it goes on at the server, whoever follows it: look again later")
                .into());
        }
        let pause = self.backoff.pause(asked);
        if let Some(error) = &why {
            tracing::debug!(?pause, error = error as &dyn std::error::Error, "a stream is opened again");
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn too_large(&self) -> ServiceError {
        RemoteError::unreachable(format!("an event of {} has more than {LARGEST} bytes", self.wire.address)).into()
    }

    /// An event whose data has another shape than this program knows.
    pub(super) fn unreadable(&self, error: &serde_json::Error) -> ServiceError {
        problem::unreadable(&self.wire.address, self.ask.name, error)
    }
}

fn asked(ask: &Ask, last: Option<&str>) -> Ask {
    let mut ask = ask.clone();
    ask.headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(last) = last.and_then(|last| HeaderValue::from_str(last).ok()) {
        ask.headers.insert("last-event-id", last);
    }
    ask
}

fn checked(wire: &Wire, answer: Answer) -> Result<Answer, ServiceError> {
    if problem::media_type(answer.headers()) == "text/event-stream" {
        Ok(answer)
    } else {
        Err(problem::no_server(&wire.address, answer.headers()))
    }
}

/// Makes events of bytes, however they are cut.
#[derive(Debug, Default)]
struct Parser {
    /// The line that is not whole yet.
    line: Vec<u8>,
    event: Sent,
    has_data: bool,
    ready: VecDeque<Sent>,
}

impl Parser {
    fn has_room_for(&self, more: usize) -> bool {
        self.line.len().saturating_add(self.event.data.len()).saturating_add(more) <= LARGEST
    }

    fn take(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.line.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.line(&String::from_utf8_lossy(&line));
        }
        self.line.extend_from_slice(rest);
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // What has no data only says something about the stream.
            if std::mem::take(&mut self.has_data) {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.to_owned(),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // Comments, and what is for browsers.
            _ => {}
        }
    }

    fn next(&mut self) -> Option<Sent> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str =
        "retry: 1000\n\n:\n\nid: 7\nevent: log\ndata: {\"a\":\"ü\\n\"}\n\nevent: end\r\ndata: 1\r\ndata:2\r\n\r\nid: 9\ndata";

    fn sent(name: &str, id: Option<&str>, data: &str) -> Sent {
        Sent { name: name.into(), id: id.map(str::to_owned), data: data.into() }
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_the_bytes_are_cut(cuts in proptest::collection::vec(0..TEXT.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, TEXT.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            for pair in cuts.windows(2) {
                parser.take(&TEXT.as_bytes()[pair[0]..pair[1]]);
            }
            let read: Vec<Sent> = std::iter::from_fn(|| parser.next()).collect();
            prop_assert_eq!(read, [sent("log", Some("7"), "{\"a\":\"ü\\n\"}"), sent("end", None, "1\n2")]);
        }
    }
}
