//! One text for one JSON value: object keys sorted, no spaces, so that equal inputs have equal hashes (E1).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// BLAKE3 of a call's canonical input.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputHash([u8; 32]);

impl InputHash {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for InputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

/// JSON text in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalJson(String);

impl CanonicalJson {
    /// Brings JSON text into canonical form.
    ///
    /// # Errors
    /// When `text` is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Value>(text).map(|value| Self::of(&value))
    }

    /// The canonical text of `value`. Numbers are written as they were read: `1` and `1.0` are different inputs.
    pub fn of(value: &Value) -> Self {
        let mut sorted = value.clone();
        sorted.sort_all_objects();
        Self(sorted.to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, by value.
    pub fn into_string(self) -> String {
        self.0
    }

    /// The hash that calls are compared by.
    pub fn hash(&self) -> InputHash {
        InputHash(*blake3::hash(self.0.as_bytes()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn reversed(value: &Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(map.iter().rev().map(|(key, inner)| (key.clone(), reversed(inner))).collect()),
            Value::Array(items) => Value::Array(items.iter().map(reversed).collect()),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn e1_key_order_does_not_matter(value in json()) {
            prop_assert_eq!(CanonicalJson::of(&value).hash(), CanonicalJson::of(&reversed(&value)).hash());
        }

        #[test]
        fn e1_canonical_text_is_a_fixed_point(value in json()) {
            let once = CanonicalJson::of(&value);
            prop_assert_eq!(CanonicalJson::parse(once.as_str()).unwrap(), once);
        }
    }

    #[test]
    fn e1_different_values_differ() {
        assert_ne!(CanonicalJson::parse("{\"a\":1}").unwrap().hash(), CanonicalJson::parse("{\"a\":\"1\"}").unwrap().hash());
        assert!(CanonicalJson::parse("{").is_err());
    }
}
