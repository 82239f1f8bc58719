//! JSON Schema, for schemas and values that nobody here wrote.
//!
//! Schemas come from guests, and values from guests, models and people. A schema reaches no file and no network; its patterns take time in
//! proportion to the text; and a value that would keep the validator busy for long, or take more stack than a thread has, is refused before
//! the validator sees it.

mod effort;

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use effort::{Document, Effort};

/// Bytes of a schema.
const LARGEST: usize = 1024 * 1024;
/// References in a schema.
const MOST_REFERENCES: usize = 500;
/// Patterns in a schema: each is compiled.
const MOST_PATTERNS: usize = 200;
/// Bytes of one compiled pattern.
const LARGEST_PATTERN: usize = 512 * 1024;
/// So many problems are told.
const COMPLAINTS: usize = 3;
/// Bytes of one problem: it may quote the value.
const LONGEST: usize = 1_000;
/// The validator finds all problems before it tells the first. Where it checks more often than this, nobody waits for that.
const TOLD: u64 = 300_000;

/// A schema cannot be used: the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableSchema(String);

/// In what a value does not fit a schema: the first problems, each with its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

/// A schema that values can be checked against again and again. Cheap to clone; clones are the same schema.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    validator: Validator,
    document: Value,
    has_references: bool,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Schema").field(&self.0.document).finish()
    }
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is none, is too large, or refers to what is not in it.
    pub fn new(document: &Value) -> Result<Self, UnusableSchema> {
        let (bytes, references) = (document.to_string().len(), count(document, is_reference));
        let most = [
            ("bytes", bytes, LARGEST),
            ("references", references, MOST_REFERENCES),
            ("patterns", count(document, is_pattern), MOST_PATTERNS),
        ];
        if let Some((what, has, most)) = most.into_iter().find(|(_, has, most)| has > most) {
            return Err(UnusableSchema(format!("it has {has} {what}, and {most} are allowed")));
        }
        let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN);
        let validator = jsonschema::options().with_pattern_options(patterns).build(document);
        let validator = validator.map_err(|error| UnusableSchema(short(error.to_string())))?;
        Ok(Self(Arc::new(Inner { validator, document: document.clone(), has_references: references > 0 })))
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// What is wrong with it; or that checking it would take too long.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        let Inner { validator, document, has_references } = &*self.0;
        let checks =
            Effort::of(&Document::new(document, *has_references), value).map_err(|too_much| Misfit(too_much.to_string()))?;
        if validator.is_valid(value) {
            return Ok(());
        }
        if checks > TOLD {
            return Err(Misfit("it does not fit, and is too large to say where".to_owned()));
        }
        let problems = validator.iter_errors(value).take(COMPLAINTS).map(|error| {
            let path = error.instance_path().to_string();
            let problem = short(error.to_string());
            if path.is_empty() { problem } else { format!("{problem} at `{path}`") }
        });
        Err(Misfit(problems.collect::<Vec<_>>().join("; ")))
    }
}

fn short(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

fn is_reference(keyword: &str, _: &Value) -> usize {
    usize::from(matches!(keyword, "$ref" | "$dynamicRef" | "$recursiveRef"))
}

fn is_pattern(keyword: &str, inner: &Value) -> usize {
    match (keyword, inner) {
        ("pattern", _) => 1,
        ("patternProperties", Value::Object(patterns)) => patterns.len(),
        _ => 0,
    }
}

fn count(value: &Value, of: fn(&str, &Value) -> usize) -> usize {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| of(key, value).saturating_add(count(value, of))).sum(),
        Value::Array(items) => items.iter().map(|item| count(item, of)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value) -> Result<(), String> {
        Schema::new(schema).unwrap().check(value).map_err(|misfit| misfit.to_string())
    }

    /// A value of so many arrays, one in the other.
    fn nested(depth: usize, innermost: Value) -> Value {
        (0..depth).fold(innermost, |inner, _| json!([inner]))
    }

    #[test]
    fn problems_are_told_with_their_places_and_shortly() {
        let schema = json!({ "properties": { "a": { "type": "string" } }, "items": { "type": "integer" } });
        assert_eq!(check(&schema, &json!({ "a": "x" })), Ok(()));
        assert_eq!(check(&schema, &json!({ "a": 1 })).unwrap_err(), r#"1 is not of type "string" at `/a`"#);
        let many = check(&schema, &json!([true, true, true, true])).unwrap_err();
        assert_eq!(many.matches(" at `/").count(), COMPLAINTS);
        let long = check(&schema, &json!({ "a": ["ä".repeat(5_000)] })).unwrap_err();
        assert!(long.len() < LONGEST + 20 && long.ends_with("at `/a`"), "{long}");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let why = |schema: Value| Schema::new(&schema).unwrap_err().to_string();
        assert!(why(json!({ "type": "no such type" })).contains("no such type"));
        assert!(why(json!({ "anyOf": vec![json!({ "$ref": "#" }); 501] })).contains("501 references"));
        let patterns: serde_json::Map<String, Value> = (0..201).map(|n| (format!("^p{n}$"), json!(true))).collect();
        assert!(why(json!({ "patternProperties": patterns })).contains("201 patterns"));
        assert!(why(json!({ "description": "x".repeat(LARGEST) })).contains("bytes"));
        for outside in ["http://127.0.0.1:1/x.json", "file:///etc/passwd"] {
            why(json!({ "$ref": outside }));
        }
        // Look-around would need an engine that can be kept busy for ever; a repeated repetition, memory.
        why(json!({ "pattern": "(?=x)" }));
        why(json!({ "pattern": "((a{100}){100}){100}" }));
    }

    #[test]
    fn a_pattern_takes_time_in_proportion_to_the_text() {
        let text = "a".repeat(100_000);
        assert!(check(&json!({ "pattern": "^(a+)+$" }), &json!(format!("{text}b"))).is_err());
        assert_eq!(check(&json!({ "pattern": "^(a+)+$" }), &json!(text)), Ok(()));
    }

    /// Each definition asks for the next one twice: there are as many ways through it as atoms in the universe.
    #[test]
    fn ways_through_a_schema_are_not_all_gone() {
        let twice = |n: usize| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "allOf": [next, next] }))
        };
        let mut definitions: serde_json::Map<String, Value> = (0..200).map(twice).collect();
        definitions.insert("d200".into(), json!({ "type": "integer" }));
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        assert!(check(&schema, &json!(1)).unwrap_err().contains("too long"));
    }

    /// Two ways at each level of a deep value, whose innermost part is wrong.
    #[test]
    fn ways_through_a_value_are_not_all_gone() {
        let deeper = json!({ "items": { "$ref": "#" } });
        let schema = json!({ "type": "array", "allOf": [deeper, deeper] });
        for innermost in [json!([]), json!(1)] {
            assert!(check(&schema, &nested(100, innermost)).unwrap_err().contains("too long"));
        }
        assert!(check(&schema, &nested(10, json!(1))).is_err_and(|why| !why.contains("too long")));
        assert_eq!(check(&schema, &nested(10, json!([]))), Ok(()));
    }

    /// A long way through the schema for each level of a deep value: a frame of the validator's stack for each step.
    #[test]
    fn no_value_exhausts_the_stack() {
        let step = |n: usize| (format!("d{n}"), json!({ "type": "array", "$ref": format!("#/$defs/d{}", n + 1) }));
        let mut definitions: serde_json::Map<String, Value> = (0..400).map(step).collect();
        definitions.insert("d400".into(), json!({ "items": { "$ref": "#/$defs/d0" } }));
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        for innermost in [json!([]), json!(1)] {
            assert!(check(&schema, &nested(120, innermost)).unwrap_err().contains("too deep"));
        }
        // As deep as is allowed, on the stack that a thread of the host has.
        assert_eq!(check(&schema, &nested(1, json!([]))), Ok(()));
        assert!(check(&schema, &nested(1, json!(1))).is_err());
    }

    #[test]
    fn usual_schemas_of_deep_and_of_large_values_are_no_trouble() {
        let tree = json!({
            "$ref": "#/$defs/Node", "$defs": { "Node": { "type": "object", "required": ["value"], "properties": {
                "value": { "type": "integer" },
                "left": { "anyOf": [{ "$ref": "#/$defs/Node" }, { "type": "null" }] },
                "right": { "anyOf": [{ "$ref": "#/$defs/Node" }, { "type": "null" }] },
            } } },
        });
        let deep = (0..120).fold(Value::Null, |left, value| json!({ "value": value, "left": left, "right": null }));
        assert_eq!(check(&tree, &deep), Ok(()));
        let bushy = (0..12).fold(Value::Null, |child, value| json!({ "value": value, "left": child, "right": child }));
        assert_eq!(check(&tree, &bushy), Ok(()));
        let numbers = json!({ "type": "array", "items": { "type": "integer" } });
        let mut many = vec![json!(1); 500_000];
        assert_eq!(check(&numbers, &json!(many)), Ok(()));
        many.push(json!("x"));
        assert!(check(&numbers, &json!(many)).unwrap_err().contains("too large to say where"));
    }
}
