//! What somebody who watches is told of a model call under way, and how that is written down.

use serde::{Deserialize, Serialize};

use crate::ids::CallId;

/// Something that is told of a model call under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct LiveChunk {
    /// Where to go on after it, for [`LiveText`](super::LiveText). It is not written down with the rest.
    pub cursor: String,
    /// The durable call: the model call itself, or the checkpoint whose body makes it.
    pub call: CallId,
    /// The attempt of it.
    pub attempt: u32,
    /// Position among the model calls of the attempt.
    pub ordinal: u32,
    /// The model call's name.
    pub name: String,
    /// The number of its first piece among those of the call. 0 begins anew; after a gap pieces were lost.
    pub piece: u64,
    /// How many pieces it is.
    pub pieces: u64,
    /// What it says.
    pub said: Said,
}

/// What a chunk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// More of the text.
    Text(String),
    /// The text is not shown while it comes, because what records are to leave out is told by looking at all of it.
    Withheld,
    /// The call has ended, and is recorded.
    Ended,
}

impl LiveChunk {
    /// Whether both are of one answer: a call may be attempted again, and a checkpoint may ask several times.
    pub fn is_of(&self, other: &Self) -> bool {
        (self.call, self.attempt, self.ordinal) == (other.call, other.attempt, other.ordinal)
    }

    /// Takes in what follows, if it is the same answer's next text.
    pub(super) fn takes(&mut self, next: &Self) -> bool {
        let is_next = self.is_of(next) && self.piece.checked_add(self.pieces) == Some(next.piece);
        let (Said::Text(text), Said::Text(more), true) = (&mut self.said, &next.said, is_next) else { return false };
        text.push_str(more);
        self.pieces = self.pieces.saturating_add(next.pieces);
        true
    }
}

impl Said {
    /// How much text it is.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Withheld | Self::Ended => 0,
        }
    }
}

/// A chunk as it goes to others.
#[derive(Serialize, Deserialize)]
struct Written {
    exec_id: String,
    call_id: String,
    attempt: u32,
    ordinal: u32,
    name: String,
    piece: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

impl From<LiveChunk> for Written {
    fn from(chunk: LiveChunk) -> Self {
        let LiveChunk { cursor: _, call, attempt, ordinal, name, piece, pieces, said } = chunk;
        let (exec_id, call_id) = (call.execution.to_string(), call.to_string());
        let (withheld, ended) = (said == Said::Withheld, said == Said::Ended);
        let (pieces, text) = match said {
            Said::Text(text) => (Some(pieces), Some(text)),
            Said::Withheld | Said::Ended => (None, None),
        };
        Self { exec_id, call_id, attempt, ordinal, name, piece, pieces, text, withheld, ended }
    }
}

impl TryFrom<Written> for LiveChunk {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { exec_id: _, call_id, attempt, ordinal, name, piece, pieces, text, withheld, ended } = written;
        let call = call_id
            .split_once(':')
            .and_then(|(execution, index)| Some(CallId { execution: execution.parse().ok()?, index: index.parse().ok()? }));
        let call = call.ok_or_else(|| "`call_id` names no call".to_owned())?;
        let said = match (text, withheld, ended) {
            (_, _, true) => Said::Ended,
            (_, true, _) => Said::Withheld,
            (Some(text), ..) => Said::Text(text),
            (None, ..) => return Err("it says nothing".to_owned()),
        };
        Ok(Self { cursor: String::new(), call, attempt, ordinal, name, piece, pieces: pieces.unwrap_or(1), said })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    #[test]
    fn what_is_written_is_read_again() {
        let execution = SystemIds.execution();
        for (said, more) in [
            (Said::Text("One ".into()), json!({ "pieces": 3, "text": "One " })),
            (Said::Withheld, json!({ "withheld": true })),
            (Said::Ended, json!({ "ended": true })),
        ] {
            let pieces = if matches!(said, Said::Text(_)) { 3 } else { 1 };
            let call = CallId { execution, index: 7 };
            let (cursor, name) = (String::new(), "story".to_owned());
            let chunk = LiveChunk { cursor, call, attempt: 2, ordinal: 1, name, piece: 5, pieces, said };
            let mut expected = json!({ "exec_id": execution.to_string(), "call_id": format!("{execution}:7"), "attempt": 2,
                "ordinal": 1, "name": "story", "piece": 5 });
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let written = serde_json::to_value(&chunk).unwrap();
            assert_eq!(written.to_string(), expected.to_string());
            assert_eq!(serde_json::from_value::<LiveChunk>(written).unwrap(), chunk);
        }
        let nonsense =
            json!({ "exec_id": "x", "call_id": "x:1", "attempt": 1, "ordinal": 0, "name": "n", "piece": 0, "text": "" });
        assert!(serde_json::from_value::<LiveChunk>(nonsense).is_err());
    }
}
