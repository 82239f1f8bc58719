//! The exact report of a call that is not the recorded one (E2).

use std::fmt;

use serde_json::{Value, json};

use super::{CallKind, Descriptor, Failure, Origin};

/// What identifies a call in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallShape {
    /// Kind of call.
    pub kind: CallKind,
    /// Author's name for it.
    pub name: String,
    /// Invocation ID.
    pub invocation: String,
}

impl From<&Descriptor> for CallShape {
    fn from(descriptor: &Descriptor) -> Self {
        Self { kind: descriptor.kind, name: descriptor.name.clone(), invocation: descriptor.invocation.clone() }
    }
}

impl CallShape {
    fn to_json(&self) -> Value {
        json!({ "kind": self.kind.as_str(), "name": self.name, "invocation_id": self.invocation })
    }
}

impl fmt::Display for CallShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)?;
        if self.invocation != self.name {
            write!(f, " (invocation `{}`)", self.invocation)?;
        }
        Ok(())
    }
}

/// In what the code and the journal differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DivergenceKind {
    /// Another call than the recorded one: renamed, reordered, inserted or left out.
    Call,
    /// The same call with another input.
    Input {
        /// Path of the first value that differs, such as `$.topic`.
        path: String,
        /// The recorded value there, shortened.
        expected: String,
        /// The value there now, shortened.
        actual: String,
    },
    /// The flow ended and the journal has more calls.
    Missing,
}

/// The code no longer makes the durable calls that the journal records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The call index at which they part.
    pub index: u32,
    /// The recorded call.
    pub expected: CallShape,
    /// The call that the flow made; absent when it made none.
    pub actual: Option<CallShape>,
    /// In what they differ.
    pub kind: DivergenceKind,
}

impl Divergence {
    /// Compares a call with the record, names first, then (unless `any_input`) inputs. `inputs` gives both canonical texts, expected first,
    /// and is only asked when the hashes differ.
    pub fn between(index: u32, expected: &Descriptor, actual: &Descriptor, inputs: Option<(&str, &str)>) -> Option<Self> {
        let (want, got) = (CallShape::from(expected), CallShape::from(actual));
        if want != got {
            return Some(Self { index, expected: want, actual: Some(got), kind: DivergenceKind::Call });
        }
        if expected.input_hash == actual.input_hash {
            return None;
        }
        let (old, new) = inputs?;
        let (path, expected_value, actual_value) = first_difference(old, new);
        let kind = DivergenceKind::Input { path, expected: expected_value, actual: actual_value };
        Some(Self { index, expected: want, actual: Some(got), kind })
    }

    /// As the failure that ends the execution.
    pub fn to_failure(&self) -> Failure {
        let mut details = json!({
            "call_index": self.index,
            "expected": self.expected.to_json(),
            "actual": self.actual.as_ref().map(CallShape::to_json),
        });
        if let (DivergenceKind::Input { path, expected, actual }, Some(map)) = (&self.kind, details.as_object_mut()) {
            map.insert("path".into(), json!(path));
            map.insert("expected_value".into(), json!(expected));
            map.insert("actual_value".into(), json!(actual));
        }
        Failure { origin: Origin::Divergence, ..Failure::runtime("divergence", self.to_string()) }
            .at_call(self.index)
            .with_details(&details)
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the flow diverged from its journal at call {}: expected {}, ", self.index, self.expected)?;
        match (&self.kind, &self.actual) {
            (DivergenceKind::Input { path, expected, actual }, _) => {
                write!(f, "got it with another input: at `{path}` expected {expected}, actual {actual}")
            }
            (_, Some(actual)) => write!(f, "actual {actual}"),
            (_, None) => f.write_str("but the flow ended without it"),
        }
    }
}

/// The first place where two JSON texts differ, with both values, shortened for people.
fn first_difference(expected: &str, actual: &str) -> (String, String, String) {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let (expected, actual) = (parse(expected), parse(actual));
    let mut path = String::from("$");
    let (expected, actual) = descend(&mut path, Some(&expected), Some(&actual));
    (path, brief(expected), brief(actual))
}

fn descend<'v>(
    path: &mut String,
    expected: Option<&'v Value>,
    actual: Option<&'v Value>,
) -> (Option<&'v Value>, Option<&'v Value>) {
    match (expected, actual) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            match keys.into_iter().find(|key| old.get(*key) != new.get(*key)) {
                Some(key) => {
                    path.push('.');
                    path.push_str(key);
                    descend(path, old.get(key), new.get(key))
                }
                None => (expected, actual),
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            match (0..old.len().max(new.len())).find(|&position| old.get(position) != new.get(position)) {
                Some(position) => {
                    path.push_str(&format!("[{position}]"));
                    descend(path, old.get(position), new.get(position))
                }
                None => (expected, actual),
            }
        }
        _ => (expected, actual),
    }
}

fn brief(value: Option<&Value>) -> String {
    const LONGEST: usize = 120;
    let Some(value) = value else { return "nothing".into() };
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_the_first_differing_path_is_exact() {
        let cases = [
            (r#"{"a":1,"b":{"c":[1,2,3]}}"#, r#"{"a":1,"b":{"c":[1,9,3]}}"#, ("$.b.c[1]", "2", "9")),
            (r#"{"a":1}"#, r#"{"a":1,"z":true}"#, ("$.z", "nothing", "true")),
            (r#"[1,2]"#, r#"[1]"#, ("$[1]", "2", "nothing")),
            (r#"1"#, r#""1""#, ("$", "1", "\"1\"")),
        ];
        for (old, new, (path, expected, actual)) in cases {
            assert_eq!(first_difference(old, new), (path.into(), expected.into(), actual.into()));
        }
    }

    #[test]
    fn long_values_are_shortened_at_a_character() {
        let long = serde_json::to_string(&"é".repeat(500)).unwrap();
        let (_, expected, _) = first_difference(&long, "1");
        assert_eq!(expected.chars().count(), 121);
    }
}
