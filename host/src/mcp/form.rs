//! Forms for answers: a JSON Schema of any kind, as the flat object of plain fields that assistants' programs can show.
//!
//! What a form cannot say (a pattern, a relation between fields) is left to the check of the answer, which follows in any case.

use rmcp::model::ElicitationSchema;
use serde_json::{Map, Value, json};

/// The field of a form that asks for one value.
const ANSWER: &str = "answer";
/// References that follow each other; more lead nowhere.
const DEEPEST: usize = 8;
/// Formats of text that programs know.
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// A form, and how what is typed into it becomes an answer.
#[derive(Debug)]
pub(super) struct Form {
    /// What to show.
    pub(super) schema: ElicitationSchema,
    meaning: Meaning,
}

#[derive(Debug, PartialEq)]
enum Meaning {
    /// The fields are the answer's, with null where these are empty.
    Fields(Vec<String>),
    /// The only field is the answer.
    Answer,
    /// The only field is the answer, as JSON or, if it is none, as text.
    Free,
}

impl Form {
    /// The form for a schema. None where a flat one cannot ask for all that is needed.
    pub(super) fn of(schema: Option<&Value>) -> Option<Self> {
        let (properties, required, meaning) = match schema {
            None | Some(Value::Null | Value::Bool(true)) => free(),
            Some(Value::Object(fields)) if fields.is_empty() => free(),
            Some(schema) => fields_of(schema, schema).or_else(|| one_of(schema))?,
        };
        let form = json!({ "type": "object", "properties": properties, "required": required });
        Some(Self { schema: serde_json::from_value(form).ok()?, meaning })
    }

    /// The answer that was typed.
    pub(super) fn answer(&self, content: Option<Value>) -> Value {
        let Some(Value::Object(mut content)) = content else { return Value::Null };
        match &self.meaning {
            Meaning::Fields(nullable) => {
                for name in nullable {
                    content.entry(name.clone()).or_insert(Value::Null);
                }
                Value::Object(content)
            }
            Meaning::Answer => content.shift_remove(ANSWER).unwrap_or_default(),
            Meaning::Free => match content.shift_remove(ANSWER) {
                Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
                other => other.unwrap_or_default(),
            },
        }
    }
}

type Parts = (Map<String, Value>, Vec<String>, Meaning);

fn free() -> Parts {
    let field = json!({ "type": "string", "title": "Answer", "description": "JSON, or text as it is" });
    (Map::from_iter([(ANSWER.to_owned(), field)]), vec![ANSWER.to_owned()], Meaning::Free)
}

/// The fields of an object.
fn fields_of(schema: &Value, whole: &Value) -> Option<Parts> {
    let schema = followed(schema, whole)?;
    let object = schema.get("type").map_or_else(|| schema.get("properties").is_some(), |kind| kind == "object");
    if !object {
        return None;
    }
    let needed: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let (mut fields, mut required, mut nullable) = (Map::new(), Vec::new(), Vec::new());
    for (name, property) in properties.into_iter().flatten() {
        let is_needed = needed.contains(&name.as_str());
        match field(property, whole) {
            Some(found) => {
                fields.insert(name.clone(), found.shown);
                match (is_needed, found.nullable) {
                    (true, true) => nullable.push(name.clone()),
                    (true, false) => required.push(name.clone()),
                    (false, _) => {}
                }
            }
            // It may be left out.
            None if !is_needed => {}
            None => return None,
        }
    }
    // What is needed and not described can be anything.
    needed.iter().all(|name| fields.contains_key(*name)).then_some((fields, required, Meaning::Fields(nullable)))
}

/// One field for the whole answer.
fn one_of(schema: &Value) -> Option<Parts> {
    let found = field(schema, schema)?;
    let required = if found.nullable { Vec::new() } else { vec![ANSWER.to_owned()] };
    Some((Map::from_iter([(ANSWER.to_owned(), found.shown)]), required, Meaning::Answer))
}

struct Field {
    shown: Value,
    nullable: bool,
}

/// The plain field for a schema, if one can ask for it.
fn field(schema: &Value, whole: &Value) -> Option<Field> {
    let schema = followed(schema, whole)?;
    for word in ["anyOf", "oneOf"] {
        if let Some(options) = schema.get(word).and_then(Value::as_array) {
            return choice(schema, options, whole);
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let nullable = values.iter().any(Value::is_null);
        let names: Vec<&str> = values.iter().filter(|value| !value.is_null()).map(Value::as_str).collect::<Option<_>>()?;
        return Some(Field { shown: described(json!({ "type": "string", "enum": names }), schema, &["default"]), nullable });
    }
    if let Some(only) = schema.get("const") {
        return Some(Field {
            shown: described(json!({ "type": "string", "enum": [only.as_str()?] }), schema, &[]),
            nullable: false,
        });
    }
    let (kind, nullable) = kind_of(schema)?;
    let shown = match kind {
        "boolean" => described(json!({ "type": "boolean" }), schema, &["default"]),
        "integer" | "number" => number(kind, schema),
        "string" => text(schema),
        "array" => several(schema, whole)?,
        _ => return None,
    };
    Some(Field { shown, nullable })
}

/// The one type of a schema beside null.
fn kind_of(schema: &Value) -> Option<(&str, bool)> {
    match schema.get("type")? {
        Value::String(kind) => Some((kind, false)),
        Value::Array(kinds) => {
            let mut others = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            match (others.next(), others.next()) {
                (Some(kind), None) => Some((kind, kinds.iter().any(|kind| kind == "null"))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// One of several: something or nothing, or one of some words.
fn choice(schema: &Value, options: &[Value], whole: &Value) -> Option<Field> {
    let is_null = |option: &&Value| option.get("type").is_some_and(|kind| kind == "null");
    let nullable = options.iter().any(|option| is_null(&option));
    let others: Vec<&Value> = options.iter().filter(|option| !is_null(option)).collect();
    if let [only] = others.as_slice() {
        let mut found = field(only, whole)?;
        found.shown = described(found.shown, schema, &[]);
        return Some(Field { nullable: nullable || found.nullable, ..found });
    }
    let mut words = Vec::with_capacity(others.len());
    for option in others {
        let word = option.get("const").and_then(Value::as_str)?;
        let title = ["title", "description"].iter().find_map(|key| option.get(key).and_then(Value::as_str)).unwrap_or(word);
        words.push(json!({ "const": word, "title": title }));
    }
    Some(Field { shown: described(json!({ "type": "string", "oneOf": words }), schema, &["default"]), nullable })
}

fn number(kind: &str, schema: &Value) -> Value {
    let mut shown = described(json!({ "type": kind }), schema, &["minimum", "maximum", "default"]);
    for (exclusive, inclusive, step) in [("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)] {
        let bound = schema.get(exclusive).and_then(Value::as_i64).and_then(|bound| bound.checked_add(step));
        if let (true, Some(bound), Some(shown)) = (kind == "integer", bound, shown.as_object_mut()) {
            shown.entry(inclusive).or_insert_with(|| bound.into());
        }
    }
    shown
}

fn text(schema: &Value) -> Value {
    let mut shown = described(json!({ "type": "string" }), schema, &["minLength", "maxLength", "default"]);
    let Some(fields) = shown.as_object_mut() else { return shown };
    if let Some(format) = schema.get("format").and_then(Value::as_str).filter(|format| FORMATS.contains(format)) {
        fields.insert("format".into(), format.into());
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let about = fields.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = format!("{about} (must match {pattern})");
        fields.insert("description".into(), about.trim_start().into());
    }
    shown
}

/// Several of some words.
fn several(schema: &Value, whole: &Value) -> Option<Value> {
    let items = field(schema.get("items")?, whole).filter(|items| !items.nullable)?.shown;
    let words = items.get("enum")?;
    let shown = json!({ "type": "array", "items": { "type": "string", "enum": words } });
    Some(described(shown, schema, &["minItems", "maxItems", "default"]))
}

/// The field with what the schema says for people, and with these of its words.
fn described(mut shown: Value, schema: &Value, words: &[&str]) -> Value {
    if let Some(fields) = shown.as_object_mut() {
        for word in ["title", "description"].iter().filter(|word| schema.get(word).is_some_and(Value::is_string)).chain(words) {
            if let Some(value) = schema.get(word).filter(|value| !value.is_null()) {
                fields.insert((*word).to_owned(), value.clone());
            }
        }
    }
    shown
}

/// The schema that is meant where one only refers to another of the same document.
fn followed<'s>(mut schema: &'s Value, whole: &'s Value) -> Option<&'s Value> {
    for _ in 0..DEEPEST {
        match schema.get("$ref").and_then(Value::as_str) {
            None => return Some(schema),
            Some(reference) => schema = whole.pointer(reference.strip_prefix('#')?)?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(schema: &Value) -> Value {
        let form = Form::of(Some(schema)).unwrap_or_else(|| panic!("no form for {schema}"));
        serde_json::to_value(&form.schema).unwrap()
    }

    #[test]
    fn one_value_is_one_field() {
        let cases = [
            (json!({ "type": "boolean" }), json!({ "type": "boolean" })),
            (
                json!({ "type": "integer", "minimum": 1, "exclusiveMaximum": 10 }),
                json!({ "type": "integer", "minimum": 1, "maximum": 9 }),
            ),
            (
                json!({ "type": "string", "maxLength": 5, "format": "email" }),
                json!({ "type": "string", "maxLength": 5, "format": "email" }),
            ),
            (json!({ "enum": ["low", "high"] }), json!({ "type": "string", "enum": ["low", "high"] })),
            (
                json!({ "type": "array", "items": { "enum": ["a", "b"] } }),
                json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } }),
            ),
            (
                json!({ "oneOf": [{ "const": "a", "title": "First" }, { "const": "b" }] }),
                json!({ "type": "string", "oneOf": [{ "const": "a", "title": "First" }, { "const": "b", "title": "b" }] }),
            ),
        ];
        for (schema, field) in cases {
            let form = shown(&schema);
            assert_eq!(form["properties"][ANSWER], field, "{schema}");
            assert_eq!(form["required"], json!([ANSWER]), "{schema}");
        }
        let form = Form::of(Some(&json!({ "type": "boolean" }))).unwrap();
        assert_eq!(form.answer(Some(json!({ ANSWER: true }))), json!(true));
    }

    #[test]
    fn an_object_is_its_fields() {
        let schema = json!({
            "type": "object", "required": ["notes", "major_version", "reviewer"],
            "properties": {
                "notes": { "type": "string", "description": "What is new" },
                "major_version": { "$ref": "#/$defs/version" },
                "reviewer": { "type": ["string", "null"] },
                "links": { "type": "array", "items": { "type": "object" } },
            },
            "$defs": { "version": { "type": "integer", "minimum": 0 } },
        });
        let form = shown(&schema);
        assert_eq!(form["required"], json!(["notes", "major_version"]), "null is as good as nothing");
        assert_eq!(form["properties"]["major_version"], json!({ "type": "integer", "minimum": 0 }));
        assert_eq!(form["properties"]["notes"]["description"], "What is new");
        assert!(form["properties"].get("links").is_none(), "it may be left out: {form}");
        let typed = json!({ "notes": "n", "major_version": 2 });
        let answer = Form::of(Some(&schema)).unwrap().answer(Some(typed));
        assert_eq!(answer, json!({ "notes": "n", "major_version": 2, "reviewer": null }));
    }

    #[test]
    fn without_a_schema_anything_can_be_typed() {
        let form = Form::of(None).unwrap();
        let cases = [("true", json!(true)), (r#"{"a":1}"#, json!({ "a": 1 })), ("just text", json!("just text"))];
        for (typed, answer) in cases {
            assert_eq!(form.answer(Some(json!({ ANSWER: typed }))), answer);
        }
        assert_eq!(form.answer(None), Value::Null);
    }

    #[test]
    fn what_is_not_flat_has_no_form() {
        let deep = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "object", "properties": {} } } });
        let unnamed = json!({ "type": "object", "required": ["a"] });
        let circle = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        let cases = [
            deep,
            unnamed,
            circle,
            json!({ "enum": [1, 2] }),
            json!({ "type": "array", "items": { "type": "object" } }),
            json!({ "type": ["string", "integer"] }),
            json!({ "$ref": "https://example.com/x" }),
            json!({ "not": {} }),
            json!(false),
        ];
        for schema in cases {
            assert!(Form::of(Some(&schema)).is_none(), "{schema}");
        }
    }
}
