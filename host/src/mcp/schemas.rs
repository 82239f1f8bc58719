//! JSON Schemas as tools carry them: an object at the top, which refers to nothing outside of itself.

use serde_json::{Map, Value, json};

use super::arguments;
use crate::service::verbs::Entry;

/// What the arguments of a verb's tool must be.
pub(super) fn input(entry: &Entry) -> Map<String, Value> {
    let mut schema = plain(Value::from((entry.params)()));
    schema.insert("type".into(), "object".into());
    let mut required = strings(&schema, "required");
    let mut properties = take_object(&mut schema, "properties");
    // Some programs read only objects where a schema may be `true`.
    for property in properties.values_mut().filter(|property| property.is_boolean()) {
        *property = json!({});
    }
    for (theirs, ours) in arguments::other_names(entry.about.name) {
        let Some(mut same) = properties.get(ours).cloned() else { continue };
        let was_required = required.iter().any(|name| name == ours);
        required.retain(|name| name != ours);
        let about = format!("The same as `{ours}`.");
        if theirs == "tag" {
            // One label, where we take several.
            same = json!({ "type": "string", "description": about });
        } else if let Some(same) = same.as_object_mut() {
            same.insert("description".into(), about.into());
        }
        if was_required {
            say(&mut properties, ours, &format!("Required, here or as `{theirs}`."));
        }
        properties.insert(theirs.to_owned(), same);
    }
    for part in arguments::in_target(entry.about.name) {
        if required.iter().any(|name| name == part) {
            required.retain(|name| name != part);
            say(&mut properties, part, "Required, here or in `target`.");
        }
    }
    properties.extend(arguments::extra(entry.about.name).into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    if entry.about.name == "executions.logs"
        && let Some(limit) = properties.get_mut("limit").and_then(Value::as_object_mut)
    {
        limit.insert("default".into(), arguments::LINES.into());
    }
    schema.insert("properties".into(), Value::Object(properties));
    if required.is_empty() {
        schema.shift_remove("required");
    } else {
        schema.insert("required".into(), required.into());
    }
    schema
}

/// Adds to what is said of a property.
fn say(properties: &mut Map<String, Value>, name: &str, more: &str) {
    let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) else { return };
    let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about} {more}");
    property.insert("description".into(), about.trim_start().into());
}

/// What a verb's tool gives. None where that is not always an object: then there is nothing to promise.
pub(super) fn output(entry: &Entry) -> Option<Map<String, Value>> {
    let schema = plain(Value::from((entry.output)()));
    (schema.get("type").is_some_and(|kind| kind == "object")).then_some(schema)
}

/// What a tool gives that starts an execution, given what the execution is.
pub(super) fn started(execution: Option<Map<String, Value>>) -> Map<String, Value> {
    let mut execution = execution.unwrap_or_default();
    let definitions = take_object(&mut execution, "$defs");
    let shown = json!({ "anyOf": [execution, { "type": "null" }], "description": "The execution as it stands; null where it could not be read." });
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    let properties = json!({
        "exec_id": { "type": "string", "description": "The execution's ID." },
        "target": { "type": "string", "description": "What runs: `<digest>:<flow>`, or as it was asked for." },
        "execution": shown,
        "warning": { "type": ["string", "null"], "description": "Why the execution is null." },
    });
    schema.insert("properties".into(), properties);
    schema.insert("required".into(), json!(["exec_id", "target", "execution", "warning"]));
    if !definitions.is_empty() {
        schema.insert("$defs".into(), Value::Object(definitions));
    }
    schema
}

/// What the arguments of a published flow must be: the schema of its input, without what the version has values for already.
pub(super) fn of_flow(schema: &Value, defaults: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = plain(schema.clone());
    let is_object = schema.get("type").is_none_or(|kind| kind == "object");
    if !is_object {
        schema = Map::new();
    }
    schema.insert("type".into(), "object".into());
    let mut properties = take_object(&mut schema, "properties");
    for (name, value) in defaults {
        let property = properties.entry(name.clone()).or_insert_with(|| json!({}));
        if !property.is_object() {
            *property = json!({});
        }
        if let Some(property) = property.as_object_mut() {
            property.insert("default".into(), value.clone());
        }
    }
    let mut required = strings(&schema, "required");
    required.retain(|name| !defaults.contains_key(name));
    schema.insert("properties".into(), Value::Object(properties));
    if required.is_empty() {
        schema.shift_remove("required");
    } else {
        schema.insert("required".into(), required.into());
    }
    schema
}

/// A schema without what only says how it was written.
pub(super) fn plain(schema: Value) -> Map<String, Value> {
    let Value::Object(mut schema) = schema else { return Map::new() };
    for word in ["$schema", "title"] {
        schema.shift_remove(word);
    }
    schema
}

fn take_object(schema: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match schema.shift_remove(key) {
        Some(Value::Object(found)) => found,
        _ => Map::new(),
    }
}

fn strings(schema: &Map<String, Value>, key: &str) -> Vec<String> {
    let found = schema.get(key).and_then(Value::as_array).into_iter().flatten();
    found.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::verbs::all;

    #[test]
    fn every_tool_takes_an_object_that_says_what_it_is() {
        for entry in all().iter().filter(|entry| entry.about.tool.is_ok()) {
            let (name, schema) = (entry.about.name, input(entry));
            assert_eq!(schema["type"], "object", "{name}");
            let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema:#?}"));
            assert!(properties.values().all(Value::is_object), "{name}: {properties:#?}");
            // Programs of assistants refuse schemas that say more than one thing at the top.
            for word in ["anyOf", "oneOf", "allOf", "$ref", "$schema"] {
                assert!(!schema.contains_key(word), "{name}: {word}");
            }
            references_hold(&Value::Object(schema));
            if let Some(schema) = output(entry) {
                references_hold(&Value::Object(schema));
            }
        }
    }

    /// Every reference leads somewhere within the schema.
    fn references_hold(schema: &Value) {
        fn walk(part: &Value, whole: &Value) {
            match part {
                Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        let there = reference.strip_prefix('#').and_then(|path| whole.pointer(path));
                        assert!(there.is_some(), "{reference} in {whole}");
                    }
                    fields.values().for_each(|part| walk(part, whole));
                }
                Value::Array(parts) => parts.iter().for_each(|part| walk(part, whole)),
                _ => {}
            }
        }
        walk(schema, schema);
    }

    #[test]
    fn kitaru_s_names_are_shown_and_one_of_two_is_enough() {
        let get = Value::Object(input(crate::mcp::verb("executions.get").unwrap()));
        assert_eq!(get["properties"]["exec_id"]["type"], "string");
        assert_eq!(get.get("required"), None, "{get}");
        assert!(get["properties"]["execution"]["description"].as_str().unwrap().contains("or as `exec_id`"), "{get}");
        let replay = Value::Object(input(crate::mcp::verb("executions.replay").unwrap()));
        assert_eq!(
            (&replay["properties"]["tag"]["type"], &replay["properties"]["tags"]["type"]),
            (&json!("string"), &json!("array"))
        );
        let answer = Value::Object(input(crate::mcp::verb("executions.input").unwrap()));
        assert_eq!(answer["required"], json!(["value"]));
        let run = Value::Object(input(crate::mcp::verb("executions.run").unwrap()));
        assert!(["target", "args", "input", "stack"].iter().all(|name| run["properties"][name].is_object()), "{run}");
        let deploy = Value::Object(input(crate::mcp::verb("deploy").unwrap()));
        assert_eq!((deploy.get("required"), &deploy["properties"]["tag"]["type"]), (None, &json!("string")), "{deploy}");
        assert!(deploy["properties"]["flow"]["description"].as_str().unwrap().contains("or in `target`"), "{deploy}");
    }

    #[test]
    fn what_starts_an_execution_tells_it_whole() {
        let view = output(crate::mcp::verb("executions.get").unwrap()).unwrap();
        let schema = Value::Object(started(Some(view)));
        assert_eq!(schema["required"], json!(["exec_id", "target", "execution", "warning"]));
        assert!(schema["$defs"].is_object(), "{schema}");
        references_hold(&schema);
    }

    #[test]
    fn a_flow_s_arguments_are_those_without_a_value() {
        let schema = json!({
            "$schema": "x", "title": "Input", "type": "object", "required": ["a", "b"],
            "properties": { "a": { "type": "string" }, "b": { "type": "integer" } },
        });
        let defaults = json!({ "b": 2 });
        let shown = Value::Object(of_flow(&schema, defaults.as_object().unwrap()));
        let expected = json!({
            "type": "object", "required": ["a"],
            "properties": { "a": { "type": "string" }, "b": { "type": "integer", "default": 2 } },
        });
        assert_eq!(shown, expected);
        assert_eq!(Value::Object(of_flow(&json!(true), &Map::new())), json!({ "type": "object", "properties": {} }));
        assert_eq!(Value::Object(of_flow(&Value::Null, &Map::new())), json!({ "type": "object", "properties": {} }));
    }
}
