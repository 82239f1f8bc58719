//! Keeping keys out of what providers say: errors quote the key that was wrong, whole, masked or cut off.

use std::collections::HashSet;

use serde_json::Value;

use super::secret::Secret;

/// What stands where a key was.
const REPLACEMENT: &str = "[redacted]";
/// So many bytes in common with the key are taken for a part of it.
const FRAGMENT: usize = 8;
/// A shorter key is a word like any other ("none", "ollama"), and is left alone.
const SHORTEST: usize = 8;
/// Takes the key of one request out of texts and documents.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction(Option<Secret>);

impl Redaction {
    pub(super) fn of(key: Option<&Secret>) -> Self {
        Self(key.filter(|key| key.expose().len() >= SHORTEST).cloned())
    }

    /// `text` on one line, without the key and parts of it; at most `longest` characters.
    pub(super) fn line(&self, text: &str, longest: usize) -> String {
        let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        // Only then cut: a key that straddles the end would leave a part.
        let words = self.without_fragments(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        if words.chars().count() <= longest {
            return words;
        }
        words.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
    }

    /// Takes the key and parts of it out of every string of `document`: for errors, whose words matter to nobody but people.
    pub(super) fn fragments(&self, document: &mut Value) {
        match document {
            Value::String(text) => *text = self.without_fragments(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fragments(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.fragments(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Takes the whole key out of every string of `document`: an answer that echoes the request's headers must not carry it on.
    pub(super) fn document(&self, document: &mut Value) {
        let Some(key) = &self.0 else { return };
        match document {
            Value::String(text) => {
                if text.contains(key.expose()) {
                    *text = text.replace(key.expose(), REPLACEMENT);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.document(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| name.contains(key.expose())) {
                    let renamed = std::mem::take(fields).into_iter();
                    *fields = renamed.map(|(name, value)| (name.replace(key.expose(), REPLACEMENT), value)).collect();
                }
                fields.values_mut().for_each(|value| self.document(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn without_fragments(&self, text: &str) -> String {
        let Some(key) = &self.0 else { return text.to_owned() };
        let size = FRAGMENT.min(key.expose().len());
        let fragments: HashSet<&[u8]> = key.expose().as_bytes().windows(size).collect();
        let mut covered = vec![false; text.len()];
        for (start, window) in text.as_bytes().windows(size).enumerate() {
            if fragments.contains(window) {
                covered.iter_mut().skip(start).take(size).for_each(|byte| *byte = true);
            }
        }
        let mut clean = String::with_capacity(text.len());
        let mut inside = false;
        for (start, char) in text.char_indices() {
            let hidden = covered.iter().skip(start).take(char.len_utf8()).any(|byte| *byte);
            match (hidden, inside) {
                (true, false) => clean.push_str(REPLACEMENT),
                (true, true) => {}
                (false, _) => clean.push(char),
            }
            inside = hidden;
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "sk-test-0123456789abcdefXYZ";

    fn redaction() -> Redaction {
        Redaction::of(Some(&Secret::new(KEY)))
    }

    #[test]
    fn keys_leave_whole_and_cut() {
        for (said, left) in [
            (format!("bad key {KEY}, sorry"), "bad key [redacted], sorry"),
            ("bad key 0123456789 here".into(), "bad key [redacted] here"),
            ("bad key sk-test.\nSee  docs".into(), "bad key sk-test. See docs"),
        ] {
            assert_eq!(redaction().line(&said, 200), left);
        }
    }

    #[test]
    fn a_cut_never_uncovers() {
        let said = format!("{}{KEY}", "é".repeat(20));
        for longest in 1..60 {
            let line = redaction().line(&said, longest);
            assert!(line.chars().count() <= longest && !line.contains("sk-t"), "{line}");
        }
    }

    #[test]
    fn short_keys_are_words() {
        for word in ["local", "ollama"] {
            let redaction = Redaction::of(Some(&Secret::new(word)));
            let said = format!("a {word} model");
            assert_eq!(redaction.line(&said, 100), said);
            let mut document = Value::from(said.as_str());
            redaction.document(&mut document);
            assert_eq!(document, said.as_str());
        }
    }

    #[test]
    fn documents_lose_the_key_too() {
        let mut document = serde_json::json!({ "echo": [format!("Bearer {KEY}"), 1], KEY: true });
        redaction().document(&mut document);
        assert_eq!(document, serde_json::json!({ "echo": ["Bearer [redacted]", 1], "[redacted]": true }));
    }

    proptest! {
        #[test]
        fn no_fragment_survives(before in "\\PC{0,40}", after in "\\PC{0,40}", from in 0_usize..19, length in 8_usize..27) {
            let part = &KEY[from..(from + length).min(KEY.len())];
            let line = redaction().line(&format!("{before}{part}{after}"), 1_000);
            prop_assert!(!line.contains(part), "{line}");
        }
    }
}
