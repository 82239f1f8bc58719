//! What is made of the values that guests hand over, for the fuzz targets: the decoders as functions of texts.

use serde_json::Value;

use super::{artifacts, checkpoint, flows, llm, wait};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow as wit;
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{ArtifactValue, CheckpointRequest, ChildRequest, WaitRequest};

/// A checkpoint call.
///
/// # Errors
/// What the guest is told.
pub fn checkpoint(
    limits: &Limits,
    name: &str,
    input: &str,
    id: Option<&str>,
    cache_key: Option<&str>,
) -> Result<CheckpointRequest, Failure> {
    let options = wit::checkpoint::Options { id: id.map(str::to_owned), cache_key: cache_key.map(str::to_owned) };
    checkpoint::decode(limits, name.to_owned(), input, options)
}

/// A child flow.
///
/// # Errors
/// What the guest is told.
pub fn child(
    limits: &Limits,
    flow: &str,
    component: Option<&str>,
    input: &str,
    id: Option<&str>,
) -> Result<ChildRequest, Failure> {
    let (component, id) = (component.map(str::to_owned), id.map(str::to_owned));
    flows::decode(limits, wit::flows::Request { flow: flow.to_owned(), component, input: input.to_owned(), id })
}

/// A call of a model.
///
/// # Errors
/// What the guest is told.
pub fn model(limits: &Limits, request: &str) -> Result<Value, Failure> {
    llm::decode(limits, request)
}

/// The pieces in which a recorded answer comes again, the first one first.
pub fn pieces(recorded: &str) -> Vec<String> {
    let mut pieces = llm::pieces_of(recorded);
    pieces.reverse();
    pieces
}

/// A question: its name, its text, and as JSON texts its schema, its metadata and its default.
///
/// # Errors
/// What the guest is told.
pub fn wait(limits: &Limits, texts: [Option<&str>; 5], deadline_milliseconds: Option<u64>) -> Result<WaitRequest, Failure> {
    let [name, question, schema, metadata, default] = texts.map(|text| text.map(str::to_owned));
    let timeout_seconds = None;
    wait::decode(limits, wit::wait::Request { name, question, schema, timeout_seconds, metadata, deadline_milliseconds, default })
}

/// An artifact that is JSON.
///
/// # Errors
/// What the guest is told.
pub fn artifact(limits: &Limits, text: &str) -> Result<ArtifactValue, Failure> {
    artifacts::decode(limits, wit::artifacts::Value::Json(text.to_owned()))
}
