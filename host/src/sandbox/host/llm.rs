//! `kitaru:flow/llm`: calls of models. In a flow they are durable calls; in a checkpoint the body's own.

use serde_json::Value;
use wasmtime::component::Resource;

use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::llm::{Host, HostAnswerStream, HostSpan};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{CheckpointPort, Scope, Submitted};
use crate::sandbox::state::{HostState, OpenSpan, OpenStream, PendingCall, Pieces, Port};

/// Calls of models that one body may have begun and not ended, each with a connection and a buffer.
const UNDER_WAY: usize = 64;

const OUTSIDE: &str = "llm() can only be called inside a flow.";
const ENDED: &str = "the call has ended";

impl Host for HostState {
    async fn complete(&mut self, request: String) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, &request);
        match self.scope() {
            Scope::Flow => self.make(decoded.map(Submitted::Model), "llm").await,
            Scope::Checkpoint | Scope::Describe | Scope::Middleware => {
                let asked = match self.body(decoded) {
                    Ok((port, request)) => port.ask_model(request).await,
                    Err(failure) => Ok(Err(failure)),
                };
                answer(asked, |answer| answer)
            }
        }
    }

    async fn submit(&mut self, request: String) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let decoded = decode(&self.limits, &request).map(Submitted::Model);
        let message = match self.scope() {
            Scope::Checkpoint => "A checkpoint asks a model and waits for the answer: only a flow can submit a call.",
            _ => OUTSIDE,
        };
        self.submit(decoded, message).await
    }

    async fn open_stream(&mut self, request: String) -> wasmtime::Result<Result<Resource<OpenStream>, types::Failure>> {
        let decoded = decode(&self.limits, &request);
        if let Err(failure) = self.has_room() {
            return Ok(Err(failure.into()));
        }
        let pieces = match self.scope() {
            Scope::Flow => {
                let whole = self.make(decoded.map(Submitted::Model), "llm").await?;
                whole.map(|whole| Pieces::Recorded { left: pieces_of(&whole), whole })
            }
            Scope::Checkpoint | Scope::Describe | Scope::Middleware => {
                let opened = match self.body(decoded) {
                    Ok((port, request)) => port.open_stream(request).await,
                    Err(failure) => Ok(Err(failure)),
                };
                answer(opened, Pieces::Live)?
            }
        };
        match pieces {
            Ok(pieces) => {
                self.model_calls += 1;
                Ok(Ok(self.pending.push(OpenStream(Some(pieces)))?))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn check(&mut self, request: String) -> wasmtime::Result<Result<(), types::Failure>> {
        let decoded = decode(&self.limits, &request);
        let checked = match self.body(decoded) {
            Ok((port, request)) => port.check_model(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        answer(checked, |()| ())
    }

    async fn preview(&mut self, request: String) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, &request);
        let previewed = match self.body(decoded) {
            Ok((port, request)) => port.preview_model(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        answer(previewed, |preview| preview)
    }

    async fn begin_span(&mut self, request: String) -> wasmtime::Result<Result<Resource<OpenSpan>, types::Failure>> {
        let decoded = decode(&self.limits, &request).and_then(|request| self.has_room().map(|()| request));
        let begun = match self.body(decoded) {
            Ok((port, request)) => port.begin_span(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        match answer(begun, |span| span)? {
            Ok(span) => {
                self.model_calls += 1;
                Ok(Ok(self.pending.push(OpenSpan(Some(span)))?))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl HostAnswerStream for HostState {
    async fn next(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<Result<Option<String>, types::Failure>> {
        let open = self.pending.get_mut(&stream)?;
        match &mut open.0 {
            None => Ok(Err(Failure::usage(ENDED).into())),
            Some(Pieces::Recorded { left, .. }) => Ok(Ok(left.pop())),
            Some(Pieces::Live(live)) => {
                let piece = live.next().await;
                answer(piece, |piece| piece)
            }
        }
    }

    async fn finish(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<Result<String, types::Failure>> {
        match self.pending.get_mut(&stream)?.0.take() {
            None => Ok(Err(Failure::usage(ENDED).into())),
            Some(Pieces::Recorded { whole, .. }) => Ok(Ok(whole)),
            Some(Pieces::Live(live)) => answer(live.finish().await, |whole| whole),
        }
    }

    async fn abort(&mut self, stream: Resource<OpenStream>, reason: String) -> wasmtime::Result<()> {
        if let Some(Pieces::Live(live)) = self.pending.get_mut(&stream)?.0.take() {
            live.abort(reason).await?;
        }
        Ok(())
    }

    async fn drop(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<()> {
        self.model_calls = self.model_calls.saturating_sub(1);
        // A live one ends its call by being dropped.
        self.pending.delete(stream)?;
        Ok(())
    }
}

impl HostSpan for HostState {
    async fn end(&mut self, span: Resource<OpenSpan>, response: String) -> wasmtime::Result<Result<(), types::Failure>> {
        let checked = self.limits.check_value("the model's response", response.len());
        let response = match checked.and_then(|()| json(&self.limits, "the model's response", &response)) {
            Ok(response) => response,
            Err(failure) => return Ok(Err(failure.into())),
        };
        match self.pending.get_mut(&span)?.0.take() {
            None => Ok(Err(Failure::usage(ENDED).into())),
            Some(open) => answer(open.end(response).await, |()| ()),
        }
    }

    async fn fail(&mut self, span: Resource<OpenSpan>, error_type: String) -> wasmtime::Result<Result<(), types::Failure>> {
        if error_type.is_empty() || error_type.len() > 100 || error_type.chars().any(char::is_control) {
            let message = "the class of an error has 1 to 100 bytes and no control characters";
            return Ok(Err(Failure::usage(message).into()));
        }
        match self.pending.get_mut(&span)?.0.take() {
            None => Ok(Err(Failure::usage(ENDED).into())),
            Some(open) => answer(open.fail(error_type).await, |()| ()),
        }
    }

    async fn drop(&mut self, span: Resource<OpenSpan>) -> wasmtime::Result<()> {
        self.model_calls = self.model_calls.saturating_sub(1);
        self.pending.delete(span)?;
        Ok(())
    }
}

impl HostState {
    /// The port of a checkpoint body that asks, and what it asks.
    fn body(&mut self, decoded: Result<Value, Failure>) -> Result<(&mut dyn CheckpointPort, Value), Failure> {
        match &mut self.port {
            Port::Checkpoint(port) => Ok((port.as_mut(), decoded?)),
            Port::Flow(_) => Err(Failure::context("this can only be called inside a checkpoint: a flow asks the model itself.")),
            Port::Describe | Port::Middleware(_) => Err(Failure::context(OUTSIDE)),
        }
    }

    fn has_room(&self) -> Result<(), Failure> {
        if self.model_calls < UNDER_WAY {
            return Ok(());
        }
        Err(Failure::runtime("limit", format!("at most {UNDER_WAY} streams and spans of models are open at a time")))
    }
}

/// The pieces of a recorded answer, the last one first.
pub(super) fn pieces_of(whole: &str) -> Vec<String> {
    // What a replay or a person gave in place of an answer may be a text alone.
    let (text, lengths) = match serde_json::from_str::<Value>(whole) {
        Ok(Value::String(text)) => (text, Vec::new()),
        Ok(Value::Object(answer)) => {
            let lengths = answer.get("pieces").and_then(Value::as_array).cloned().unwrap_or_default();
            (answer.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(), lengths)
        }
        _ => return Vec::new(),
    };
    let mut rest = text.as_str();
    let mut pieces = Vec::new();
    for length in lengths {
        let length = length.as_u64().and_then(|length| usize::try_from(length).ok());
        let Some((piece, after)) = length.and_then(|length| rest.split_at_checked(length)) else { break };
        pieces.push(piece.to_owned());
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces.reverse();
    pieces
}

pub(super) fn decode(limits: &Limits, request: &str) -> Result<Value, Failure> {
    limits.check_value("the model's request", request.len())?;
    let request = json(limits, "the model's request", request)?;
    if !request.is_object() {
        return Err(Failure::usage("the model's request must be a JSON object"));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(whole: &str) -> Vec<String> {
        let mut pieces = pieces_of(whole);
        pieces.reverse();
        pieces
    }

    #[test]
    fn a_recorded_answer_comes_in_its_pieces() {
        assert_eq!(pieces(r#"{"text":"Grüße","pieces":[2,5]}"#), ["Gr", "üße"]);
        assert_eq!(pieces(r#"{"text":"abc","pieces":[1]}"#), ["a", "bc"]);
        assert_eq!(pieces(r#"{"text":"abc"}"#), ["abc"]);
        assert_eq!(pieces(r#""abc""#), ["abc"]);
        assert_eq!(pieces(r#"{"text":"ü","pieces":[1,99]}"#), ["ü"], "what does not fit is not cut");
        assert_eq!(pieces(r#"{"text":""}"#), Vec::<String>::new());
        assert_eq!(pieces("[1]"), Vec::<String>::new());
    }
}
