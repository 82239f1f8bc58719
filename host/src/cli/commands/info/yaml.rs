//! JSON values as YAML 1.2, in block style. Texts are quoted as JSON quotes them, which YAML reads the same.

use serde_json::Value;

/// The value as a document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => block(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut text, value, 0),
        scalar => text.push_str(&format!("{}\n", quoted(scalar))),
    }
    text
}

/// An object or list that is not empty, each member in lines of its own.
fn block(text: &mut String, value: &Value, depth: usize) {
    let margin = "  ".repeat(depth);
    let line = |text: &mut String, head: &str, value: &Value| {
        text.push_str(&format!("{margin}{head}"));
        let is_block = value.as_object().is_some_and(|it| !it.is_empty()) || value.as_array().is_some_and(|it| !it.is_empty());
        if is_block {
            text.push('\n');
            block(text, value, depth + 1);
        } else {
            text.push_str(&format!(" {}\n", quoted(value)));
        }
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| line(text, &format!("{}:", quoted(&Value::from(key.as_str()))), value));
        }
        Value::Array(items) => items.iter().for_each(|value| line(text, "-", value)),
        _ => {}
    }
}

/// A scalar, or an empty object or list. YAML has characters that must not stand as they are, and that JSON does not mind.
fn quoted(value: &Value) -> String {
    let must_hide = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let hidden = |c: char| if must_hide(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    value.to_string().chars().map(hidden).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;

    fn read(yaml: &Yaml) -> Value {
        match yaml {
            Yaml::Null => Value::Null,
            Yaml::Boolean(flag) => json!(flag),
            Yaml::Integer(number) => json!(number),
            Yaml::Real(text) => json!(text.parse::<f64>().unwrap()),
            Yaml::String(text) => json!(text),
            Yaml::Array(items) => items.iter().map(read).collect(),
            Yaml::Hash(members) => members
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), read(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_reader_of_yaml_reads_the_same() {
        for value in [
            json!({ "a": 1, "b": [1, -2.5, true, null, "x"], "c": { "d": { "e": [] }, "f": {} }, "g": [[1, [2]], { "h": "i" }] }),
            json!({ "no": "yes", "~": "null", "1": "2", "": "", "a: b": "- c", "# d": "e # f", "key\n2": "line\nline\ttab" }),
            json!([
                "\"quoted\"",
                "\\back",
                "ümläut 日本",
                "\u{7f}\u{85}\u{9f}\u{feff}\u{2028}",
                "\u{1}",
                "& * ! | > ' % @ `",
                "2026-11-22",
                "0x10"
            ]),
            json!([]),
            json!({}),
            json!("text"),
            json!(null),
        ] {
            let text = document(&value);
            let documents = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            assert_eq!(documents.iter().map(read).collect::<Vec<_>>(), [value], "{text}");
        }
    }
}
