//! Secrets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::net::{NetGrant, RequestTarget};
use super::text::{GrantError, text_form};

/// A secret that checkpoints may use: `NAME` or `NAME.KEY`, by a placeholder that the host replaces in their requests. With `@HOST[:PORT]` only
/// in those to that host, with `=reveal` by its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretGrant {
    /// `NAME`, or `NAME.KEY`. Names of secrets may have dots too: then it is for what either reading means.
    pub secret: String,
    /// The only host whose requests get the value.
    pub host: Option<NetGrant>,
    /// Whether checkpoints get the value itself.
    pub reveal: bool,
    /// The only secret whose key it is for: a need has said which of both readings is meant. Not part of its text.
    within: Option<String>,
    /// The host is the word of a need, and not of whoever granted the secret. Not part of its text.
    is_narrowed_to_host: bool,
}

impl SecretGrant {
    /// The key that the grant is for, in the secret `name`: `Some(None)` for all of them, none where it is for another secret.
    pub(in crate::sandbox) fn key_in(&self, name: &str) -> Option<Option<&str>> {
        if self.within.as_deref().is_some_and(|within| within != name) {
            return None;
        }
        match self.secret.strip_prefix(name)? {
            "" => Some(None),
            rest => rest.strip_prefix('.').filter(|key| is_key(key)).map(Some),
        }
    }

    /// Whether the grant is for the value of `key` in the secret `name`.
    pub(in crate::sandbox) fn covers(&self, name: &str, key: &str) -> bool {
        self.key_in(name).is_some_and(|granted| granted.is_none_or(|granted| granted == key))
    }

    /// What of the grant is left to code that declares `need`: the narrower of both in every respect. None where they are for different secrets or
    /// hosts. What is left is never for a secret that only looks like a key of the one that was granted.
    pub(in crate::sandbox) fn narrowed_to(&self, need: &Self) -> Option<Self> {
        let is_key_of = |key: &str, all: &str| key.strip_prefix(all).and_then(|rest| rest.strip_prefix('.')).is_some_and(is_key);
        let (secret, within) = match (self.secret.as_str(), need.secret.as_str()) {
            (granted, needed) if granted == needed => (granted, self.within.clone()),
            (granted, needed) if is_key_of(granted, needed) => (granted, Some(needed.to_owned())),
            (granted, needed) if is_key_of(needed, granted) => (needed, Some(granted.to_owned())),
            _ => return None,
        };
        let is_narrowed_to_host = self.is_narrowed_to_host || (self.host.is_none() && need.host.is_some());
        let host = match (&self.host, &need.host) {
            (Some(granted), Some(needed)) => Some(granted.socket_overlap(needed)?),
            (granted, needed) => granted.as_ref().or(needed.as_ref()).cloned(),
        };
        Some(Self { secret: secret.to_owned(), host, reveal: self.reveal && need.reveal, within, is_narrowed_to_host })
    }

    /// Whether whoever granted the secret has named the host of the requests that get the value.
    pub(in crate::sandbox) fn names_host(&self) -> bool {
        self.host.is_some() && !self.is_narrowed_to_host
    }

    /// Whether the value may go into this request, as far as the grant says.
    pub(in crate::sandbox) fn covers_host(&self, request: &RequestTarget) -> bool {
        self.host.as_ref().is_none_or(|host| host.covers(request))
    }
}

/// Keys are like names of environment variables.
fn is_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_name(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    is_plain && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.ends_with('.')
}

impl FromStr for SecretGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Somebody may have written a value in the place of a name, so the text is shown only where it looks like a grant.
        let shown = if text.len() <= 100 && text.chars().all(|c| c.is_ascii_graphic()) { text } else { "…" };
        let problem = |problem| GrantError { text: shown.to_owned(), problem };
        let (rest, reveal) = match text.split_once('=') {
            Some((rest, "reveal")) => (rest, true),
            Some((rest, _)) => {
                let text = format!("{}=…", if is_name(rest) { rest } else { "…" });
                return Err(GrantError {
                    text,
                    problem: "nothing but `reveal` stands after the `=`; a value is set with `secrets set`",
                });
            }
            None => (text, false),
        };
        let (secret, host) = rest.split_once('@').map_or((rest, None), |(secret, host)| (secret, Some(host)));
        if !is_name(secret) {
            return Err(problem("give the name of a secret, and a key of it after a dot where it has several"));
        }
        if reveal && host.is_some() {
            return Err(problem("a value that is revealed can go anywhere, so no host is named with `reveal`"));
        }
        let host = host.map(str::parse::<NetGrant>).transpose()?;
        if host.as_ref().is_some_and(|host| host.is_any() || !host.is_for_sockets()) {
            return Err(problem("after the `@` stands a host, with a port or without; leave it out for all that are granted"));
        }
        Ok(Self { secret: secret.to_owned(), host, reveal, within: None, is_narrowed_to_host: false })
    }
}

impl fmt::Display for SecretGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.secret)?;
        if let Some(host) = &self.host {
            write!(f, "@{host}")?;
        }
        f.write_str(if self.reveal { "=reveal" } else { "" })
    }
}

text_form!(SecretGrant);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grant(text: &str) -> SecretGrant {
        text.parse().unwrap()
    }

    #[test]
    fn secrets_by_name_and_by_key() {
        assert!(grant("gh").covers("gh", "TOKEN") && grant("gh.TOKEN").covers("gh", "TOKEN"));
        assert!(
            !grant("gh.TOKEN").covers("gh", "OTHER")
                && !grant("gh").covers("ghost", "TOKEN")
                && !grant("ghost").covers("gh", "TOKEN")
        );
        assert_eq!(grant("gh.TOKEN").key_in("gh"), Some(Some("TOKEN")));
        // A dot may belong to the name.
        assert!(grant("team.a-b").covers("team.a-b", "TOKEN") && !grant("team.a-b").covers("team", "a-b"));
        assert!(grant("team.gh.TOKEN").covers("team.gh", "TOKEN") && !grant("team.gh.TOKEN").covers("team", "TOKEN"));
        for text in ["gh", "gh.TOKEN", "gh@api.github.com:443", "gh.TOKEN@*.github.com", "gh=reveal", "gh@[::1]:80"] {
            assert_eq!(grant(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_grant_shows_no_value() {
        for bad in
            ["", "@a", ".gh", "gh.", "g h", "gh@", "gh@*", "gh@https://a", "gh@GET a", "gh@a=reveal", "gh=", "gh=show", "gh@a@b"]
        {
            assert!(bad.parse::<SecretGrant>().is_err(), "{bad}");
        }
        for value in ["gh=sk-marker", "gh.TOKEN=sk-marker", "sk marker", "=sk-marker"] {
            let error = value.parse::<SecretGrant>().unwrap_err().to_string();
            assert!(!error.contains("marker"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_grant_is_read_as_it_is_shown(
            secret in "[a-z][a-z0-9_-]{0,5}([.][A-Z_]{1,5})?",
            host in proptest::option::of("([*][.])?[a-z]{1,5}[.][a-z]{1,5}(:[1-9][0-9]{0,3})?"),
            reveal in any::<bool>(),
        ) {
            let host = host.filter(|_| !reveal).map(|host| host.parse().unwrap());
            let grant = SecretGrant { secret, host, reveal, within: None, is_narrowed_to_host: false };
            prop_assert_eq!(grant.to_string().parse::<SecretGrant>(), Ok(grant));
        }

        /// A grant with a key is for that key of that secret.
        #[test]
        fn nothing_else_is_covered(name in "[a-c]{1,2}", key in "[A-C]{1,2}", other_name in "[a-c]{1,2}", other_key in "[A-C]{1,2}") {
            let grant = grant(&format!("{name}.{key}"));
            prop_assert_eq!(grant.covers(&other_name, &other_key), name == other_name && key == other_key);
        }
    }

    #[test]
    fn a_need_leaves_the_narrower_of_both() {
        let narrowed = |granted: &str, needed: &str| {
            let (granted, needed): (SecretGrant, SecretGrant) = (granted.parse().unwrap(), needed.parse().unwrap());
            granted.narrowed_to(&needed).map(|grant| grant.to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(narrowed("gh", "gh.TOKEN"), some("gh.TOKEN"));
        assert_eq!(narrowed("gh.TOKEN", "gh"), some("gh.TOKEN"));
        assert_eq!(narrowed("gh", "g"), None);
        assert_eq!(narrowed("gh.A", "gh.B"), None);
        assert_eq!(narrowed("gh=reveal", "gh"), some("gh"), "a placeholder is enough for it");
        assert_eq!(narrowed("gh", "gh=reveal"), some("gh"));
        assert_eq!(narrowed("gh=reveal", "gh=reveal"), some("gh=reveal"));
        assert_eq!(narrowed("gh=reveal", "gh@a.example"), some("gh@a.example"));
        assert_eq!(narrowed("gh@*.example:443", "gh@a.example"), some("gh@a.example:443"));
        assert_eq!(narrowed("gh@a.example:443", "gh@a.example:80"), None);
        assert_eq!(narrowed("gh@a.example", "gh@b.example"), None);
    }

    /// Names of secrets have dots too: who declares `gh.PROD` under a grant of `gh` gets a key of that, and not the secret of this name.
    #[test]
    fn a_need_reaches_no_other_secret() {
        let narrowed = |granted: &str, needed: &str| grant(granted).narrowed_to(&grant(needed));
        for (granted, needed) in [("gh", "gh.PROD"), ("gh.PROD", "gh")] {
            let left = narrowed(granted, needed).unwrap();
            assert!(left.covers("gh", "PROD") && !left.covers("gh", "OTHER"), "{granted} {needed}");
            assert_eq!(left.key_in("gh.PROD"), None, "{granted} {needed}");
        }
        assert_eq!(narrowed("gh.PROD", "gh.PROD").unwrap().key_in("gh.PROD"), Some(None), "it was granted as it was declared");
        // No key is called so: it can only be another secret.
        assert_eq!((narrowed("gh", "gh.a-b"), narrowed("gh", "gh.A.B"), narrowed("gh.a-b", "gh")), (None, None, None));
    }

    #[test]
    fn a_need_names_no_host_in_the_operators_place() {
        let narrowed = |granted: &str, needed: &str| grant(granted).narrowed_to(&grant(needed)).unwrap();
        assert!(grant("gh@localhost:80").names_host() && !grant("gh").names_host());
        assert!(!narrowed("gh", "gh@localhost:80").names_host());
        assert!(narrowed("gh@localhost:80", "gh").names_host() && narrowed("gh@localhost", "gh@localhost:80").names_host());
    }
}
