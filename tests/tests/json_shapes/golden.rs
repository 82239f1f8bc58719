//! Shapes as they are written down, one file for each command: `{situation: {exit_code, stdout, stderr}}`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kitaru_tests::{Reply, repository};
use serde_json::{Value, json};

use super::shape::{shape, sorted};

/// Set to 1, the files are written anew instead of compared.
const UPDATE: &str = "KITARU_UPDATE_GOLDEN";

/// The folder of the files.
pub(super) fn folder() -> PathBuf {
    repository().join("tests/tests/json_shapes")
}

/// What is written down for a command.
pub(super) fn written(command: &str) -> Value {
    let file = folder().join(format!("{command}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()))
}

/// The shape of what a command answered, and where.
pub(super) fn answer(reply: &Reply) -> Value {
    let mut parts = vec![("exit_code".to_owned(), json!(reply.code))];
    for (stream, text) in [("stdout", &reply.stdout), ("stderr", &reply.stderr)] {
        let lines: Vec<Value> = text.lines().map(|line| line_shape(line, reply)).collect();
        parts.extend(match lines.len() {
            0 => None,
            1 => lines.into_iter().next().map(|line| (stream.to_owned(), line)),
            _ => {
                // A stream of events: how many of a kind come after each other is not for its shape to say.
                let mut kinds = lines;
                kinds.dedup();
                Some((stream.to_owned(), Value::Array(kinds)))
            }
        });
    }
    sorted(parts)
}

fn line_shape(line: &str, reply: &Reply) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}{reply:?}"));
    shape(&value, "")
}

/// Compares what a command answered in several situations with what is written down for it.
#[track_caller]
pub(super) fn check(command: &str, situations: &[(&str, Value)]) {
    let found = sorted(situations.iter().map(|(situation, answer)| ((*situation).to_owned(), answer.clone())));
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        let text = serde_json::to_string_pretty(&found).expect("a shape is JSON") + "\n";
        std::fs::write(folder().join(format!("{command}.json")), text).expect("a file of shapes");
        return;
    }
    let differences = differences(command, &written(command), &found);
    let list = differences.join("\n  ");
    assert!(differences.is_empty(), "`{command}` does not answer as it is written down:\n  {list}\nIf that is meant: {UPDATE}=1");
}

/// Where two shapes differ.
pub(super) fn differences(at: &str, written: &Value, found: &Value) -> Vec<String> {
    match (written, found) {
        (Value::Object(written), Value::Object(found)) => {
            let keys: BTreeSet<&String> = written.keys().chain(found.keys()).collect();
            let of = |key: &String| match (written.get(key), found.get(key)) {
                (Some(written), Some(found)) => differences(&format!("{at}.{key}"), written, found),
                (Some(written), None) => vec![format!("{at}.{key}: gone; written down is {written}")],
                (None, found) => vec![format!("{at}.{key}: not written down; found {}", found.unwrap_or(&Value::Null))],
            };
            keys.into_iter().flat_map(of).collect()
        }
        (Value::Array(written), Value::Array(found)) if written.len() == found.len() => {
            let pairs = written.iter().zip(found).enumerate();
            pairs.flat_map(|(index, (written, found))| differences(&format!("{at}[{index}]"), written, found)).collect()
        }
        _ if written == found => Vec::new(),
        _ => vec![format!("{at}: written down is {written}; found {found}")],
    }
}
