//! What all codecs promise, for all protocols.

mod examples;
mod portable;
mod requests;
mod responses;
mod robust;
mod thinking;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON, small.
fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        // Eighths: exact in binary, so that reading their text gives them back.
        (-32..32_i8).prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        "[a-z é\\\\\"]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Any JSON object, small.
fn any_object() -> BoxedStrategy<Value> {
    prop::collection::vec(("[a-z]{1,4}", any_json()), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())).boxed()
}

/// A text, now and then an empty one.
fn some_text() -> impl Strategy<Value = String> {
    "[a-zA-Zé€😀 \\n\"{}]{0,12}"
}

/// An object of some of `fields`, each there or not, and of unknown keys.
fn object_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = fields
        .into_iter()
        .map(|(key, value)| prop::option::of(value.prop_map(move |value| (key.to_owned(), value))).boxed())
        .collect();
    let unknown = prop::collection::vec(("x_[a-z]{1,3}", any_json()), 0..2);
    (fields, unknown)
        .prop_map(|(fields, unknown)| {
            let map: Map<String, Value> = fields.into_iter().flatten().chain(unknown).collect();
            Value::Object(map)
        })
        .boxed()
}

/// The values as a strategy.
fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    prop::sample::select(values).boxed()
}

/// A function's schema.
fn schema() -> BoxedStrategy<Value> {
    one_of(vec![json!({"type": "object"}), json!({"type": "object", "properties": {"a": {"type": "string"}}})])
}
