//! What tells one durable call from another, beside its kind and name: its input, as it is hashed and compared (E1). In one place, so that
//! whoever runs a flow and whoever only checks it agree.

use serde_json::{Value, json};

use crate::sandbox::{ChildRequest, WaitRequest};

/// The input of a wait. The polling window is left out: it changes nothing that the flow or the answering person can see.
pub(super) fn of_wait(request: &WaitRequest) -> Value {
    let mut input = json!({ "question": request.question, "schema": request.schema, "metadata": request.metadata });
    if let (Some(map), Some(deadline)) = (input.as_object_mut(), request.deadline_milliseconds) {
        map.insert("deadline_milliseconds".into(), deadline.into());
        map.extend(request.default.clone().map(|default| ("default".to_owned(), default)));
    }
    input
}

/// The name of a wait.
pub(super) fn name_of_wait(request: &WaitRequest) -> String {
    request.name.clone().unwrap_or_else(|| "wait".into())
}

/// The input of a sleep.
pub(super) fn of_sleep(milliseconds: u64) -> Value {
    json!({ "milliseconds": milliseconds })
}

/// The name of a sleep.
pub(super) fn name_of_sleep(name: Option<String>) -> String {
    name.unwrap_or_else(|| "sleep".into())
}

/// What a flow wants of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its result.
    Result,
    /// Its execution ID.
    Id,
}

/// The input of a child flow.
pub(super) fn of_child(request: &ChildRequest, wanted: Wanted) -> Value {
    let wanted = match wanted {
        Wanted::Result => "result",
        Wanted::Id => "id",
    };
    let mut input = json!({ "input": request.input, "wanted": wanted });
    if let (Some(map), Some(component)) = (input.as_object_mut(), &request.component) {
        map.insert("component".into(), component.as_str().into());
    }
    input
}

/// The input of a choice among calls.
pub(super) fn of_first(calls: &[u32]) -> Value {
    json!({ "calls": calls })
}
