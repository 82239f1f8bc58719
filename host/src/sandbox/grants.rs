//! What an operator allows a component's checkpoints to touch, and which models it may call. Nothing, unless said so.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use kitaru_llm::models::Alias;
use serde::{Deserialize, Serialize};

/// Capabilities granted to checkpoints, and models granted to flows and checkpoints. Recorded on the execution, which keeps them for life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Folders to read.
    pub read: Vec<FolderGrant>,
    /// Folders to read and write.
    pub write: Vec<FolderGrant>,
    /// Names of environment variables; their values are read when an attempt starts and are never recorded.
    pub env: Vec<String>,
    /// Hosts to reach.
    pub net: Vec<NetGrant>,
    /// Models that flows and checkpoints may call.
    pub llm: Vec<ModelGrant>,
}

impl Grants {
    /// Whether nothing is granted by which a body could be observed (E3). Models do not count: a call of one makes durable what came before it.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty() && self.env.is_empty() && self.net.is_empty()
    }

    /// Adds what `other` grants.
    pub fn extend(&mut self, other: Self) {
        fn add<T: PartialEq>(to: &mut Vec<T>, from: Vec<T>) {
            for item in from {
                if !to.contains(&item) {
                    to.push(item);
                }
            }
        }
        add(&mut self.read, other.read);
        add(&mut self.write, other.write);
        add(&mut self.env, other.env);
        add(&mut self.net, other.net);
        add(&mut self.llm, other.llm);
    }

    /// Whether a model may be called that an alias, if one was used, stands for.
    pub fn covers_model(&self, alias: Option<&str>, resolved: &str) -> bool {
        self.llm.iter().any(|grant| grant.covers(alias, resolved))
    }
}

/// A grant that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a grant: {problem}")]
pub struct GrantError {
    text: String,
    problem: &'static str,
}

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
        Ok(Self { host: PathBuf::from(host), guest: guest.to_owned() })
    }
}

impl fmt::Display for FolderGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.host.display(), self.guest)
    }
}

/// A host to reach: `name`, `*.name`, an address, or `*` for any public one, each with an optional `:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetGrant {
    /// Name, address or `*`.
    pub host: String,
    /// The only port; absent for all.
    pub port: Option<u16>,
}

impl NetGrant {
    /// Whether the grant names this very address.
    pub(super) fn names_address(&self, address: IpAddr) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|granted| granted.to_canonical() == address.to_canonical())
    }

    /// Whether the grant is for this host name.
    pub(super) fn covers_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match self.host.strip_prefix("*.") {
            // The dot belongs to the suffix: `*.example.com` is not `badexample.com`.
            Some(_) => self.host.strip_prefix('*').is_some_and(|suffix| name.ends_with(suffix) && name.len() > suffix.len()),
            None => self.host == name || (self.is_any() && name != "localhost"),
        }
    }

    /// Whether the grant is for any public address.
    pub(super) fn is_any(&self) -> bool {
        self.host == "*"
    }
}

impl FromStr for NetGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = |problem| GrantError { text: text.to_owned(), problem };
        if text.contains("://") || text.contains('/') {
            return Err(problem("give a host and port, such as `api.example.com:443`, and no URL"));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(|| problem("`[` has no `]`"))?;
            (host, after.strip_prefix(':'))
        } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let port = port.map(|port| port.parse().map_err(|_| problem("the port must be a number from 0 to 65535"))).transpose()?;
        let name = host.strip_prefix("*.").unwrap_or(host);
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'));
        if host != "*" && (name.is_empty() || !plain) {
            return Err(problem("the host must be a name, an address or `*`"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for NetGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

/// Models to call: `*` for all, an alias, `provider/model`, or `provider/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelGrant(String);

impl ModelGrant {
    /// All models.
    pub const ALL: &'static str = "*";

    /// Whether the grant is for a model. `alias` is the name by which it was asked for, if that is an alias; `resolved` is `provider/model`. An
    /// alias is granted as a name: whatever it stands for may be called by it, and the same model by another name may not.
    pub fn covers(&self, alias: Option<&str>, resolved: &str) -> bool {
        if self.0 == Self::ALL {
            return true;
        }
        let Some((provider, model)) = self.0.split_once('/') else {
            return alias.is_some_and(|alias| alias.trim().eq_ignore_ascii_case(&self.0));
        };
        let Some((resolved_provider, resolved_model)) = resolved.trim().split_once('/') else { return false };
        let is_same = match model.strip_suffix('*') {
            // `openrouter/anthropic/*` too; what is before the `*` ends in a `/`, or is nothing.
            Some(start) => resolved_model.len() > start.len() && resolved_model.starts_with(start),
            None => resolved_model.trim_start() == model,
        };
        is_same && resolved_provider.trim_end().eq_ignore_ascii_case(provider)
    }
}

impl FromStr for ModelGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = |problem| GrantError { text: text.to_owned(), problem };
        let pattern = text.trim();
        if pattern == Self::ALL {
            return Ok(Self(pattern.to_owned()));
        }
        let Some((provider, model)) = pattern.split_once('/') else {
            let alias = pattern.parse::<Alias>();
            let alias = alias.map_err(|_| problem("give an alias, `provider/model`, `provider/*` or `*`"))?;
            return Ok(Self(alias.to_string()));
        };
        let (provider, model) = (provider.trim_end(), model.trim_start());
        if provider.is_empty() || model.is_empty() {
            return Err(problem("the provider and the model must be named, as `provider/model` or `provider/*`"));
        }
        if pattern.chars().any(char::is_control) {
            return Err(problem("a model's name has no control characters"));
        }
        let (before, is_open) = model.strip_suffix('*').map_or((model, false), |before| (before, true));
        let is_cut = is_open && !before.is_empty() && !before.ends_with('/');
        if provider.contains('*') || before.contains('*') || is_cut {
            return Err(problem("a `*` stands alone, or at the end after a `/`"));
        }
        Ok(Self(format!("{}/{model}", provider.to_lowercase())))
    }
}

impl fmt::Display for ModelGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_form {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = GrantError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(grant: $name) -> Self {
                grant.to_string()
            }
        }
    )*};
}

text_form!(FolderGrant, NetGrant, ModelGrant);

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
        let odd = FolderGrant { host: "/home/a::b/docs".into(), guest: "docs".into() };
        assert_eq!(odd.to_string().parse::<FolderGrant>().unwrap(), odd);
    }

    #[test]
    fn hosts() {
        for good in ["example.com", "*.example.com:443", "127.0.0.1:80", "[::1]:80", "::1", "*", "*:443"] {
            let grant: NetGrant = good.parse().unwrap();
            assert_eq!(grant.to_string().parse::<NetGrant>().unwrap(), grant);
        }
        for bad in ["", "https://example.com", "a:b", "a b", "example.com/x", "[::1", "*."] {
            assert!(bad.parse::<NetGrant>().is_err(), "{bad}");
        }
    }

    #[test]
    fn models() {
        let covers = |pattern: &str, alias: Option<&str>, resolved: &str| {
            let grant: ModelGrant = pattern.parse().unwrap();
            assert_eq!(grant.to_string().parse::<ModelGrant>().unwrap(), grant);
            grant.covers(alias, resolved)
        };
        let mini = "openai/gpt-4o-mini";
        for pattern in ["*", " Fast ", "openai/*", "OpenAI/*", mini, "openai/ gpt-4o-mini"] {
            assert!(covers(pattern, Some("fast"), mini), "{pattern}");
        }
        for pattern in ["smart", "anthropic/*", "openai/gpt-4o", "openai/gpt-4o-mini-2", "openai/GPT-4O-mini", "open/*"] {
            assert!(!covers(pattern, Some("fast"), mini), "{pattern}");
        }
        assert!(!covers("fast", None, mini), "the model by another name");
        assert!(!covers("openai/*", Some("openai"), "gpt-4o"), "a model of no provider");
        let nested = "openrouter/anthropic/claude-haiku-4-5";
        assert!(covers("openrouter/*", None, nested) && covers("openrouter/anthropic/*", None, nested));
        assert!(!covers("anthropic/*", None, nested) && !covers("openrouter/anthro/*", None, nested));
        for bad in ["", " ", "a b", "a.b", "/x", "x/", "**", "*/x", "openai/gpt*", "openai/*/x", "f*", "openai/a\nb"] {
            assert!(bad.parse::<ModelGrant>().is_err(), "{bad}");
        }
    }

    #[test]
    fn models_alone_let_nobody_observe_a_body() {
        let mut grants = Grants { llm: vec!["fast".parse().unwrap()], ..Grants::default() };
        assert!(grants.is_empty() && grants.covers_model(Some("fast"), "openai/a"));
        assert!(!grants.covers_model(None, "openai/a") && !Grants::default().covers_model(Some("fast"), "openai/a"));
        grants.extend(Grants { llm: vec!["fast".parse().unwrap(), "openai/*".parse().unwrap()], ..Grants::default() });
        assert_eq!(grants.llm.len(), 2, "each once");
        assert!(grants.covers_model(None, "openai/a"));
        assert_eq!(serde_json::to_value(&grants.llm).unwrap(), serde_json::json!(["fast", "openai/*"]));
        grants.env.push("LANG".into());
        assert!(!grants.is_empty());
    }
}
