//! The text of a stream as others than its caller may see it while it comes: without what records are without.

use super::session::Session;
use crate::policy::Redactor;

/// Bytes that are held back, because what comes next may belong to them. What is built in finds nothing longer without showing its kind by then.
const HELD: usize = 64;
/// A text of so many bytes that cannot be cut is kept to itself.
const LONGEST: usize = 16 * 1024;

/// Text that comes in pieces, and is shown in pieces. A word is shown when enough has come after it to tell that it is no part of something that
/// records leave out.
#[derive(Debug)]
pub struct ShownText {
    redactors: [Redactor; 2],
    held: String,
    /// How much was held when it could not be cut: looking again is worth it when there is notably more.
    uncut: usize,
    /// Nothing was shown yet.
    is_first: bool,
    is_over: bool,
}

impl ShownText {
    /// None where it cannot be told from pieces what records will have: where patterns or sanitisers of somebody's own are to look at the whole.
    pub(super) fn of(session: &Session) -> Option<Self> {
        let own = session.redactor();
        let built_in = session.has_only_built_in_sanitizers() && !own.has_rules();
        built_in.then(|| Self::with([session.state.redactor(), own.clone()]))
    }

    fn with(redactors: [Redactor; 2]) -> Self {
        Self { redactors, held: String::new(), uncut: 0, is_first: true, is_over: false }
    }

    /// What can be shown now that `piece` has come; maybe nothing.
    pub fn push(&mut self, piece: &str) -> String {
        if self.is_over {
            return String::new();
        }
        self.held.push_str(piece);
        if self.is_first && self.held.trim_start().starts_with(['{', '[']) {
            // Records look inside of JSON too, where a text may be escaped: that can be read only when it is whole.
            self.is_over = true;
            self.held.clear();
            return String::new();
        }
        if self.held.len() < self.uncut.saturating_add(self.uncut / 8) {
            return String::new();
        }
        let Some(end) = self.held.len().checked_sub(HELD) else { return String::new() };
        let end = (0..=end).rev().find(|at| self.held.is_char_boundary(*at)).unwrap_or(0);
        let cut = self.held.get(..end).and_then(|text| text.rfind(char::is_whitespace)).filter(|cut| *cut > 0);
        let parts = cut.and_then(|cut| self.held.split_at_checked(cut));
        if let Some((before, after)) = parts {
            let shown = self.clean(before);
            // What stands across the cut is not to be cut.
            if format!("{shown}{}", self.clean(after)) == self.clean(&self.held) {
                self.is_first = self.is_first && shown.trim().is_empty();
                (self.held, self.uncut) = (after.to_owned(), 0);
                return shown;
            }
            self.uncut = self.held.len();
        }
        self.is_over = self.held.len() > LONGEST;
        String::new()
    }

    /// Whether no more of it is shown, because what records leave out of it is told by looking at all of it.
    pub fn is_withheld(&self) -> bool {
        self.is_over
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if std::mem::replace(&mut self.is_over, true) { String::new() } else { self.clean(&held) }
    }

    fn clean(&self, text: &str) -> String {
        let [keys, own] = &self.redactors;
        own.text(&keys.text(text)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::PersonalData;
    use crate::provider::Secret;

    fn shown_text() -> ShownText {
        let own = Redactor::default().with_personal_data(&PersonalData::ALL).unwrap();
        ShownText::with([Redactor::default().with_secrets([Secret::new("planted-key-4711")]), own])
    }

    fn shown(text: &str, cuts: &[usize]) -> String {
        let mut live = shown_text();
        let mut out = String::new();
        let mut rest = text;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let length = cuts.next().map_or(1, |cut| cut % 9 + 1);
            let at = (length..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
            let (piece, left) = rest.split_at(at);
            out.push_str(&live.push(piece));
            rest = left;
        }
        out + &live.finish()
    }

    /// Something that records leave out, or nothing, and words after it.
    fn passage() -> impl Strategy<Value = String> {
        let found = prop::sample::select(vec![
            "",
            "",
            "planted-key-4711",
            "sk-proj-0123456789abcdef",
            "Bearer abcdefghijklmnop==",
            "ada@example.com",
            "DE89 3704 0044 0532 0130 00",
            "4111 1111 1111 1111",
        ]);
        (found, prop::collection::vec("[a-z,.é😀]{1,9}", 1..12)).prop_map(|(found, words)| format!("{found} {}", words.join(" ")))
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_records_have(
            passages in prop::collection::vec(passage(), 0..8),
            cuts in prop::collection::vec(0..9_usize, 1..5),
        ) {
            let text = passages.join(" ");
            prop_assert_eq!(shown(&text, &cuts), shown_text().clean(&text));
        }
    }

    #[test]
    fn a_private_key_is_not_shown_however_long_it_is() {
        let body = "MIIEowIBAAKCAQEA7 ".repeat(300);
        let text =
            format!("Here it is:\n-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nand more of it.");
        let told = shown(&text, &[3, 5]);
        assert!(told.starts_with("Here it is:") && !told.contains("MIIE"), "{told}");
    }

    #[test]
    fn json_is_not_shown_before_it_is_whole() {
        for text in
            [r#"{"to": "eve\u0040example.org", "more": "words and words and words and words and words and words"}"#, " \n[1, 2]"]
        {
            assert_eq!(shown(text, &[3]), "", "{text}");
        }
        assert_eq!(shown("a {1}", &[3]), "a {1}");
    }

    #[test]
    fn words_come_while_more_is_written() {
        let mut live = shown_text();
        let first: String = "one word after the other, ".repeat(8).split_inclusive(' ').map(|word| live.push(word)).collect();
        assert!(first.len() > 100, "{first}");
    }
}
