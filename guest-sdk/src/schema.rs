//! JSON Schemas (draft 2020-12) of values: self-contained, and without noise.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// A generator for one schema.
pub(crate) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    // The package fixes the draft, so it need not stand in every schema.
    settings.meta_schema = None;
    settings.into_generator()
}

/// The schema of a type, with the definitions that it refers to.
pub(crate) fn of<T: JsonSchema>() -> Schema {
    let mut schema = generator().into_root_schema_for::<T>();
    // A type of the author's own has a name that tells people something; `Nullable_uint32` tells them nothing.
    if T::inline_schema() {
        schema.remove("title");
    }
    schema
}

/// Moves the definitions that `generator` collected into `schema`.
pub(crate) fn attach_definitions(schema: &mut Schema, generator: &mut SchemaGenerator) {
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".into(), Value::Object(definitions));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn schemas_of_standard_types_are_short() {
        assert_eq!(super::of::<i64>().to_value(), json!({ "type": "integer", "format": "int64" }));
        assert_eq!(super::of::<Option<bool>>().to_value(), json!({ "type": ["boolean", "null"] }));
        assert_eq!(super::of::<()>().to_value(), json!({ "type": "null" }));
        assert_eq!(super::of::<Vec<String>>().to_value(), json!({ "type": "array", "items": { "type": "string" } }));
    }
}
