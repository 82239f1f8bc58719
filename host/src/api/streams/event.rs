//! Events as they go over the wire.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Interval;

/// An event, written out.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) bytes: Bytes,
    /// Nothing follows.
    pub(super) is_last: bool,
}

impl Told {
    /// JSON has no line breaks of its own, so that no data can be taken for a field.
    pub(super) fn new(event: &str, id: Option<&str>, data: &Value) -> Self {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        Self { bytes: Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n")), is_last: false }
    }

    #[must_use]
    pub(super) fn last(self) -> Self {
        Self { is_last: true, ..self }
    }
}

/// Events as a body. What stands still long says that it is there.
pub(super) struct EventBody {
    events: mpsc::Receiver<Bytes>,
    beat: Interval,
    begun: bool,
}

impl EventBody {
    pub(super) fn new(events: mpsc::Receiver<Bytes>, beat: Duration) -> Self {
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + beat, beat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { events, beat, begun: false }
    }
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.begun {
            // Headers alone may wait in between for something to go with them.
            self.begun = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"retry: 1000\n\n")))));
        }
        match self.events.poll_recv(context) {
            Poll::Ready(Some(event)) => {
                self.beat.reset();
                Poll::Ready(Some(Ok(Frame::data(event))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.beat.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b":\n\n"))))),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn no_data_is_taken_for_a_field() {
        let told = Told::new("log", Some("7"), &json!({"message": "a\n\nevent: end\r\ndata: x"}));
        let text = String::from_utf8(told.bytes.to_vec()).unwrap();
        assert_eq!(text, "id: 7\nevent: log\ndata: {\"message\":\"a\\n\\nevent: end\\r\\ndata: x\"}\n\n");
    }

    #[tokio::test]
    async fn a_stream_that_stands_still_says_that_it_is_there() {
        let (sender, receiver) = mpsc::channel(1);
        let mut body = EventBody::new(receiver, Duration::from_millis(10));
        let mut next = async || body.frame().await.map(|frame| frame.unwrap().into_data().unwrap());
        assert_eq!(next().await.unwrap(), "retry: 1000\n\n");
        assert_eq!(next().await.unwrap(), ":\n\n");
        sender.send(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
        drop(sender);
        assert_eq!(next().await.unwrap(), "data: 1\n\n");
        assert_eq!(next().await, None);
    }
}
