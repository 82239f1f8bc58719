//! What governed a call, for its record.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::pipeline::Pipeline;
use crate::policy::canonical_json;

/// The SHA-256 of the canonical text of `value`, in hexadecimal digits.
pub(super) fn digest(value: &Value) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(canonical_json(value).as_bytes()) {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The digest of what `policies` of a [`CallRecord`](super::CallRecord) say, whatever digest they name themselves. None where they are no such record.
pub fn policies_digest(policies: &Value) -> Option<String> {
    let mut governed = policies.as_object()?.clone();
    governed.shift_remove("sha256")?;
    Some(digest(&Value::Object(governed)))
}

/// Everything that is registered now, in its order, with its version; and the digest of that.
pub(super) fn snapshot(pipeline: &Pipeline, streaming: bool) -> Value {
    let registrations = pipeline.registrations();
    let hooks = &registrations.llm;
    let list = |entries: Vec<(String, Option<String>)>| -> Value {
        entries.into_iter().map(|(name, version)| json!({ "name": name, "version": version })).collect()
    };
    let around = match streaming {
        true => registrations.llm_stream_intercepts.versions(),
        false => hooks.execution_intercepts.versions(),
    };
    let mut governed = json!({
        "version": 1,
        "guardrails": list(hooks.guardrails.versions()),
        "request_intercepts": list(hooks.request_intercepts.versions()),
        "execution_intercepts": list(around),
        "request_sanitizers": list(hooks.request_sanitizers.versions()),
        "response_sanitizers": list(hooks.response_sanitizers.versions()),
    });
    let sum = digest(&governed);
    if let Some(map) = governed.as_object_mut() {
        map.insert("sha256".to_owned(), json!(sum));
    }
    governed
}
