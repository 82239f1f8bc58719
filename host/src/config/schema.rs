//! The JSON Schema of `kitaru.toml`, made from the types that it is read with: for editors, which then know every key, and say what is unknown.
//!
//! It has no references, and says what it says in words that the oldest drafts have: editors of TOML read these best.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::defaults::defaults;
use super::file::{Written, WrittenBeside};

/// The schema, with defaults that others than this layer decide on: the key, and its value.
///
/// # Errors
/// When defaults cannot be written down.
pub fn schema(of_others: &[(&'static str, Value)]) -> Result<Value, serde_json::Error> {
    let (mut schema, mut beside) = (of::<Written>(), of::<WrittenBeside>());
    // The reader reads this table twice too.
    if let (Some(here), Some(there)) = (property(&mut schema, "llm.middleware"), property(&mut beside, "llm.middleware")) {
        *here = there.take();
    }
    end_at_checkpoints(&mut schema);
    for (key, value) in defaults(of_others)? {
        let has_value = !value.is_null() && !value.is_object();
        // Settings that no file can name have a default as well.
        if let Some(Value::Object(place)) = property(&mut schema, &key).filter(|_| has_value) {
            place.insert("default".to_owned(), value);
        }
    }
    Ok(schema)
}

fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft07().with_transform(RecursiveTransform(for_toml));
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// What describes the key of this name, with dots between the tables around it.
fn property<'a>(schema: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    key.split('.').try_fold(schema, |here, word| here.get_mut("properties")?.get_mut(word))
}

/// What single checkpoints are granted goes one level deep, where the type of grants could go on.
fn end_at_checkpoints(schema: &mut Value) {
    let Some(Value::Object(grants)) = property(schema, "grants") else { return };
    let mut single = grants.clone();
    single.insert("description".to_owned(), "What this checkpoint may touch beside that.".into());
    if let Some(Value::Object(keys)) = single.get_mut("properties") {
        keys.shift_remove("checkpoints");
    }
    if let Some(checkpoints) = property(schema, "grants.checkpoints").and_then(|it| it.get_mut("additionalProperties")) {
        *checkpoints = single.into();
    }
    // Nothing refers to it any more.
    if let Some(schema) = schema.as_object_mut() {
        schema.shift_remove("definitions");
    }
}

fn for_toml(schema: &mut Schema) {
    if let Some(schema) = schema.as_object_mut() {
        leave_null_out(schema);
        list_words(schema);
    }
}

/// TOML has no null: what is not set is left out. And the default of a table is that of its keys.
fn leave_null_out(schema: &mut Map<String, Value>) {
    let is_null = |choice: &Value| choice.get("type").is_some_and(|name| name == "null");
    if let Some(Value::Array(names)) = schema.get_mut("type") {
        names.retain(|name| name != "null");
        if let [name] = names.as_slice() {
            let name = name.clone();
            schema.insert("type".to_owned(), name);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if schema.get("anyOf").and_then(Value::as_array).is_some_and(|choices| choices.iter().any(is_null))
        && let Some(Value::Array(choices)) = schema.shift_remove("anyOf")
    {
        for (key, value) in choices.into_iter().filter(|choice| !is_null(choice)).filter_map(members).flatten() {
            schema.entry(key).or_insert(value);
        }
    }
    if schema.get("default").is_some_and(|value| value.is_null() || value.is_object()) {
        schema.shift_remove("default");
    }
}

fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Words with a sentence each become one list, which editors offer, and the sentences go into the description.
fn list_words(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let text = |choice: &Value, key: &str| choice.get(key).and_then(Value::as_str).map(str::to_owned);
    let word = |choice: &Value| text(choice, "const").zip(text(choice, "description"));
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let each: String = words.iter().map(|(word, about)| format!("\n- `{word}`: {about}")).collect();
    let description = format!("{about}\n{each}");
    schema.shift_remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), words.into_iter().map(|(word, _)| word).collect());
    schema.insert("description".to_owned(), description.into());
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
