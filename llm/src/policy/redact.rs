//! Texts without what nobody is to read: known secrets, personal data, and whatever one's own patterns find.

use std::borrow::Cow;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::personal::{Finder, PersonalData};
use crate::provider::Secret;

/// What stands where a known secret was.
const SECRET: &str = "[redacted]";
/// A secret that is shorter is a word like any other.
const SHORTEST_SECRET: usize = 6;

/// A pattern of one's own, and what stands where it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// A regular expression. Searching takes time in proportion to the text, whatever the expression.
    pub pattern: String,
    /// What stands in its place; `$1` is the first group.
    #[serde(default = "redacted")]
    pub replacement: String,
}

fn redacted() -> String {
    SECRET.into()
}

/// Takes what nobody is to read out of texts and JSON.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Vec<Secret>,
    rules: Vec<(Regex, String)>,
    personal: Vec<Finder>,
}

/// A pattern that is no regular expression, or too large a one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pattern `{pattern}` cannot be used")]
pub struct RedactError {
    /// The pattern.
    pub pattern: String,
    /// Why.
    #[source]
    source: regex::Error,
}

pub(super) fn compile(pattern: &str) -> Result<Regex, RedactError> {
    Regex::new(pattern).map_err(|source| RedactError { pattern: pattern.into(), source })
}

impl Redactor {
    /// A redactor with these patterns, applied in order.
    ///
    /// # Errors
    /// When one is no regular expression.
    pub fn new(rules: &[RedactionRule]) -> Result<Self, RedactError> {
        let compiled = rules.iter().map(|rule| Ok((compile(&rule.pattern)?, rule.replacement.clone())));
        Ok(Self { rules: compiled.collect::<Result<_, _>>()?, ..Self::default() })
    }

    /// The same, and it finds these kinds of personal data too.
    ///
    /// # Errors
    /// Never with the patterns that are built in; they are checked by tests.
    pub fn with_personal_data(mut self, kinds: &[PersonalData]) -> Result<Self, RedactError> {
        // What holds more of a text comes first: a part of a key may look like a telephone number.
        for kind in PersonalData::ALL.into_iter().filter(|kind| kinds.contains(kind)) {
            self.personal.push(Finder::new(kind)?);
        }
        Ok(self)
    }

    /// The same, and it takes out these secrets wherever they stand.
    #[must_use]
    pub fn with_secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        for secret in secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST_SECRET) {
            // As it stands in JSON that is the text of something else.
            let quoted = Value::from(secret.expose()).to_string();
            let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            if inside != secret.expose() {
                self.secrets.push(Secret::new(inside));
            }
            self.secrets.push(secret);
        }
        // A secret that contains another must go first, or a part of it stays.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        self
    }

    /// Whether it has patterns of somebody's own, which may find anything.
    pub(crate) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The text without it.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.secrets {
            if clean.contains(secret.expose()) {
                clean = Cow::Owned(clean.replace(secret.expose(), SECRET));
            }
        }
        for (rule, replacement) in &self.rules {
            if let Cow::Owned(replaced) = rule.replace_all(&clean, replacement) {
                clean = Cow::Owned(replaced);
            }
        }
        for finder in &self.personal {
            if let Some(replaced) = finder.replaced(&clean) {
                clean = Cow::Owned(replaced);
            }
        }
        clean
    }

    /// The JSON without it, in texts, keys and numbers, at any depth. A text that is itself JSON, as arguments of tools are, is searched as JSON
    /// first: in its text, what was escaped is not found.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                let inside = self.inside(&text);
                Value::String(self.text(inside.as_deref().unwrap_or(&text)).into_owned())
            }
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(map) => Value::Object(self.object(map)),
            Value::Number(number) => match self.text(&number.to_string()) {
                Cow::Owned(replaced) if replaced != number.to_string() => Value::String(replaced),
                _ => Value::Number(number),
            },
            Value::Null | Value::Bool(_) => value,
        }
    }

    /// The text of an array or an object without it; nothing where it is none, or nothing is found in it.
    fn inside(&self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let before: Value = serde_json::from_str(text).ok()?;
        let after = self.json(before.clone());
        (after != before).then(|| after.to_string())
    }

    fn object(&self, map: Map<String, Value>) -> Map<String, Value> {
        let mut clean = Map::new();
        for (key, value) in map {
            let base = self.text(&key).into_owned();
            let mut name = base.clone();
            let mut number = 2_u32;
            // Two keys that say the same now are still two.
            while clean.contains_key(&name) {
                name = format!("{base}_{number}");
                number = number.saturating_add(1);
            }
            clean.insert(name, self.json(value));
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all() -> Redactor {
        Redactor::default().with_personal_data(&PersonalData::ALL).unwrap()
    }

    #[test]
    fn patterns_replace_with_their_groups() {
        let rule = RedactionRule { pattern: r"(?i)(order)-\d+".into(), replacement: "$1-…".into() };
        assert_eq!(Redactor::new(&[rule]).unwrap().text("see Order-123"), "see Order-…");
        let wrong = RedactionRule { pattern: "(".into(), replacement: redacted() };
        assert_eq!(Redactor::new(&[wrong]).unwrap_err().to_string(), "the pattern `(` cannot be used");
    }

    #[test]
    fn l20_a_key_that_a_provider_echoes_is_taken_out() {
        let redactor = all().with_secrets([Secret::new("my-odd-key"), Secret::new("my-odd-key-too"), Secret::new("short")]);
        assert_eq!(redactor.text("401: wrong my-odd-key-too, a short one"), "401: wrong [redacted], a short one");
        assert_eq!(redactor.text("Incorrect API key provided: sk-proj-0123456789abcdef."), "Incorrect API key provided: [key].");
        assert!(!format!("{redactor:?}").contains("my-odd"));
    }

    #[test]
    fn a2_a_secret_is_nowhere_in_json() {
        let before = json!({
            "messages": [{ "content": [{ "text": "SSN 123-45-6789" }] }], "ada@example.org": 4_111_111_111_111_111_u64, "bob@example.org": [true, 7],
            "arguments": "{\"to\":\"eve@example.org\"}"
        });
        let after = all().json(before);
        assert_eq!(
            after,
            json!({
                "messages": [{ "content": [{ "text": "SSN [ssn]" }] }], "[email]": "[card]", "[email]_2": [true, 7],
                "arguments": "{\"to\":\"[email]\"}"
            })
        );
    }

    #[test]
    fn what_is_escaped_in_arguments_is_found() {
        let redactor = all().with_secrets([Secret::new("pass\"wo\nrd")]);
        for (before, after) in [
            ("Card:\n4111111111111111", "Card:\n[card]"),
            ("SSN\t123-45-6789", "SSN\t[ssn]"),
            ("mail\nada@example.org", "mail\n[email]"),
            ("key\nsk-proj-0123456789abcdef", "key\n[key]"),
            ("is pass\"wo\nrd", "is [redacted]"),
        ] {
            let arguments =
                |text: &str| json!({ "arguments": json!({ "deep": [json!({ "t": text }).to_string()] }).to_string() });
            assert_eq!(redactor.json(arguments(before)), arguments(after));
        }
        let unicode = json!({ "arguments": "{\"to\":\"eve\\u0040example.org\"}" });
        assert_eq!(redactor.json(unicode)["arguments"], r#"{"to":"[email]"}"#);
        // Cut off, so it is only a text; and what is clean keeps its spelling.
        assert!(!redactor.text(r#"{"a":"pass\"wo\nrd"#).contains("rd"));
        assert_eq!(redactor.json(json!(r#"{ "a" : 1.0 }"#)), json!(r#"{ "a" : 1.0 }"#));
    }

    proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(text in "\\PC{0,60}") {
            let redactor = all();
            let once = redactor.text(&text).into_owned();
            prop_assert_eq!(redactor.text(&once), once.as_str());
        }

        #[test]
        fn a_secret_never_survives(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let redactor = Redactor::default().with_secrets([Secret::new("tok-marker-1")]);
            let text = format!("{before}tok-marker-1{after}");
            prop_assert!(!redactor.text(&text).contains("tok-marker-1"));
        }
    }
}
