//! What tools give back: a value with its text, or a refusal that says what to do instead.

use std::error::Error as _;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::service::ServiceError;

/// The largest answer, in bytes of its text: what is larger no assistant can read, and would wait in memory for it.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// What is told in place of an answer that is larger.
pub(super) fn too_large() -> ServiceError {
    ServiceError::Usage {
        message: "The answer is larger than the 4 MiB that an assistant is given.".into(),
        hint: Some("ask for less of it (`limit`, `after`), or have a program read it over the HTTP API; GET /api/v1/artifacts/{artifact}/content gives an artifact as it is".into()),
    }
}

/// A value, also as text for programs that know nothing of structured results; with a note for the assistant, if there is one.
pub(super) fn value(value: Value, note: Option<String>) -> CallToolResult {
    if value.to_string().len() > LARGEST {
        return refused(&too_large());
    }
    let mut result = CallToolResult::structured(value);
    result.content.extend(note.map(ContentBlock::text));
    result
}

/// Plain text.
pub(super) fn text(text: String) -> CallToolResult {
    if text.len() > LARGEST {
        return refused(&too_large());
    }
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// A refusal, which the assistant reads: class and message, what caused it, and what to do instead; and what was done before it.
pub(super) fn refused(error: &ServiceError) -> CallToolResult {
    let mut content = vec![ContentBlock::text(told(error))];
    let done = error.done().and_then(|done| serde_json::to_string(done).ok());
    content.extend(done.filter(|done| done.len() <= LARGEST).map(|done| ContentBlock::text(format!("done before that: {done}"))));
    CallToolResult::error(content)
}

/// The same in the terms of the protocol, for what is not a tool.
pub(super) fn protocol_error(error: &ServiceError) -> ErrorData {
    let data = json!({ "class": error.class(), "hint": error.hint() });
    match error.itself() {
        ServiceError::NotFound { .. } | ServiceError::Lookup(_) => ErrorData::resource_not_found(told(error), Some(data)),
        _ => ErrorData::invalid_params(told(error), Some(data)),
    }
}

/// An error in words.
pub(super) fn told(error: &ServiceError) -> String {
    let mut text = format!("{}: {error}", error.class());
    let mut cause = error.source();
    while let Some(under) = cause {
        let message = under.to_string();
        if !text.ends_with(&message) {
            text.push_str(&format!("\ncaused by: {message}"));
        }
        cause = under.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{DeletedView, Done};

    #[test]
    fn what_no_assistant_can_read_is_not_given() {
        let of = |length: usize| serde_json::to_value(value(json!("x".repeat(length)), None)).unwrap();
        assert_ne!(of(LARGEST - 2)["isError"], json!(true));
        let refused = of(LARGEST - 1);
        assert_eq!(refused["isError"], json!(true));
        assert!(refused["content"][0]["text"].as_str().unwrap().contains("4 MiB"), "{refused}");
        assert_eq!(serde_json::to_value(text("x".repeat(LARGEST + 1))).unwrap()["isError"], json!(true));
    }

    #[test]
    fn a_refusal_says_what_to_do_instead() {
        let error = ServiceError::NotFound { message: "no such thing".into(), hint: Some("look elsewhere".into()) };
        let result = serde_json::to_value(refused(&error)).unwrap();
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"][0]["text"], "KitaruRuntimeError: no such thing\nhint: look elsewhere");
    }

    #[test]
    fn a_refusal_tells_what_was_done_before_it() {
        let gone = DeletedView { executions: vec!["a".into()], ..DeletedView::nothing() };
        let result = serde_json::to_value(refused(&ServiceError::state("no").after(Done::Deletion(gone)))).unwrap();
        assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(true), &json!("KitaruStateError: no")));
        let told = result["content"][1]["text"].as_str().unwrap();
        assert!(told.starts_with("done before that: {\"deletion\":{") && told.contains("[\"a\"]"), "{told}");
    }

    #[test]
    fn a_value_is_there_twice_and_a_note_once() {
        let result = serde_json::to_value(value(json!({ "n": 1 }), Some("a note".into()))).unwrap();
        assert_eq!(result["structuredContent"], json!({ "n": 1 }));
        assert_eq!(result["content"][0]["text"], r#"{"n":1}"#);
        assert_eq!(result["content"][1]["text"], "a note");
    }
}
