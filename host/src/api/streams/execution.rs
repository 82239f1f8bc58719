//! What happens in one execution: that something of it has changed, and what models say while they say it.

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::watch;

use super::event::Told;
use super::sources::Source;
use super::watched::Seen;
use crate::engine::{LiveChunk, LiveText};
use crate::ids::ExecutionId;
use crate::service::ServiceError;

/// Between the two parts of an event's ID.
const BETWEEN: char = '~';

/// How far somebody has come who listens: what they know of the execution, and what they have of the text. An event's ID says both, so that one is
/// enough to go on after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    mark: Option<String>,
    text: Option<String>,
}

impl Known {
    /// What the ID of the last event says that somebody had.
    pub(super) fn of(last: Option<&str>) -> Self {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match last.map(|last| last.split_once(BETWEEN).unwrap_or((last, ""))) {
            Some((mark, text)) => Self { mark: given(mark), text: given(text) },
            None => Self::default(),
        }
    }

    /// Where they go on in the text.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    fn id(&self) -> String {
        let mark = self.mark.as_deref().unwrap_or_default();
        self.text.as_deref().map_or_else(|| mark.to_owned(), |text| format!("{mark}{BETWEEN}{text}"))
    }
}

/// `execution` whenever anything of it changed, `chunk` for text of a model call under way, `end`.
pub(super) struct ExecutionSource {
    id: ExecutionId,
    marks: watch::Receiver<Option<Seen>>,
    text: LiveText,
    known: Known,
    over: Option<Told>,
}

impl ExecutionSource {
    pub(super) fn new(id: ExecutionId, mut marks: watch::Receiver<Option<Seen>>, text: LiveText, known: Known) -> Self {
        // What is there already is news for whoever has just come.
        marks.mark_changed();
        Self { id, marks, text, known, over: None }
    }

    fn chunk(&mut self, chunk: &LiveChunk) -> Result<Told, ServiceError> {
        let data = serde_json::to_value(chunk).map_err(|error| ServiceError::state(error.to_string()))?;
        self.known.text = Some(chunk.cursor.clone());
        Ok(Told::new("chunk", Some(&self.known.id()), &data))
    }

    /// None where it is known already, and not the end.
    fn seen(&mut self, seen: Seen) -> Option<Told> {
        let data = json!({ "exec_id": self.id.to_string(), "status": seen.status.as_str() });
        let is_known = self.known.mark.as_deref() == Some(&seen.text);
        self.known.mark = Some(seen.text);
        let id = self.known.id();
        let end = seen.status.is_terminal().then(|| Told::new("end", Some(&id), &data).last());
        if is_known {
            return end;
        }
        self.over = end;
        Some(Told::new("execution", Some(&id), &data))
    }
}

#[async_trait]
impl Source for ExecutionSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        if let Some(end) = self.over.take() {
            return Ok(Some(end));
        }
        loop {
            tokio::select! {
                chunk = self.text.next() => return self.chunk(&chunk).map(Some),
                changed = self.marks.changed() => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                    let Some(seen) = self.marks.borrow_and_update().clone() else { continue };
                    if let Some(told) = self.seen(seen) {
                        return Ok(Some(told));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_how_far_both_parts_are() {
        let both = Known { mark: Some("running-3-1-0-0".into()), text: Some("17ab.9".into()) };
        let (mark, text) = (Known { text: None, ..both.clone() }, Known { mark: None, ..both.clone() });
        for known in [both, mark, text, Known::default()] {
            assert_eq!(Known::of(Some(&known.id())), known, "{}", known.id());
        }
        assert_eq!(Known::of(None), Known::default());
    }
}
