//! A streamed answer on its way through the translator, pulled from its end: nothing is read from the provider before the translator has taken what
//! was read before.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream as _;
use genai::chat::{ChatStream, ChatStreamEvent, StreamEnd, ToolCall};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::relay::Relay;
use super::{Translated, answer};
use crate::provider::{EventStream, Translation, TransportError, amazon_frame};

/// The next event that the translator has.
pub(super) async fn next_of(events: &mut ChatStream) -> Option<Result<ChatStreamEvent, genai::Error>> {
    poll_fn(|context| Pin::new(&mut *events).poll_next(context)).await
}

/// The chunks of one answer, as OpenAI Chat has them. Dropping it ends the connection to the provider.
pub(crate) struct TranslatedStream {
    call: Translated,
    source: EventStream,
    /// None once the provider's answer is complete.
    feed: Option<mpsc::Sender<Bytes>>,
    /// Read from the provider, and not taken by the translator yet.
    waiting: Option<Bytes>,
    events: ChatStream,
    _relay: Relay,
    shape: Shape,
    over: bool,
}

impl TranslatedStream {
    pub(super) fn new(
        call: Translated,
        source: EventStream,
        relay: Relay,
        feed: mpsc::Sender<Bytes>,
        events: ChatStream,
    ) -> Self {
        let shape = Shape::default();
        Self { call, source, feed: Some(feed), waiting: None, events, _relay: relay, shape, over: false }
    }

    /// The next chunk; none after the last. After an error nothing more comes. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Result<Value, TransportError>> {
        loop {
            if let Some(chunk) = self.shape.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// What comes next: an event of the translator, its readiness for more, or more for it.
    async fn step(&mut self) -> Result<(), TransportError> {
        let Self { call, source, feed, waiting, events, shape, over, .. } = self;
        let (translation, model) = (call.translation, call.asked.model());
        let idle = feed.is_some() && waiting.is_none();
        tokio::select! {
            biased;
            event = next_of(events) => match event {
                Some(Ok(event)) => shape.take(translation, model, event),
                Some(Err(error)) => return Err(call.unreadable(&error)),
                None if shape.ended => *over = true,
                None => return Err(call.broken("the translator ended before the answer did")),
            },
            () = give(feed.as_ref(), waiting) => {}
            event = more(source, idle) => match event {
                Some(Ok(event)) => {
                    shape.note(translation, model, &event);
                    *waiting = Some(framed(translation, &event));
                }
                Some(Err(error)) => return Err(error),
                // Only now may the translator see an end: the provider's answer is complete.
                None => *feed = None,
            },
        }
        Ok(())
    }
}

/// Gives the translator what is waiting, once it has room. Nothing is taken before.
async fn give(feed: Option<&mpsc::Sender<Bytes>>, waiting: &mut Option<Bytes>) {
    match feed {
        Some(feed) if waiting.is_some() => {
            // One that takes no more has read all that it wants.
            let room = feed.reserve().await.ok();
            if let (Some(room), Some(piece)) = (room, waiting.take()) {
                room.send(piece);
            }
        }
        _ => pending().await,
    }
}

async fn more(source: &mut EventStream, wanted: bool) -> Option<Result<Value, TransportError>> {
    if wanted { source.next().await } else { pending().await }
}

/// An event of the provider as it came, but for the key that was taken out of it.
fn framed(translation: Translation, event: &Value) -> Bytes {
    match (translation, event.as_object().and_then(|event| event.iter().next())) {
        (Translation::BedrockConverse, Some((kind, document))) => amazon_frame(kind, document).into(),
        _ => format!("{event}\n").into(),
    }
}

/// What was read so far, in the shape of OpenAI Chat.
#[derive(Default)]
struct Shape {
    ready: VecDeque<Value>,
    /// What the chunks of this stream begin with.
    top: Option<Map<String, Value>>,
    calls: Vec<ToolCall>,
    usage: Option<Value>,
    ended: bool,
}

impl Shape {
    /// Keeps what the translator does not tell.
    fn note(&mut self, translation: Translation, model: &str, event: &Value) {
        let document = match translation {
            Translation::BedrockConverse => event.get("metadata"),
            Translation::CohereChat => event.get("response"),
            Translation::OllamaChat => Some(event),
        };
        let top = answer::top(translation, model, document.unwrap_or(event), "chat.completion.chunk");
        match &mut self.top {
            // The class of service is told at the end.
            Some(known) => known.extend(top.into_iter().filter(|(name, _)| name == "service_tier")),
            None => self.top = Some(top),
        }
        self.usage = document.and_then(|document| answer::usage(translation, document)).or(self.usage.take());
    }

    fn take(&mut self, translation: Translation, model: &str, event: ChatStreamEvent) {
        let top = self.top.get_or_insert_with(|| answer::top(translation, model, &Value::Null, "chat.completion.chunk"));
        let chunk = |delta: Value, reason: Value| {
            let mut chunk = top.clone();
            chunk.insert("choices".to_owned(), json!([{ "index": 0, "delta": delta, "finish_reason": reason }]));
            Value::Object(chunk)
        };
        match event {
            ChatStreamEvent::Chunk(piece) if !piece.content.is_empty() => {
                self.ready.push_back(chunk(json!({ "role": "assistant", "content": piece.content }), Value::Null));
            }
            ChatStreamEvent::ReasoningChunk(piece) if !piece.content.is_empty() => {
                self.ready.push_back(chunk(json!({ "role": "assistant", "reasoning_content": piece.content }), Value::Null));
            }
            // Of Converse each tells all that came so far of its call. Others say a call at once, some all under one identifier, or an empty one.
            ChatStreamEvent::ToolCallChunk(piece) => match self.calls.last_mut() {
                Some(last) if translation == Translation::BedrockConverse && last.call_id == piece.tool_call.call_id => {
                    *last = piece.tool_call;
                }
                _ => self.calls.push(piece.tool_call),
            },
            ChatStreamEvent::End(StreamEnd { captured_stop_reason, .. }) => {
                for (index, call) in self.calls.iter().enumerate() {
                    let mut call = answer::tool_call(call);
                    call.insert("index".to_owned(), json!(index));
                    self.ready.push_back(chunk(json!({ "role": "assistant", "tool_calls": [call] }), Value::Null));
                }
                let reason = answer::finish_reason(captured_stop_reason.as_ref(), !self.calls.is_empty());
                self.ready.push_back(chunk(json!({}), reason));
                if let Some(usage) = self.usage.take() {
                    let mut last = top.clone();
                    last.insert("choices".to_owned(), json!([]));
                    last.insert("usage".to_owned(), usage);
                    self.ready.push_back(Value::Object(last));
                }
                self.ended = true;
            }
            ChatStreamEvent::Start
            | ChatStreamEvent::Heartbeat
            | ChatStreamEvent::Chunk(_)
            | ChatStreamEvent::ReasoningChunk(_)
            | ChatStreamEvent::ThoughtSignatureChunk(_) => {}
        }
    }
}
