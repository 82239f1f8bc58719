//! From a verb and its parameters to a request: what the server's side reads, the other way round.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value};

use crate::ids::{Ids as _, SystemIds};
use crate::service::ServiceError;
use crate::service::verbs::{self, About, Effect, Verb as _};

/// The parameter by which a request is carried out once, however often it is sent.
const KEY: &str = "idempotency_key";

/// Verbs that run or compare many executions, or ask somebody else, before they answer.
const LONG: [&str; 7] = [
    verbs::Verify::ABOUT.name,
    verbs::Upgrade::ABOUT.name,
    verbs::Diff::ABOUT.name,
    verbs::DiffMatrix::ABOUT.name,
    verbs::DeleteMany::ABOUT.name,
    verbs::Replay::ABOUT.name,
    verbs::ModelTest::ABOUT.name,
];

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The verb, for messages.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Below the server's address, with the query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Sending it twice is the same as sending it once.
    pub(super) is_repeatable: bool,
    /// It takes or makes something large before it is answered, or works long.
    pub(super) is_transfer: bool,
}

impl Ask {
    /// A verb of the table.
    ///
    /// # Errors
    /// When a parameter cannot be part of a path.
    pub(super) fn verb(about: &About, params: Value) -> Result<Self, ServiceError> {
        let Value::Object(mut params) = params else {
            return Err(ServiceError::usage(format!("the parameters of `{}` are no object", about.name)));
        };
        // A start whose answer is lost starts once, whether somebody thought of a key or not.
        if let Some(key) = params.get_mut(KEY).filter(|key| key.is_null()) {
            *key = SystemIds.execution().to_string().into();
        }
        let has_key = params.get(KEY).is_some_and(|key| !key.is_null());
        let mut ask = Self::special(about, &mut params)?;
        ask.is_repeatable |= has_key;
        ask.is_transfer = LONG.contains(&about.name);
        if !about.method.has_body() {
            ask.query(params);
        } else if !params.is_empty() {
            ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            ask.body = Some(Bytes::from(Value::Object(params).to_string()));
        }
        Ok(ask)
    }

    /// A verb whose parameters in the path are taken out of `params`.
    ///
    /// # Errors
    /// When one of them is missing, or cannot be part of a path.
    pub(super) fn special(about: &About, params: &mut Map<String, Value>) -> Result<Self, ServiceError> {
        let mut path = verbs::BASE.to_owned();
        for part in about.path.split('/').skip(1) {
            path.push('/');
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                None => path.push_str(part),
                Some(name) => {
                    let text = params.remove(name).and_then(|value| text(&value)).unwrap_or_default();
                    // A path that has these in it is another path, however they are written.
                    if matches!(text.as_str(), "" | "." | "..") {
                        return Err(ServiceError::usage(format!("`{name}` must not be empty, and not `.` or `..`")));
                    }
                    encode(&mut path, &text);
                }
            }
        }
        let method = Method::from_bytes(about.method.as_str().as_bytes()).unwrap_or_default();
        let is_repeatable = about.effect == Effect::Reads;
        let headers = HeaderMap::new();
        Ok(Self { name: about.name, method, path, headers, body: None, is_repeatable, is_transfer: false })
    }

    /// A verb that gives or takes bytes or a stream, by its name.
    ///
    /// # Errors
    /// As [`Ask::special`]; and where there is no such verb.
    pub(super) fn named(name: &str, params: &[(&str, &str)]) -> Result<Self, ServiceError> {
        let found = verbs::specials().iter().find(|about| about.name == name);
        let about = found.ok_or_else(|| ServiceError::state(format!("there is no verb `{name}`")))?;
        let mut params: Map<String, Value> =
            params.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let mut ask = Self::special(about, &mut params)?;
        ask.query(params);
        Ok(ask)
    }

    /// The same with a field more in its query.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.add(name, value);
        self
    }

    fn add(&mut self, name: &str, value: &str) {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        encode(&mut self.path, name);
        self.path.push('=');
        encode(&mut self.path, value);
    }

    /// Adds what is left to the query: a list is a field that is repeated, and what is absent is not there.
    fn query(&mut self, params: Map<String, Value>) {
        for (name, value) in params {
            match value {
                Value::Array(several) => several.iter().filter_map(text).for_each(|text| self.add(&name, &text)),
                one => text(&one).into_iter().for_each(|text| self.add(&name, &text)),
            }
        }
    }
}

/// A value as text; none where it is absent.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Adds a text so that it is one part of a path, or one word of a query, whatever is in it.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::verbs::{ExecutionParams, List, ListParams, Run, Tag, Verb, Verify};
    use crate::service::{RunParams, TagParams};

    fn ask<V: Verb>(params: V::Params) -> Ask {
        Ask::verb(&V::ABOUT, serde_json::to_value(params).unwrap()).unwrap()
    }

    #[test]
    fn parameters_go_where_the_server_looks_for_them() {
        let params = ListParams { tags: vec!["a".into(), "b c&d".into()], limit: Some(5), ..ListParams::default() };
        let list = ask::<List>(params);
        assert_eq!((list.method.as_str(), list.path.as_str()), ("GET", "/api/v1/executions?tags=a&tags=b%20c%26d&limit=5"));
        assert!(list.body.is_none() && list.is_repeatable);
        let tag = ask::<Tag>(TagParams { flow: "a/b ü".into(), tag: "x".into(), version: 3, exclusive: None });
        assert_eq!((tag.method.as_str(), tag.path.as_str()), ("PUT", "/api/v1/flows/a%2Fb%20%C3%BC/tags/x"));
        let body: Value = serde_json::from_slice(&tag.body.unwrap()).unwrap();
        assert_eq!((body, tag.is_repeatable), (json!({ "version": 3, "exclusive": null }), false));
        let verify = Ask::verb(&Verify::ABOUT, json!({ "executions": ["a"] })).unwrap();
        assert!(verify.is_repeatable, "it reads, though it has a body");
    }

    #[test]
    fn a_start_has_a_key() {
        let key = |params: RunParams| {
            let run = ask::<Run>(params);
            assert!(run.is_repeatable);
            let body: Value = serde_json::from_slice(&run.body.unwrap()).unwrap();
            body["idempotency_key"].as_str().unwrap().to_owned()
        };
        assert_ne!(key(RunParams::default()), key(RunParams::default()));
        assert_eq!(key(RunParams { idempotency_key: Some("mine".into()), ..RunParams::default() }), "mine");
    }

    #[test]
    fn no_parameter_makes_another_path() {
        for bad in ["", ".", ".."] {
            let params = serde_json::to_value(ExecutionParams { execution: bad.into() }).unwrap();
            assert!(Ask::verb(&crate::service::verbs::Get::ABOUT, params).is_err(), "{bad:?}");
        }
        let stream = Ask::named("executions.stream", &[("execution", "../../x?y")]).unwrap();
        assert_eq!(stream.path, "/api/v1/executions/..%2F..%2Fx%3Fy/stream");
    }

    #[test]
    fn every_verb_can_be_asked_for_by_its_parameters() {
        for entry in verbs::all() {
            let names = entry.about.path_parameters().map(|name| (name.to_owned(), json!("x")));
            let ask = Ask::verb(&entry.about, Value::Object(names.collect())).unwrap();
            assert!(!ask.path.contains('{'), "{}", ask.path);
        }
    }
}
