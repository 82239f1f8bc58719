//! Where one document of a streamed answer ends and the next begins: events of a server, lines, or the frames of Amazon's event streams. Bytes may
//! be cut anywhere; no more than one frame is kept beside what was not taken yet.

use serde_json::{Map, Value, json};

use super::translation::Translation;
use crate::codec::{SseDecoder, SseError};

/// What is wrong with the frames of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// A frame is longer than allowed.
    #[error("a frame of the stream is longer than {limit} bytes")]
    TooLarge { limit: usize },
    /// A frame is no JSON; at the end of a stream it was cut off.
    #[error("{reason}")]
    NotJson { reason: String },
    /// A frame is not what its protocol says.
    #[error("{reason}")]
    Bad { reason: String },
}

impl From<SseError> for FrameError {
    fn from(error: SseError) -> Self {
        match error {
            SseError::TooLarge { limit } => Self::TooLarge { limit },
            SseError::NotJson { .. } => Self::NotJson { reason: error.to_string() },
            SseError::NotUtf8 { .. } => Self::Bad { reason: error.to_string() },
        }
    }
}

/// Takes the documents of a stream apart.
#[derive(Debug)]
pub(super) enum Frames {
    /// Server-sent events.
    Events(SseDecoder),
    /// A document on each line.
    Lines(Lines),
    /// Amazon's frames.
    Amazon(Amazon),
}

impl Frames {
    /// Those of a protocol; none of which may be longer than `limit`.
    pub(super) fn new(translation: Option<Translation>, limit: usize) -> Self {
        match translation {
            None => Self::Events(SseDecoder::new(limit)),
            Some(Translation::BedrockConverse) => Self::Amazon(Amazon { limit, bytes: Bytes::default(), frames: 0 }),
            Some(Translation::CohereChat | Translation::OllamaChat) => {
                Self::Lines(Lines { limit, bytes: Bytes::default(), seen: 0, over: false, lines: 0 })
            }
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Events(decoder) => decoder.push(bytes),
            Self::Lines(Lines { bytes: kept, .. }) | Self::Amazon(Amazon { bytes: kept, .. }) => kept.push(bytes),
        }
    }

    /// The stream is over: what stands there without an end is a frame too, where frames have none.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Events(decoder) => decoder.finish(),
            Self::Lines(lines) => lines.over = true,
            Self::Amazon(_) => {}
        }
    }

    /// Whether the protocol said that nothing follows.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Events(decoder) if decoder.is_done())
    }

    /// The next document, or why there are no more.
    pub(super) fn next(&mut self) -> Option<Result<Value, FrameError>> {
        match self {
            Self::Events(decoder) => decoder.next_frame().map(|frame| frame.map(|frame| frame.data).map_err(FrameError::from)),
            Self::Lines(lines) => lines.next().transpose(),
            Self::Amazon(frames) => frames.next().transpose(),
        }
    }
}

/// Bytes that came, of which the first were taken. These go when more come: all at once, for a piece of the network may have many frames.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    kept: Vec<u8>,
    taken: usize,
}

impl Bytes {
    fn push(&mut self, bytes: &[u8]) {
        self.kept.drain(..self.taken);
        self.taken = 0;
        self.kept.extend_from_slice(bytes);
    }

    fn rest(&self) -> &[u8] {
        self.kept.get(self.taken..).unwrap_or_default()
    }

    /// Takes the first `count` bytes of the rest, or all.
    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.taken;
        self.taken = from.saturating_add(count).min(self.kept.len());
        self.kept.get(from..self.taken).unwrap_or_default()
    }
}

/// A document on each line.
#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    bytes: Bytes,
    /// So many bytes have no end of a line in them.
    seen: usize,
    over: bool,
    lines: u64,
}

impl Lines {
    fn next(&mut self) -> Result<Option<Value>, FrameError> {
        loop {
            let rest = self.bytes.rest();
            let end = rest.iter().skip(self.seen).position(|byte| *byte == b'\n').map(|at| at.saturating_add(self.seen));
            let end = end.or_else(|| (self.over && !rest.is_empty()).then_some(rest.len()));
            if end.unwrap_or(rest.len()) > self.limit {
                return Err(FrameError::TooLarge { limit: self.limit });
            }
            let Some(end) = end else {
                self.seen = rest.len();
                return Ok(None);
            };
            self.seen = 0;
            let line = self.bytes.take(end.saturating_add(1));
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let number = self.lines;
            self.lines = number.saturating_add(1);
            return serde_json::from_slice(line).map(Some).map_err(|error| FrameError::NotJson {
                reason: format!("line {number} of the stream is not JSON, at column {}", error.column()),
            });
        }
    }
}

/// Lengths and their checksum, before each of Amazon's frames.
const PRELUDE: usize = 12;
/// And the checksum of the whole frame after it.
const AROUND: usize = PRELUDE + 4;

/// The frames of `application/vnd.amazon.eventstream`, each as `{"<its type>": <its document>}`. A frame that says that the stream failed is
/// `{"error": {"type": …, "message": …}}`, as others have it.
#[derive(Debug)]
pub(super) struct Amazon {
    limit: usize,
    bytes: Bytes,
    frames: u64,
}

impl Amazon {
    fn next(&mut self) -> Result<Option<Value>, FrameError> {
        let bad = |what: &str| FrameError::Bad { reason: format!("frame {} of the stream {what}", self.frames) };
        let rest = self.bytes.rest();
        let (Some(total), Some(headers), Some(sum)) = (word(rest, 0), word(rest, 4), word(rest, 8)) else {
            return Ok(None);
        };
        // Before a length is believed.
        if crc32(rest.get(..8).unwrap_or_default()) != sum {
            return Err(bad("has lengths that its checksum does not fit"));
        }
        let (total, headers) = (total as usize, headers as usize);
        if total > self.limit {
            return Err(FrameError::TooLarge { limit: self.limit });
        }
        if total < AROUND || headers > total.saturating_sub(AROUND) {
            return Err(bad("has lengths that do not fit each other"));
        }
        if rest.len() < total {
            return Ok(None);
        }
        let frame = self.bytes.take(total);
        let end = total.saturating_sub(4);
        if Some(crc32(frame.get(..end).unwrap_or_default())) != word(frame, end) {
            return Err(bad("does not fit its checksum"));
        }
        let (start, until) = (PRELUDE, PRELUDE.saturating_add(headers));
        let headers = frame.get(start..until).and_then(texts).ok_or_else(|| bad("has headers that are none"))?;
        let payload = frame.get(until..end).unwrap_or_default();
        let document: Value = match payload {
            [] => Value::Null,
            payload => serde_json::from_slice(payload)
                .map_err(|error| bad(&format!("is not JSON, at line {} column {}", error.line(), error.column())))?,
        };
        self.frames = self.frames.saturating_add(1);
        let text = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
        if !matches!(text(":message-type").as_deref(), None | Some("event")) {
            let kind = text(":exception-type").or_else(|| text(":error-code"));
            let message = document.get("message").and_then(Value::as_str).map(str::to_owned).or_else(|| text(":error-message"));
            return Ok(Some(json!({ "error": { "type": kind, "message": message } })));
        }
        let kind = text(":event-type").ok_or_else(|| FrameError::Bad { reason: "a frame of the stream has no type".into() })?;
        Ok(Some(Value::Object(Map::from_iter([(kind, document)]))))
    }
}

/// The headers of a frame that are texts. None where they are cut off, or of a type that there is not.
fn texts(mut bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | 7 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if *kind == 7 {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
            found.insert(text(name)?, Value::String(text(value)?));
        }
        bytes = rest;
    }
    Some(found)
}

/// A frame of an Amazon event stream, for whoever reads such a stream.
#[cfg(any(test, feature = "genai"))]
pub(crate) fn amazon_frame(kind: &str, document: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":message-type", "event"), (":event-type", kind)] {
        headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = document.to_string();
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::new();
    frame.extend_from_slice(&length(AROUND.saturating_add(headers.len()).saturating_add(payload.len())));
    frame.extend_from_slice(&length(headers.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// The usual checksum of 32 bits (that of zip and Ethernet).
fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |sum: u32| if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shifted(sum)))
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
