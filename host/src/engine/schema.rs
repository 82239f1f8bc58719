//! JSON Schema: inputs against a flow's schema, answers against a wait's.

use std::collections::HashMap;
use std::sync::Mutex;

use kitaru_llm::schema::{Misfit, Schema, UnusableSchema};
use serde_json::Value;

use crate::ids::ComponentDigest;
use crate::mutex::lock;
use crate::sandbox::FlowInfo;

/// In what a value does not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem(String);

impl std::fmt::Display for SchemaProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<UnusableSchema> for SchemaProblem {
    fn from(error: UnusableSchema) -> Self {
        Self(format!("the schema is not usable: {error}"))
    }
}

impl From<Misfit> for SchemaProblem {
    fn from(misfit: Misfit) -> Self {
        Self(misfit.to_string())
    }
}

/// Checks `value` against `schema` (JSON Schema; a schema that is itself unusable is a problem too). `null` as a schema accepts everything.
///
/// # Errors
/// The first three problems, each with its path.
pub fn check(schema: &Value, value: &Value) -> Result<(), SchemaProblem> {
    checked(read(schema)?.as_ref(), value)
}

fn read(schema: &Value) -> Result<Option<Schema>, SchemaProblem> {
    if schema.is_null() { Ok(None) } else { Ok(Some(Schema::new(schema)?)) }
}

fn checked(schema: Option<&Schema>, value: &Value) -> Result<(), SchemaProblem> {
    schema.map_or(Ok(()), |schema| schema.check(value)).map_err(SchemaProblem::from)
}

/// The input schemas of flows, by component and flow: what is submitted again and again is not read again each time.
#[derive(Default)]
pub(super) struct InputSchemas(Mutex<HashMap<(ComponentDigest, String), Option<Schema>>>);

impl InputSchemas {
    /// Checks the input of a flow of this component.
    ///
    /// # Errors
    /// As [`check`].
    pub(super) fn check(&self, component: ComponentDigest, flow: &FlowInfo, input: &Value) -> Result<(), SchemaProblem> {
        let key = (component, flow.name.clone());
        let known = lock(&self.0).get(&key).cloned();
        let schema = match known {
            Some(schema) => schema,
            None => {
                let schema = read(&flow.input)?;
                lock(&self.0).insert(key, schema.clone());
                schema
            }
        };
        checked(schema.as_ref(), input)
    }
}

/// Why no value can be checked against `schema`, if that is so.
pub(super) fn problem(schema: &Value) -> Option<SchemaProblem> {
    Schema::new(schema).err().map(SchemaProblem::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn w4_to_w7_and_w20() {
        let fits = |schema: Value, value: Value| check(&schema, &value).is_ok();
        assert!(!fits(json!({"type": "boolean"}), json!("yes")));
        assert!(!fits(json!({"type": "integer"}), json!(true)), "a bool is not an integer");
        assert!(fits(json!({"type": "number"}), json!(1)));
        assert!(fits(json!({"type": ["string", "null"]}), json!(null)));
        let record = json!({"type": "object", "required": ["notes"], "properties": {"notes": {"type": "string"}}});
        assert!(check(&record, &json!({})).unwrap_err().to_string().contains("notes"));
        assert!(check(&record, &json!({"notes": 1})).unwrap_err().to_string().contains("/notes"));
        assert!(fits(Value::Null, json!(null)) && fits(Value::Null, json!({"any": 1})));
        assert!(fits(json!(true), json!(1)) && !fits(json!(false), json!(1)));
    }

    #[test]
    fn a_schema_cannot_reach_outside() {
        assert!(check(&json!({"$ref": "http://127.0.0.1:1/x.json"}), &json!(1)).is_err());
        assert!(check(&json!({"$ref": "file:///etc/passwd"}), &json!(1)).is_err());
    }

    #[test]
    fn a_chain_of_references_cannot_exhaust_the_stack() {
        let hop = |n: usize| (format!("d{n}"), json!({ "$ref": format!("#/$defs/d{}", n + 1) }));
        let mut definitions: serde_json::Map<String, Value> = (0..100_000).map(hop).collect();
        definitions.insert("d100000".into(), json!({ "type": "integer" }));
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
        assert!(check(&schema, &json!(1)).is_err() && problem(&schema).is_some());
    }
}
