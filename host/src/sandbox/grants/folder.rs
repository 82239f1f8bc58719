//! Folders.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::{GrantError, text_form};

/// A folder, and the path by which guests find it: `path`, or `host path::guest path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderGrant {
    /// The folder on this machine.
    pub host: PathBuf,
    /// Its path in the guest.
    pub guest: String,
}

impl FromStr for FolderGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The last `::`, so that a stored grant reads as it was written whatever the host's path holds.
        let (host, guest) = text.rsplit_once("::").unwrap_or((text, text));
        let problem = |problem| GrantError { text: text.to_owned(), problem };
        if host.is_empty() || guest.is_empty() {
            return Err(problem("a folder must be named"));
        }
        if guest.contains('\0') || host.contains('\0') {
            return Err(problem("a path cannot contain NUL"));
        }
        // Guests look a path up by its text, so `./docs/` and `docs` must be one.
        let trimmed = guest.trim_start_matches("./").trim_end_matches('/');
        let guest = match (trimmed, guest.starts_with('/')) {
            ("", true) => "/",
            ("", false) => ".",
            (path, _) => path,
        };
        // It would run into the `::` before it when the grant is written.
        if guest.starts_with(':') {
            return Err(problem("the path in the guest cannot begin with `:`"));
        }
        Ok(Self { host: PathBuf::from(host), guest: guest.to_owned() })
    }
}

impl fmt::Display for FolderGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.host.display(), self.guest)
    }
}

text_form!(FolderGrant);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        let parse = |text: &str| text.parse::<FolderGrant>().map(|grant| (grant.host.display().to_string(), grant.guest));
        assert_eq!(parse("./docs/").unwrap(), ("./docs/".into(), "docs".into()));
        assert_eq!(parse("/srv/data::data").unwrap(), ("/srv/data".into(), "data".into()));
        assert_eq!(parse(".").unwrap().1, ".");
        assert_eq!(parse("/").unwrap().1, "/");
        assert!(parse("").is_err());
        assert!(parse("a::").is_err());
        for colon in [":", ":a", "./:a", "a:::b", "a::./:b"] {
            let read = colon.parse::<FolderGrant>();
            assert!(read.is_err() || read.as_ref().unwrap().to_string().parse() == read, "{colon}");
        }
        let odd = FolderGrant { host: "/home/a::b/docs".into(), guest: "docs".into() };
        assert_eq!(odd.to_string().parse::<FolderGrant>().unwrap(), odd);
    }
}
