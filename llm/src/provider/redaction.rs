//! Keeping keys out of what providers say: errors quote the key that was wrong, whole, masked or cut off.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Value};

use super::key_filter::KeyFilter;
use super::secret::Secret;

/// What stands where a key was.
pub(super) const REPLACEMENT: &str = "[redacted]";
/// So many bytes in common with the key are taken for a part of it.
pub(super) const FRAGMENT: usize = 8;
/// A shorter key is a word like any other ("none", "ollama"), and is left alone.
const SHORTEST: usize = 8;
/// What the keys of a provider all begin with, which is in its documents and tells nobody anything.
const PUBLIC: [&str; 14] = [
    "sk-ant-admin01-",
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "sk-or-v1-",
    "sk-svcacct-",
    "sk-admin-",
    "sk-proj-",
    "bedrock-api-key-",
    "AIzaSy",
    "ABSK",
    "gsk_",
    "nvapi-",
    "pplx-",
    "xai-",
];
/// More backslashes in a row escape nothing: JSON is in JSON three times at most.
const MOST_ESCAPES: usize = 8;

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
    ///
    /// # Errors
    /// When it cannot be told whether the key is in it; nothing of it is left then.
    pub(super) fn document(&self, document: &mut Value) -> Result<(), Crowded> {
        let mut filter = KeyFilter::new(self.clone());
        let pushed = filter.push(std::mem::take(document));
        filter.finish();
        *document = filter.next().unwrap_or_default();
        pushed
    }

    /// Takes the whole key out of the names of an object. Names that are the same then are numbered.
    pub(super) fn names(&self, fields: &mut Map<String, Value>) {
        let whole = |name: &str| self.find(name, Begun::default()).whole;
        if !self.has_key() || fields.keys().all(|name| whole(name).is_empty()) {
            return;
        }
        let mut renamed = Map::new();
        // One number for all of them: no name is tried twice.
        let mut number = 1_u64;
        for (name, value) in std::mem::take(fields) {
            let clean = replaced(&name, &whole(&name));
            let mut name = clean.clone();
            while renamed.contains_key(&name) {
                number = number.saturating_add(1);
                name = format!("{clean} {number}");
            }
            renamed.insert(name, value);
        }
        *fields = renamed;
    }

    /// Whether there is a key to take out.
    pub(super) fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// How many of the key's characters that were read of it are secret.
    pub(super) fn secret_of(&self, begun: Begun) -> usize {
        begun.known.saturating_sub(public_of(self.key()))
    }

    /// Where the key stands in `text`: as it is, or escaped as in JSON that is the text of something else. Of its beginning so much was read `before`,
    /// when less of it was there: nothing, or what was found begun at the start of it.
    pub(super) fn find(&self, text: &str, before: Begun) -> Found {
        let mut found = Found::default();
        let Some(first) = self.characters(0).next().map(|(_, first)| first) else { return found };
        let mut at = 0;
        while let Some(next) = text.get(at..).and_then(|rest| rest.find([first, '\\'])) {
            let start = at.saturating_add(next);
            let rest = text.get(start..).unwrap_or_default();
            match self.begins(rest, if start == 0 { before } else { Begun::default() }) {
                Begins::Whole { length } => {
                    at = start.saturating_add(length);
                    found.whole.push(start..at);
                }
                Begins::Cut(begun) => {
                    found.begun = Some((start, begun));
                    break;
                }
                Begins::Not => at = start.saturating_add(rest.chars().next().map_or(1, char::len_utf8)),
            }
        }
        found
    }

    /// Whether `text` begins with the key, of which so much was read `before`.
    fn begins(&self, text: &str, before: Begun) -> Begins {
        let Begun { mut known, mut key, .. } = before;
        let mut rest = text.get(before.text..).unwrap_or_default();
        for (after, wanted) in self.characters(key) {
            let Some(read) = Read::of(rest) else {
                return Begins::Cut(Begun { known, key, text: text.len().saturating_sub(rest.len()) });
            };
            // A backslash before the key that escapes nothing in it belongs to what stands there before.
            let is_before = known == 0 && rest.starts_with('\\') && !read.by_number && !matches!(wanted, '"' | '/');
            if read.char != wanted || is_before {
                return Begins::Not;
            }
            rest = read.rest;
            known = known.saturating_add(1);
            key = after;
        }
        Begins::Whole { length: text.len().saturating_sub(rest.len()) }
    }

    fn key(&self) -> &str {
        self.0.as_ref().map_or("", Secret::expose)
    }

    /// What a text must have to have the key, from its byte `from` on: backslashes do not count, for in JSON nobody knows what they stand for. With
    /// where the next begins.
    fn characters(&self, from: usize) -> impl Iterator<Item = (usize, char)> {
        let chars = self.key().get(from..).unwrap_or_default().char_indices();
        let chars = chars.filter(|(_, char)| *char != '\\');
        chars.map(move |(at, char)| (from.saturating_add(at).saturating_add(char.len_utf8()), char))
    }

    fn without_fragments(&self, text: &str) -> String {
        let Some(key) = &self.0 else { return text.to_owned() };
        let size = FRAGMENT.min(key.expose().len());
        let public = public_of(key.expose()).saturating_add(1).saturating_sub(size);
        let fragments: HashSet<&[u8]> = key.expose().as_bytes().windows(size).skip(public).collect();
        let mut covered = vec![false; text.len()];
        for (start, window) in text.as_bytes().windows(size).enumerate() {
            if fragments.contains(window) {
                covered.iter_mut().skip(start).take(size).for_each(|byte| *byte = true);
            }
        }
        // The whole key may be escaped, as in JSON that is quoted.
        for key in self.find(text, Begun::default()).whole {
            covered.iter_mut().take(key.end).skip(key.start).for_each(|byte| *byte = true);
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

/// `text` with these ranges replaced.
fn replaced(text: &str, ranges: &[Range<usize>]) -> String {
    let mut clean = String::new();
    let mut at = 0;
    for range in ranges {
        clean.push_str(text.get(at..range.start).unwrap_or_default());
        clean.push_str(REPLACEMENT);
        at = range.end;
    }
    clean + text.get(at..).unwrap_or_default()
}

/// So many characters at the beginning of `key` are public.
fn public_of(key: &str) -> usize {
    PUBLIC.iter().find(|public| key.starts_with(**public)).map_or(0, |public| public.len())
}

/// Where a key stands in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The whole key.
    pub(super) whole: Vec<Range<usize>>,
    /// Where the beginning of it stands at the end of the text, and how much that is.
    pub(super) begun: Option<(usize, Begun)>,
}

/// So much was read of a key whose end is not there yet, so that no byte need be read twice when more comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// Characters of it.
    known: usize,
    /// Bytes of the key, with what does not count.
    key: usize,
    /// Bytes of the text, which may have some more that only begin a character.
    text: usize,
}

/// More texts side by side end like the key than can be kept in mind: no answer does that unless it is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many texts side by side end like the key")]
pub(super) struct Crowded;

enum Begins {
    Whole {
        length: usize,
    },
    /// And ends in the middle of it.
    Cut(Begun),
    Not,
}

/// A character as a text has it that may be JSON inside of JSON.
struct Read<'t> {
    char: char,
    rest: &'t str,
    /// It is written as `\u` and four digits.
    by_number: bool,
}

impl<'t> Read<'t> {
    /// The first character; none where the text ends in the middle of it.
    fn of(text: &'t str) -> Option<Self> {
        // A long row is not read to its end: it is read anew from each of its backslashes.
        let escapes = text.bytes().take(MOST_ESCAPES.saturating_add(1)).take_while(|byte| *byte == b'\\').count();
        let bare = text.get(escapes..).unwrap_or_default();
        let plain = |text: &'t str| {
            let mut chars = text.chars();
            chars.next().map(|char| Self { char, rest: chars.as_str(), by_number: false })
        };
        if escapes > MOST_ESCAPES {
            return plain(text);
        }
        if let Some(number) = bare.strip_prefix('u').filter(|_| escapes > 0) {
            let digits = number.bytes().take(4).take_while(u8::is_ascii_hexdigit).count();
            if digits == 4 {
                let (number, rest) = number.split_at_checked(4)?;
                let char = u32::from_str_radix(number, 16).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                return Some(Self { char, rest, by_number: true });
            }
            if digits == number.len() {
                return None;
            }
        }
        plain(bare)
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
    fn what_all_keys_begin_with_is_no_part_of_one() {
        let redaction = Redaction::of(Some(&Secret::new("sk-or-v1-0123456789abcdef")));
        let said = "Not a key: ours begin with sk-or-v1- and you sent";
        assert_eq!(redaction.line(&format!("{said} 1"), 200), format!("{said} 1"));
        assert_eq!(redaction.line(&format!("{said} sk-or-v1-0123"), 200), format!("{said} sk[redacted]"));
        assert_eq!(redaction.line(&format!("{said} sk-or-v1-0123456789abcdef"), 200), format!("{said} [redacted]"));
    }

    #[test]
    fn escaped_keys_leave_errors_and_names() {
        let redaction = Redaction::of(Some(&Secret::new("QzX/93kT/0vLw7/abcd")));
        for escaped in [r"QzX\/93kT\/0vLw7\/abcd", r"QzX\u002f93kT/0vLw7\/abcd"] {
            assert_eq!(redaction.line(&format!("bad key {escaped}."), 200), "bad key [redacted].");
            let mut error = Value::from(format!("bad key {escaped}."));
            redaction.fragments(&mut error);
            assert_eq!(error, "bad key [redacted].");
            let mut document = serde_json::json!({ (format!("a {escaped} b")): 1 });
            redaction.document(&mut document).unwrap();
            assert_eq!(document, serde_json::json!({ "a [redacted] b": 1 }));
        }
    }

    /// Read anew from each of its backslashes, this takes a quarter of an hour.
    #[test]
    fn a_long_row_of_backslashes_is_read_once() {
        let row = Value::from("\\".repeat(1 << 20));
        let mut document = row.clone();
        redaction().document(&mut document).unwrap();
        assert!(document == row);
    }

    #[test]
    fn short_keys_are_words() {
        for word in ["local", "ollama"] {
            let redaction = Redaction::of(Some(&Secret::new(word)));
            let said = format!("a {word} model");
            assert_eq!(redaction.line(&said, 100), said);
            let mut document = Value::from(said.as_str());
            redaction.document(&mut document).unwrap();
            assert_eq!(document, said.as_str());
        }
    }

    #[test]
    fn documents_lose_the_key_too() {
        let mut document = serde_json::json!({ "echo": [format!("Bearer {KEY}"), 1], KEY: true });
        redaction().document(&mut document).unwrap();
        assert_eq!(document, serde_json::json!({ "echo": ["Bearer [redacted]", 1], "[redacted]": true }));
    }

    #[test]
    fn names_that_become_the_same_stay_two() {
        let mut document =
            serde_json::json!({ "[redacted] 2": 1, (format!("a {KEY}")): 2, "a [redacted]": 3, KEY: 4, "[redacted]": 5 });
        redaction().document(&mut document).unwrap();
        let left =
            serde_json::json!({ "[redacted] 2": 1, "a [redacted]": 2, "a [redacted] 2": 3, "[redacted]": 4, "[redacted] 3": 5 });
        assert_eq!(document, left);
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
