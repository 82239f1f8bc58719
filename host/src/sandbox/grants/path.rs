//! Paths of requests: one form in which a grant and a request are compared, and patterns of it.

use std::fmt;
use std::fmt::Write as _;

/// Which paths a grant is for: one, or all that begin with something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// In normal form, without the `*`.
    start: String,
    is_open: bool,
}

impl PathPattern {
    /// The pattern that `text` spells; none where it spells none, or one that servers read in several ways.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (start, is_open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        if start.contains('*') {
            return None;
        }
        // What an open pattern ends in is a part of a segment, or nothing.
        Some(Self { start: normal(start)?, is_open })
    }

    /// Whether all paths that `other` is for are this pattern's.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self == other || (self.is_open && other.start.starts_with(&self.start))
    }

    /// Whether the pattern is for `path`. A path that servers read in several ways is covered by no pattern.
    pub(super) fn covers(&self, path: &str) -> bool {
        let Some(path) = normal(path) else { return false };
        if self.is_open { path.starts_with(&self.start) } else { path == self.start }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.start, if self.is_open { "*" } else { "" })
    }
}

/// A path in its normal form: what may stand unescaped does, and all other escapes are in capitals (RFC 3986, section 6.2.2). None where servers
/// differ in what they make of it, so that nobody knows which path it is: with dot segments, empty segments, backslashes, control characters,
/// and escapes that stand for a dot, a slash, a backslash, a semicolon, a percent sign or nothing.
fn normal(path: &str) -> Option<String> {
    let mut form = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = (digit(bytes.next()?)? << 4) | digit(bytes.next()?)?;
                match value {
                    b'.' | b'/' | b'\\' | b';' | b'%' | 0..0x20 | 0x7f => return None,
                    _ if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'_' | b'~') => form.push(char::from(value)),
                    _ => write!(form, "%{value:02X}").ok()?,
                }
            }
            b'\\' | b'?' | b'#' | 0..=0x20 | 0x7f.. => return None,
            _ => form.push(char::from(byte)),
        }
    }
    // `..;x` is a dot segment to servers that take parameters off first.
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let is_plain = form.starts_with('/') && !form.contains("//") && !form.split('/').any(is_dots);
    is_plain.then_some(form)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().covers(path)
    }

    #[test]
    fn a_path_is_covered_in_all_its_spellings_and_no_other_is() {
        for path in ["/repos/a/b", "/repos/%61/b", "/%72epos/a/%62"] {
            assert!(covers("/repos/a/b", path) && covers("/repos/*", path) && covers("/repos/%61/b", path), "{path}");
        }
        assert!(covers("/caf%C3%A9", "/caf%c3%a9") && covers("/", "/") && covers("/*", "/") && covers("/v1/re*", "/v1/results"));
        for path in ["/repos", "/repos/a/b/", "/Repos/a/b", "/repos/a/bb", "/repo/a/b", "repos/a/b", ""] {
            assert!(!covers("/repos/a/b", path), "{path}");
        }
        assert!(!covers("/repos/*", "/repos"));
    }

    #[test]
    fn what_servers_read_in_several_ways_is_covered_by_nothing() {
        for path in [
            "/repos/../admin",
            "/repos/./a",
            "/repos/..",
            "/repos/%2e%2e/admin",
            "/repos/.%2E/admin",
            "/repos/%2e",
            "/repos/..%2fadmin",
            "/repos/%2fa",
            "/repos/a%5c..%5cadmin",
            "/repos\\..\\admin",
            "/repos/%252e%252e/admin",
            "/repos/..;/admin",
            "/repos/..;a=b/admin",
            "/repos/.%3bx",
            "/repos//a",
            "//repos/a",
            "/repos/a%00",
            "/repos/%zz",
            "/repos/%2",
            "/repos/a b",
            "/repos/a\tb",
            "/repos/é",
        ] {
            assert!(!covers("/*", path) && !covers("/repos/*", path), "{path}");
        }
        for pattern in ["", "x", "*", "/a*b", "/a/**", "/a/../b", "/%2e*", "/a//b", "/a?b", "/a#b", "/a b"] {
            assert!(PathPattern::parse(pattern).is_none(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_read_as_it_is_shown(text in "(/[a-zA-Z0-9._~!$&'()+,;=:@%-]{0,6}){1,4}[*]?") {
            if let Some(pattern) = PathPattern::parse(&text) {
                prop_assert_eq!(PathPattern::parse(&pattern.to_string()), Some(pattern));
            }
        }

        /// Whatever a covered path decodes to, it begins with what the pattern says.
        #[test]
        fn nothing_else_is_covered(path in "(/([a-z.;%2eEfF5cC]{0,7}|%2[eEfF]|[.]{1,2})){1,5}") {
            if covers("/ab/*", &path) {
                let decoded = path.replace("%61", "a").replace("%62", "b");
                prop_assert!(decoded.starts_with("/ab/"), "{path}");
                prop_assert!(!decoded.split('/').any(|segment| segment == ".." || segment == "."), "{path}");
            }
        }
    }
}
