//! Structured answers: what fits a schema, and what is sent back to be mended.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::failure::{CallFailure, FailureOrigin};
use super::state::CallState;
use crate::chat::{JsonSchemaFormat, Message, RawRequest};
use crate::codec::ResponseCodec as _;
use crate::pipeline::{CallInfo, ExecutionIntercept, Failure, Next};

/// A schema that answers are checked against.
#[derive(Clone, Debug)]
pub(super) struct Schema(crate::schema::Schema);

impl Schema {
    /// Reads a schema. It reaches no file and no network, and its patterns take time in proportion to the text.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn of(format: &JsonSchemaFormat) -> Result<Self, CallFailure> {
        let refuse = |reason| CallFailure::usage(format!("the schema `{}` cannot be used: {reason}", format.name));
        crate::schema::Schema::new(&format.schema).map(Self).map_err(refuse)
    }

    /// The value that `text` is.
    ///
    /// # Errors
    /// What is wrong with it, for the model to mend.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        let value: Value = serde_json::from_str(unfenced(text)).map_err(|error| format!("the answer is not JSON: {error}"))?;
        self.0.check(&value).map_err(|misfit| misfit.to_string())?;
        Ok(value)
    }

    /// The failure of a call whose answer does not fit.
    pub(super) fn failure(complaint: &str, repairs: u32) -> CallFailure {
        let after = match repairs {
            0 => String::new(),
            1 => " after one repair".to_owned(),
            more => format!(" after {more} repairs"),
        };
        let hint = "let the model mend its answer (repairs), simplify the schema, or take another model";
        CallFailure::new(
            CallFailure::SCHEMA,
            FailureOrigin::Backend,
            format!("the answer does not fit its schema{after}: {complaint}"),
        )
        .with_hint(Some(hint))
        .retryable(true)
    }
}

/// Some models put their answer into a block of code, whatever they are told.
pub(super) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(text, |(_, inner)| inner.trim())
}

/// Checks answers, and sends those that do not fit back. Outermost: every repair goes through all other intercepts.
pub(super) struct Mended;

#[async_trait]
impl ExecutionIntercept<RawRequest> for Mended {
    async fn around(&self, call: &Arc<CallInfo>, mut request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let Some(state) = CallState::of(call) else { return next.run(request).await };
        let Some(schema) = state.schema.clone() else { return next.run(request).await };
        let mut done = 0;
        loop {
            let response = next.run(request.clone()).await?;
            // What cannot be read is told where the answer is made.
            let Ok(answer) = state.effective().decode_response(&response) else { return Ok(response) };
            if !answer.tool_calls.is_empty() {
                return Ok(response);
            }
            let Err(complaint) = schema.read(&answer.text()) else { return Ok(response) };
            if done >= state.repairs {
                return Err(failed(Schema::failure(&complaint, done)));
            }
            done += 1;
            call.mark("llm.repair", json!({ "number": done, "of": state.repairs }));
            state.rewind();
            request = repaired(call, &request, answer.to_message(), &complaint).map_err(failed)?;
        }
    }
}

fn failed(failure: CallFailure) -> Failure {
    Failure::new(failure.kind, failure)
}

/// The conversation with the faulty answer and what is wrong with it.
fn repaired(call: &CallInfo, request: &RawRequest, answer: Message, complaint: &str) -> Result<RawRequest, CallFailure> {
    let wrong = |error: crate::codec::CodecError| CallFailure::usage(error.to_string());
    let Some(codec) = &call.codec else { return Ok(request.clone()) };
    let mut chat = codec.decode(request).map_err(wrong)?;
    // A message without a content is none.
    if answer.content.as_ref().is_some_and(|content| !content.text().is_empty()) {
        chat.messages.push(answer);
    }
    let words =
        format!("That answer does not fit the schema: {complaint}\nAnswer again, with nothing but JSON that fits the schema.");
    chat.messages.push(Message::user(words));
    codec.encode(&chat, request).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(schema: Value) -> Result<Schema, CallFailure> {
        Schema::of(&JsonSchemaFormat { name: "s".into(), description: None, schema, strict: None })
    }

    #[test]
    fn answers_are_read_with_and_without_a_fence() {
        let schema =
            schema(json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } })).unwrap();
        for text in ["{\"a\":1}", " {\"a\":1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```"] {
            assert_eq!(schema.read(text), Ok(json!({ "a": 1 })), "{text}");
        }
        assert!(schema.read("{\"a\":\"x\"}").unwrap_err().contains("/a"));
        assert!(schema.read("{}").unwrap_err().contains("\"a\""));
        assert!(schema.read("a: 1").unwrap_err().starts_with("the answer is not JSON"));
    }

    #[test]
    fn a_schema_that_cannot_be_used_is_the_authors_error() {
        for wrong in [json!({ "type": "no such type" }), json!({ "$ref": "file:///etc/passwd" }), json!({ "pattern": "(?=x)" })] {
            assert_eq!(schema(wrong.clone()).unwrap_err().kind, CallFailure::USAGE, "{wrong}");
        }
        let many: Vec<_> = (0..501).map(|_| json!({ "$ref": "#" })).collect();
        assert!(schema(json!({ "anyOf": many })).unwrap_err().message.contains("references"));
    }
}
