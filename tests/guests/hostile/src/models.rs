//! Calls of models that nobody granted, or that are none.

use kitaru::prelude::*;
use kitaru::raw::llm;

use crate::{held, refused};

/// A model that nobody granted, in the flow.
#[flow]
fn ungranted_model(_cx: &Flow) -> Result<String> {
    let answer = llm::complete("{\"prompt\":\"x\",\"model\":\"openai/gpt-4o\"}");
    let kind = answer.as_ref().err().map(|failure| failure.kind.clone()).unwrap_or_default();
    held(matches!(kind.as_str(), "capability" | "not-configured"), &kind)
}

/// A model that nobody granted, in a checkpoint, with an address of its own.
#[flow]
fn ungranted_model_in_a_checkpoint(cx: &Flow) -> Result<String> {
    asks(cx)
}

#[checkpoint]
fn asks(_cx: &Checkpoint) -> Result<String> {
    let request = "{\"prompt\":\"x\",\"model\":\"openai/gpt-4o\",\"base_url\":\"http://127.0.0.1:1\",\"api_key\":\"x\"}";
    for answer in [llm::complete(request).map(drop), llm::open_stream(request).map(drop)] {
        held(answer.is_err(), "a model that was not granted")?;
    }
    held(true, "")
}

/// Requests that are none.
#[flow]
fn requests_that_are_none(_cx: &Flow) -> Result<String> {
    for request in ["", "NaN", "[]", "1", "null", "{\"prompt\":1e400}", &"[".repeat(100_000)] {
        refused(llm::complete(request), "usage")?;
    }
    let without = llm::complete("{}");
    held(without.is_err(), "a request without a prompt")
}

/// A request of two mebibytes, where a value may have one.
#[flow]
fn request_at_length(_cx: &Flow) -> Result<String> {
    let request = json!({ "prompt": "x".repeat(2 << 20), "model": "openai/gpt-4o" }).to_string();
    refused(llm::complete(&request), "limit")
}

/// Calls of its own that begin and never end.
#[flow]
fn spans_without_end(cx: &Flow) -> Result<String> {
    begins(cx)
}

#[checkpoint]
fn begins(_cx: &Checkpoint) -> Result<String> {
    let mut open = Vec::new();
    for _ in 0..1_000 {
        match llm::begin_span("{\"prompt\":\"x\",\"model\":\"openai/gpt-4o\"}") {
            Ok(span) => open.push(span),
            Err(_) => return held(open.len() <= 64, "more spans than may be open"),
        }
    }
    held(false, "a thousand open spans")
}
