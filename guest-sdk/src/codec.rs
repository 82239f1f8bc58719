//! How one argument or result crosses between instances: encoded, decoded, described by a schema.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::Serialize;
use serde_json::Value;

use crate::{Result, json, schema};

/// What can be an argument or a result: a type with serde's two traits and a JSON Schema. Implemented by itself.
///
/// ```
/// use kitaru::prelude::*;
///
/// #[data]
/// struct Order {
///     item: String,
///     count: u32,
/// }
///
/// fn needs_data<T: kitaru::Data>() {}
/// needs_data::<Order>();
/// needs_data::<Vec<Option<Order>>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a flow or checkpoint",
    label = "it cannot cross between instances as JSON",
    note = "a type of your own can once it has `#[data]`, or derives `Serialize`, `Deserialize` and `JsonSchema`",
    note = "what cannot become JSON (an open file, a connection, a closure) has to be made anew inside the checkpoint"
)]
pub trait Data: Serialize + DeserializeOwned + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Data for T {}

/// The functions of one [`Data`] type. Only [`codec`] demands the trait, so that a type without it is reported once.
#[derive(Debug, Clone, Copy)]
pub struct Codec<T> {
    encode: fn(&T) -> Result<String>,
    from_text: fn(&str) -> Result<T>,
    from_value: fn(Value) -> serde_json::Result<T>,
    missing: fn() -> Option<T>,
    subschema: fn(&mut SchemaGenerator) -> Schema,
    schema: fn() -> Schema,
}

/// The codec of a type.
pub const fn codec<T: Data>() -> Codec<T> {
    Codec {
        encode: |value| json::to_text(value),
        from_text: |text| json::from_text(text),
        from_value: |value| serde_json::from_value(value),
        missing: || T::deserialize(Missing).ok(),
        subschema: |generator| generator.subschema_for::<T>(),
        schema: || schema::of::<T>(),
    }
}

impl<T> Codec<T> {
    pub(crate) fn encode(&self, value: &T) -> Result<String> {
        (self.encode)(value)
    }

    pub(crate) fn decode(&self, text: &str) -> Result<T> {
        (self.from_text)(text)
    }

    pub(crate) fn decode_value(&self, value: Value) -> serde_json::Result<T> {
        (self.from_value)(value)
    }

    /// The value of an argument that was left out, for the types that have one: `Option`.
    pub(crate) fn missing(&self) -> Option<T> {
        (self.missing)()
    }

    /// The schema as a part of the one that `generator` is for.
    pub(crate) fn subschema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.subschema)(generator)
    }

    /// The schema by itself.
    pub(crate) fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// The absence of a value: an `Option` reads `None` from it, everything else fails.
struct Missing;

#[derive(Debug)]
struct IsMissing;

impl fmt::Display for IsMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("missing")
    }
}

impl std::error::Error for IsMissing {}

impl serde::de::Error for IsMissing {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Missing {
    type Error = IsMissing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, IsMissing> {
        Err(IsMissing)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, IsMissing> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_option_may_be_left_out() {
        assert_eq!(codec::<Option<u8>>().missing(), Some(None));
        assert_eq!(codec::<u8>().missing(), None);
        assert_eq!(codec::<String>().missing(), None);
        assert_eq!(codec::<Value>().missing(), None);
        assert_eq!(codec::<Vec<u8>>().missing(), None);
    }
}
