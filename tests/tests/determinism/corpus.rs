//! Which flows are audited, and with which arguments.

use kitaru_host::sandbox::Manifest;
use serde_json::{Map, Value, json};

/// A flow, and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub name: String,
    pub input: Value,
    pub seed: [u8; 32],
}

/// Flows of the fixture whose end a clock or the depth of the stack decides: those are limits, which end an attempt and are no result. And
/// those that use more than an audit has time for.
const ENDED_BY_LIMITS: [&str; 16] = [
    "spin_flow",
    "spin_checkpoint",
    "recursion_flow",
    "recursion_checkpoint",
    "memory_flow",
    "memory_checkpoint",
    "memory_probe",
    "sleep_flow",
    "sleep_checkpoint",
    "refused_loop",
    "ignores_refusals",
    "empty_lines",
    "empty_output",
    "empty_progress",
    "big_flow_result",
    "big_argument",
];

/// Whether a flow of the fixture ends by what it does.
pub(super) fn ends_by_itself(name: &str) -> bool {
    !ENDED_BY_LIMITS.contains(&name)
}

/// The flows of a component, each with arguments that its schema allows.
pub(super) fn flows(manifest: &Manifest, wanted: impl Fn(&str) -> bool) -> Vec<Flow> {
    let wanted = manifest.flows.iter().filter(|flow| wanted(&flow.name));
    wanted.map(|flow| Flow { name: flow.name.clone(), input: value(&flow.input, &flow.input, 0), seed: [7; 32] }).collect()
}

/// Some value that a schema allows: the smallest that is not empty.
fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > 8 {
        return Value::Null;
    }
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        return root.pointer(path.trim_start_matches('#')).map_or(Value::Null, |schema| value(schema, root, depth + 1));
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|words| words.first()) {
        return first.clone();
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|schemas| schemas.first()) {
            return value(first, root, depth + 1);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => json!("kitaru"),
        Some("integer") => json!(3),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("array") => match schema.get("items") {
            Some(items) => json!([value(items, root, depth + 1), value(items, root, depth + 1)]),
            None => json!([]),
        },
        Some("null") => Value::Null,
        _ => object(schema, root, depth),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let mut object = Map::new();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for name in required.iter().filter_map(Value::as_str) {
        let property = schema.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null);
        object.insert(name.to_owned(), value(property, root, depth + 1));
    }
    Value::Object(object)
}
