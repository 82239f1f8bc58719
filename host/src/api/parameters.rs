//! From path, query and body to the one object that a verb takes.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::problem::Problem;

/// What a parameter is, as far as text has to be turned into it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List(Box<Self>),
    /// Whatever JSON says.
    Any,
}

/// The parameters of a verb, by their names.
#[derive(Clone, Debug)]
pub(super) struct Shape(BTreeMap<String, Kind>);

impl Shape {
    /// From the schema of what a verb takes.
    pub(super) fn of(schema: &Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten().map(|(name, field)| (name.clone(), kind(field, schema)));
        Self(fields.collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A parameter of the path.
    pub(super) fn of_path(&self, name: &str, text: &str) -> Result<Value, Problem> {
        value(name, self.0.get(name).unwrap_or(&Kind::Text), text)
    }

    /// Parameters of the query; those of the path are not among them.
    pub(super) fn of_query(&self, uri: &Uri, of_path: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        let mut found: Map<String, Value> = Map::new();
        for (name, text) in pairs(uri)? {
            let kind = self.0.get(&name).filter(|_| !of_path.contains_key(&name));
            let kind = kind.ok_or_else(|| unknown(&name, self.0.keys().filter(|known| !of_path.contains_key(*known))))?;
            match kind {
                Kind::List(of) => {
                    let one = value(&name, of, &text)?;
                    match found.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                        Value::Array(list) => list.push(one),
                        other => *other = one,
                    }
                }
                kind => {
                    let one = value(&name, kind, &text)?;
                    if found.contains_key(&name) {
                        return Err(Problem::usage(format!("`{}` is given twice", shown(&name))));
                    }
                    found.insert(name, one);
                }
            }
        }
        Ok(found)
    }
}

/// The one parameter of a path.
pub(super) struct OfPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for OfPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Problem::usage("the path is no text in UTF-8"))?;
        let first = params.iter().next().map(|(_, text)| Self(text.to_owned()));
        first.ok_or_else(Problem::nothing_here)
    }
}

/// The fields of a query.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let read = Query::<Vec<(String, String)>>::try_from_uri(uri);
    Ok(read.map_err(|_| Problem::usage("the query cannot be read"))?.0)
}

/// The fields of a query where there may be only these, each once.
pub(super) fn only(uri: &Uri, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let mut found = BTreeMap::new();
    for (name, text) in pairs(uri)? {
        if !known.contains(&name.as_str()) {
            return Err(unknown(&name, known.iter()));
        }
        if found.insert(name.clone(), text).is_some() {
            return Err(Problem::usage(format!("`{}` is given twice", shown(&name))));
        }
    }
    Ok(found)
}

fn unknown<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> Problem {
    let known: Vec<String> = known.map(|name| format!("`{}`", name.as_ref())).collect();
    let problem = Problem::usage(format!("there is no parameter `{}`", shown(name)));
    if known.is_empty() { problem.hint("there are none") } else { problem.hint(format!("there are {}", known.join(", "))) }
}

/// As much of a text as is repeated.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn value(name: &str, kind: &Kind, text: &str) -> Result<Value, Problem> {
    let read = match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Integer => text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok(),
        Kind::Number => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number),
        Kind::Boolean => text.parse::<bool>().map(Value::Bool).ok(),
        Kind::List(of) => Some(Value::Array(vec![value(name, of, text)?])),
        Kind::Any => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))),
    };
    let wanted = match kind {
        Kind::Integer => "a whole number",
        Kind::Number => "a number",
        Kind::Boolean => "`true` or `false`",
        _ => "a text",
    };
    read.ok_or_else(|| Problem::usage(format!("`{}` must be {wanted}, not `{}`", shown(name), shown(text))))
}

/// What a schema says of one parameter.
fn kind(field: &Value, root: &Value) -> Kind {
    if let Some(reference) = field.get("$ref").and_then(Value::as_str) {
        let named = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return named.map_or(Kind::Any, |named| kind(named, root));
    }
    // What may be absent is this or null.
    if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|name| field.get(*name)?.as_array()) {
        let mut real = choices.iter().filter(|choice| choice.get("type") != Some(&Value::from("null")));
        return match (real.next(), real.next()) {
            (Some(only), None) => kind(only, root),
            // Words, each with a description of its own.
            (Some(first), Some(_)) if first.get("const").is_some_and(Value::is_string) => Kind::Text,
            _ => Kind::Any,
        };
    }
    let types: Vec<&str> = match field.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
        _ => Vec::new(),
    };
    match types.as_slice() {
        ["string"] => Kind::Text,
        ["integer"] => Kind::Integer,
        ["number"] => Kind::Number,
        ["boolean"] => Kind::Boolean,
        ["array"] => Kind::List(Box::new(field.get("items").map_or(Kind::Any, |items| kind(items, root)))),
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::verbs;

    fn shape(name: &str) -> Shape {
        let entry = verbs::all().iter().find(|entry| entry.about.name == name).unwrap();
        Shape::of((entry.params)().as_value())
    }

    fn query(name: &str, text: &str) -> Result<Value, Problem> {
        let uri: Uri = format!("/x?{text}").parse().unwrap();
        shape(name).of_query(&uri, &Map::new()).map(Value::Object)
    }

    #[test]
    fn a_query_becomes_what_the_verb_takes() {
        let read = query("executions.list", "status=running&tags=a&tags=b%20c&limit=5&flow=7").unwrap();
        assert_eq!(read, json!({"status": "running", "tags": ["a", "b c"], "limit": 5, "flow": "7"}));
        assert_eq!(query("executions.access", "denied=true").unwrap(), json!({"denied": true}));
        assert_eq!(query("executions.list", "").unwrap(), json!({}));
    }

    #[test]
    fn what_a_verb_does_not_take_is_refused() {
        for bad in ["limit=x", "limit=1&limit=2", "nothing=1", "status=a&status=b"] {
            assert!(query("executions.list", bad).is_err(), "{bad}");
        }
        assert!(query("executions.access", "denied=yes").is_err());
        let uri: Uri = "/x?execution=other".parse().unwrap();
        let of_path = Map::from_iter([("execution".to_owned(), json!("this"))]);
        assert!(shape("executions.get").of_query(&uri, &of_path).is_err(), "the path has said which");
    }

    #[test]
    fn every_parameter_of_a_query_has_a_kind_and_every_one_of_a_path_is_a_parameter() {
        for entry in verbs::all() {
            let shape = Shape::of((entry.params)().as_value());
            for name in entry.about.path_parameters() {
                assert!(shape.has(name), "{}: {name}", entry.about.name);
            }
            for (name, kind) in &shape.0 {
                assert!(entry.about.method.has_body() || *kind != Kind::Any, "{}: {name}", entry.about.name);
            }
        }
    }
}
