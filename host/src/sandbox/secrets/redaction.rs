//! Taking values out of what is said.

use std::fmt;

use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::journal::Failure;

/// What stands where a value was.
const REPLACEMENT: &str = "[redacted]";
/// A shorter value is a word like any other, and is left alone.
const SHORTEST: usize = 8;

/// Values of secrets that are not to be said.
#[derive(Clone, Default)]
pub(in crate::sandbox) struct Redaction(Vec<Zeroizing<String>>);

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({})", self.0.len())
    }
}

impl Redaction {
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut redaction = Self::default();
        values.for_each(|value| redaction.add(value));
        redaction
    }

    pub(super) fn add(&mut self, value: &str) {
        if value.len() >= SHORTEST {
            self.0.push(Zeroizing::new(value.to_owned()));
        }
    }

    pub(in crate::sandbox) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` without the values.
    pub(in crate::sandbox) fn text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, value| match text.contains(value.as_str()) {
            true => text.replace(value.as_str(), REPLACEMENT),
            false => text,
        })
    }

    /// Takes the values out of what a server says in headers: some repeat what they were sent.
    pub(in crate::sandbox) fn headers(&self, headers: &mut HeaderMap) {
        for said in headers.values_mut() {
            for value in &self.0 {
                if let Some(clean) = replaced(said.as_bytes(), value.as_bytes(), REPLACEMENT.as_bytes()) {
                    *said = HeaderValue::from_bytes(&clean).unwrap_or_else(|_| HeaderValue::from_static(REPLACEMENT));
                }
            }
        }
    }

    /// Takes the values out of a failure, which is recorded.
    pub(in crate::sandbox) fn failure(&self, failure: Failure) -> Failure {
        if self.is_empty() {
            return failure;
        }
        let Failure { kind, message, details, .. } = failure;
        let details = details.map(|text| match serde_json::from_str::<Value>(&text) {
            Ok(mut details) => {
                self.strings(&mut details);
                details.to_string()
            }
            Err(_) => self.text(text),
        });
        Failure { kind: self.text(kind), message: self.text(message), details, ..failure }
    }

    /// Takes the values out of every string of `document`.
    fn strings(&self, document: &mut Value) {
        match document {
            Value::String(text) => *text = self.text(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.strings(item)),
            Value::Object(fields) => {
                for (name, mut value) in std::mem::take(fields) {
                    self.strings(&mut value);
                    fields.insert(self.text(name), value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// `bytes` with every `from` replaced by `to`; none where there is no `from`.
pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::new());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len().max(1)).position(|window| window == from) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(to);
        rest = after.get(from.len()..).unwrap_or_default();
    }
    if rest.len() == bytes.len() {
        return None;
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn redaction() -> Redaction {
        Redaction::of(["sk-marker", "short"].into_iter())
    }

    #[test]
    fn values_leave_headers_and_failures() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("Bearer sk-marker, sk-marker short"));
        redaction().headers(&mut headers);
        assert_eq!(headers["x-echo"], "Bearer [redacted], [redacted] short");
        let details = json!({ "sk-marker": ["a sk-marker", 1], "other": null });
        let failure = redaction().failure(Failure::user("error", "with sk-marker").with_details(&details));
        assert_eq!(failure.message, "with [redacted]");
        assert_eq!(failure.details_json().unwrap(), json!({ "[redacted]": ["a [redacted]", 1], "other": null }));
        let text = Failure { details: Some("sk-marker {".into()), ..Failure::user("sk-marker", "") };
        let clean = redaction().failure(text);
        assert_eq!((clean.kind.as_str(), clean.details.as_deref()), ("[redacted]", Some("[redacted] {")));
        assert_eq!(format!("{:?}", redaction()), "Redaction(1)");
    }

    proptest! {
        #[test]
        fn bytes_are_replaced_as_texts_are(text in "[ab]{0,20}", from in "[ab]{1,3}", to in "[xy]{0,3}") {
            let expected = text.contains(&from).then(|| text.replace(&from, &to).into_bytes());
            let bytes = replaced(text.as_bytes(), from.as_bytes(), to.as_bytes()).map(|bytes| bytes.to_vec());
            prop_assert_eq!(bytes, expected);
        }
    }
}
