//! Grants and needs in a line.

use serde::Serialize;
use serde_json::{Map, Value};

/// Grants, or needs, by kind: `read …; net …`, and those of single checkpoints after their names. Empty where there are none.
pub(super) fn granted(grants: &impl Serialize) -> String {
    match serde_json::to_value(grants) {
        Ok(Value::Object(map)) => of_map(&map),
        _ => String::new(),
    }
}

fn of_map(map: &Map<String, Value>) -> String {
    let texts = |values: &Value| {
        values.as_array().map(|values| values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    };
    let kinds = map.iter().map(|(kind, values)| (kind, texts(values))).filter(|(_, values)| !values.is_empty());
    let mut parts: Vec<String> = kinds.map(|(kind, values)| format!("{kind} {values}")).collect();
    let checkpoints = map.get("checkpoints").and_then(Value::as_object);
    for (name, own) in checkpoints.into_iter().flatten() {
        let own = own.as_object().map(of_map).unwrap_or_default();
        if !own.is_empty() {
            parts.push(format!("`{name}`: {own}"));
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn grants_are_a_line() {
        let all = json!({ "read": [], "env": ["LANG", "TZ"], "net": ["a:1"], "checkpoints": { "c": { "net": ["b:2"] }, "d": { "net": [] } } });
        assert_eq!(granted(&all), "env LANG, TZ; net a:1; `c`: net b:2");
        assert_eq!(granted(&json!({ "read": [] })), "");
    }
}
