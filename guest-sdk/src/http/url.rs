//! URLs, as far as a request needs their parts. What they mean is the host's to say, which refuses what is ambiguous.

use super::error::HttpError;

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) is_https: bool,
    /// Host and port, as they were written.
    pub(super) authority: String,
    /// The path and the query, with what was added.
    pub(super) path_and_query: String,
}

impl Url {
    /// The parts of `text`, with `query` added to its own.
    pub(super) fn parse(text: &str, query: &[(String, String)]) -> Result<Self, HttpError> {
        let invalid = |why: &str| HttpError::Invalid(format!("a request cannot be sent: {why}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid("a URL begins with https:// or http://"))?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("a URL begins with https:// or http://")),
        };
        // What comes after `#` is for browsers.
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(invalid("its URL names no host"));
        }
        let mut path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        for (name, value) in query {
            path_and_query.push(if path_and_query.contains('?') { '&' } else { '?' });
            escape(&mut path_and_query, name);
            path_and_query.push('=');
            escape(&mut path_and_query, value);
        }
        Ok(Self { is_https, authority: authority.to_owned(), path_and_query })
    }

    /// The URL without its query: there may be something in it that is nobody's business.
    pub(super) fn shown(&self) -> String {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        format!("{}{path}", self.origin())
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.authority)
    }
}

/// Appends `text`, with all but what may stand anywhere in a URL escaped.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Url {
        Url::parse(text, &[]).unwrap()
    }

    #[test]
    fn parts() {
        let url = parsed("https://api.example.com:8443/a/b?c=d#e");
        assert_eq!(
            (url.is_https, url.authority.as_str(), url.path_and_query.as_str()),
            (true, "api.example.com:8443", "/a/b?c=d")
        );
        assert_eq!(url.shown(), "https://api.example.com:8443/a/b");
        assert_eq!(parsed("HTTP://a.example").path_and_query, "/");
        assert_eq!(parsed("http://[::1]:80?x").path_and_query, "/?x");
        for bad in ["", "a.example", "ftp://a.example/", "https://", "https:///x", "//a.example"] {
            assert!(matches!(Url::parse(bad, &[]), Err(HttpError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn a_query_is_added_and_escaped() {
        let query = [("q".to_owned(), "a b&c=é".to_owned()), ("key".to_owned(), "kitaru_secret_0a".to_owned())];
        let expected = "/s?q=a%20b%26c%3D%C3%A9&key=kitaru_secret_0a";
        assert_eq!(Url::parse("https://a.example/s", &query).unwrap().path_and_query, expected);
        assert_eq!(Url::parse("https://a.example/s?x", &query[..1]).unwrap().path_and_query, "/s?x&q=a%20b%26c%3D%C3%A9");
    }
}
