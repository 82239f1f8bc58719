//! The component model's rules, broken: pointers, lengths, texts and handles that are not what they say.

use super::row::{End, LIMIT, Row, TRAP, flow, wat};

/// Results and arguments that lie.
pub(crate) const POINTERS: &[Row] = &[
    wat("result-out-of-bounds", End::Fails(TRAP, "out of bounds")),
    wat("result-of-4-gib", End::Fails(TRAP, "out of bounds")),
    wat("result-unaligned", End::Fails(TRAP, "not aligned")),
    wat("result-nowhere", End::Fails(TRAP, "out of bounds")),
    wat("result-of-no-case", End::Fails(TRAP, "discriminant")),
    wat("result-not-utf-8", End::Fails(TRAP, "utf-8")),
    wat("manifest-not-utf-8", End::Refused("utf-8")),
    wat("manifest-out-of-bounds", End::Refused("out of bounds")),
    wat("manifest-of-100-mb", End::Refused("value_mib")),
    wat("failure-of-no-origin", End::Fails(TRAP, "discriminant")),
    wat("failure-not-utf-8", End::Fails(TRAP, "utf-8")),
    wat("failure-of-a-call-that-is-not", End::Fails(&["ahte"], "ahte")),
    wat("realloc-out-of-bounds", End::Fails(TRAP, "beyond end of memory")),
    wat("realloc-on-its-own-data", End::CompletesAnyhow),
    wat("utf-16-out-of-bounds", End::Refused("out of bounds")),
    wat("latin-1-or-utf-16-lies", End::Refused("out of bounds")),
    flow("endless_name", End::Fails(&["trap", "limit"], "")),
    flow("endless_line", End::Fails(&["trap", "limit"], "")),
    flow("endless_artifact", End::Fails(&["trap", "limit"], "")),
    flow("broken_result", End::Fails(TRAP, "utf-8")),
    flow("broken_failure", End::Fails(TRAP, "utf-8")),
];

/// Handles that were never given out, or are gone, or stand for something else.
pub(crate) const HANDLES: &[Row] = &[
    wat("handle-forged", End::Fails(TRAP, "unknown handle")),
    wat("handle-negative", End::Fails(TRAP, "unknown handle")),
    wat("handle-zero", End::Fails(TRAP, "unknown handle")),
    wat("handle-dropped-twice", End::Fails(TRAP, "unknown handle")),
    wat("handle-used-after-drop", End::Fails(TRAP, "unknown handle")),
    wat("handle-of-another-type", End::Fails(TRAP, "wrong type")),
    wat("handle-seen-through", End::Fails(TRAP, "wrong type")),
    wat("handles-without-end", End::Fails(LIMIT, "holds more")),
    wat("handles-of-its-own-without-end", End::Fails(LIMIT, "holds more handles")),
    flow("forged_call", End::Fails(TRAP, "unknown handle")),
    flow("forged_choice", End::Fails(TRAP, "unknown handle")),
    flow("timer_as_a_call", End::Fails(TRAP, "wrong type")),
    flow("call_dropped_twice", End::Fails(TRAP, "unknown handle")),
    flow("call_used_after_drop", End::Fails(TRAP, "unknown handle")),
    flow("choices_without_bounds", End::Completes),
    flow("choice_among_a_million", End::Fails(&["limit"], "handles")),
    flow("calls_without_end", End::Fails(LIMIT, "`calls`")).flags(&["--max-calls=300"]),
    flow("cancels_in_a_storm", End::Completes),
];

const fn broken(place: &'static str, name: &'static str, input: &'static str) -> Row {
    flow("broken_text", End::Fails(TRAP, "utf-8")).called(name, place, input)
}

const fn broken_in_a_checkpoint(place: &'static str, name: &'static str, input: &'static str) -> Row {
    flow("broken_text_in_a_checkpoint", End::Fails(TRAP, "utf-8")).called(name, place, input)
}

/// Texts that are not UTF-8, in every place where the host reads one.
pub(crate) const TEXTS: &[Row] = &[
    broken("The name of a checkpoint is not UTF-8.", "broken checkpoint name", r#"{"place":"checkpoint name"}"#),
    broken("The input of a checkpoint is not UTF-8.", "broken checkpoint input", r#"{"place":"checkpoint input"}"#),
    broken("An invocation ID is not UTF-8.", "broken invocation ID", r#"{"place":"invocation ID"}"#),
    broken("A cache key is not UTF-8.", "broken cache key", r#"{"place":"cache key"}"#),
    broken("The name of a wait is not UTF-8.", "broken wait name", r#"{"place":"wait name"}"#),
    broken("A question is not UTF-8.", "broken question", r#"{"place":"question"}"#),
    broken("The schema of a wait is not UTF-8.", "broken wait schema", r#"{"place":"wait schema"}"#),
    broken("The metadata of a wait is not UTF-8.", "broken wait metadata", r#"{"place":"wait metadata"}"#),
    broken("The name of a sleep is not UTF-8.", "broken sleep name", r#"{"place":"sleep name"}"#),
    broken("The name of a child flow is not UTF-8.", "broken child flow", r#"{"place":"child flow"}"#),
    broken("The component of a child flow is not UTF-8.", "broken child component", r#"{"place":"child component"}"#),
    broken("A line of the log is not UTF-8.", "broken log line", r#"{"place":"log line"}"#),
    broken("What is said of progress is not UTF-8.", "broken progress", r#"{"place":"progress"}"#),
    broken("A key of metadata is not UTF-8.", "broken metadata key", r#"{"place":"metadata key"}"#),
    broken("A value of metadata is not UTF-8.", "broken metadata value", r#"{"place":"metadata value"}"#),
    broken("A request to a model is not UTF-8.", "broken model request", r#"{"place":"model request"}"#),
    broken_in_a_checkpoint("The name of an artifact is not UTF-8.", "broken artifact name", r#"{"place":"artifact name"}"#),
    broken_in_a_checkpoint("An artifact is not UTF-8.", "broken artifact", r#"{"place":"artifact"}"#),
    broken_in_a_checkpoint("The kind of an artifact is not UTF-8.", "broken artifact kind", r#"{"place":"artifact kind"}"#),
    broken_in_a_checkpoint("A tag of an artifact is not UTF-8.", "broken artifact tag", r#"{"place":"artifact tag"}"#),
    broken_in_a_checkpoint("The ID of an execution is not UTF-8.", "broken execution ID", r#"{"place":"execution ID"}"#),
];
