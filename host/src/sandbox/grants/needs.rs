//! What a checkpoint, or a whole component, declares that it needs. Declaring grants nothing: it says what to ask an operator for, and what the
//! operator's grants are narrowed to.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::place::Place;
use super::text::GrantError;
use super::{FolderGrant, Grants, ModelGrant, NetGrant, SecretGrant};

/// Declared needs, each in the text of a grant; folders by their path in the guest. Their texts were checked when the manifest was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// Folders to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Folders to read and write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Names of environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Hosts to reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net: Vec<String>,
    /// Secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Models to call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<String>,
}

/// A kind of need, as the flag names it that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// A folder to read.
    Read,
    /// A folder to read and write.
    Write,
    /// An environment variable.
    Env,
    /// A host to reach.
    Net,
    /// A secret.
    Secret,
    /// A model to call.
    Llm,
}

impl NeedKind {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Env => "env",
            Self::Net => "net",
            Self::Secret => "secret",
            Self::Llm => "llm",
        }
    }

    /// Whether it is a folder.
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// One declared need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of what kind.
    pub kind: NeedKind,
    /// In the text of a grant.
    pub text: String,
}

impl Need {
    /// The flag that grants it.
    pub fn flag(&self) -> String {
        format!("--allow-{}={}", self.kind.as_str(), self.text)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.text)
    }
}

/// So many needs of one kind may be declared. A checkpoint that needs more needs everything.
const MOST: usize = 256;
/// The longest text of a need, in bytes.
const LONGEST: usize = 1024;

impl Needs {
    /// All of them, by kind.
    pub fn iter(&self) -> impl Iterator<Item = Need> {
        let of = |kind, texts: &[String]| texts.iter().map(|text| Need { kind, text: text.clone() }).collect::<Vec<_>>();
        [
            of(NeedKind::Read, &self.read),
            of(NeedKind::Write, &self.write),
            of(NeedKind::Env, &self.env),
            of(NeedKind::Net, &self.net),
            of(NeedKind::Secret, &self.secrets),
            of(NeedKind::Llm, &self.llm),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Checks every text.
    ///
    /// # Errors
    /// With the first one that is no grant.
    pub fn check(&self) -> Result<(), GrantError> {
        for texts in [&self.read, &self.write, &self.env, &self.net, &self.secrets, &self.llm] {
            if let Some(text) = texts.iter().find(|text| text.len() > LONGEST) {
                let text = text.get(..text.floor_char_boundary(64)).unwrap_or_default().to_owned();
                return Err(GrantError { text: format!("{text}…"), problem: "it has more than 1024 bytes" });
            }
            if let (Some(text), true) = (texts.last(), texts.len() > MOST) {
                return Err(GrantError { text: text.clone(), problem: "more than 256 needs of its kind are declared" });
            }
        }
        self.read.iter().chain(&self.write).try_for_each(|text| check_folder(text))?;
        self.env.iter().try_for_each(|text| check_env(text))?;
        self.net.iter().try_for_each(|text| text.parse::<NetGrant>().map(drop))?;
        self.secrets.iter().try_for_each(|text| text.parse::<SecretGrant>().map(drop))?;
        self.llm.iter().try_for_each(|text| text.parse::<ModelGrant>().map(drop))
    }

    /// The secrets that are declared.
    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretGrant> {
        self.secrets.iter().filter_map(|text| text.parse().ok())
    }

    /// What would grant all of it, with folders below `folder` under their own names.
    pub fn as_grants(&self, folder: &Path) -> Grants {
        let mut grants = Grants::default();
        self.iter().for_each(|need| need.add_to(&mut grants, folder));
        grants
    }
}

impl Need {
    /// Adds what grants it, a folder as the one of its name below `folder`. What was not checked adds nothing.
    pub fn add_to(&self, grants: &mut Grants, folder: &Path) {
        let text = &self.text;
        let path = || text.parse::<FolderGrant>().map(|grant| FolderGrant { host: folder.join(&grant.host), guest: grant.guest });
        let more = match self.kind {
            NeedKind::Read => Grants { read: path().into_iter().collect(), ..Grants::default() },
            NeedKind::Write => Grants { write: path().into_iter().collect(), ..Grants::default() },
            NeedKind::Env => Grants { env: vec![text.clone()], ..Grants::default() },
            NeedKind::Net => Grants { net: text.parse().into_iter().collect(), ..Grants::default() },
            NeedKind::Llm => Grants { llm: text.parse().into_iter().collect(), ..Grants::default() },
            NeedKind::Secret => Grants { secrets: text.parse().into_iter().collect(), ..Grants::default() },
        };
        grants.extend(more);
    }

    /// Whether an operator granted any of it. A part counts: who grants less than was declared means that.
    pub fn is_met_by(&self, grants: &Grants) -> bool {
        let text = &self.text;
        let folder = |granted: &FolderGrant| Place::of(&granted.guest).overlaps(&Place::of(text));
        match self.kind {
            NeedKind::Read => grants.read.iter().chain(&grants.write).any(folder),
            NeedKind::Write => grants.write.iter().any(folder),
            NeedKind::Env => grants.env.contains(text),
            NeedKind::Net => text.parse().is_ok_and(|need: NetGrant| grants.net.iter().any(|grant| hosts_meet(grant, &need))),
            NeedKind::Llm => grants.llm.iter().any(|grant| models_meet(&grant.to_string(), text)),
            NeedKind::Secret => {
                text.parse().is_ok_and(|need: SecretGrant| grants.secrets.iter().any(|grant| grant.narrowed_to(&need).is_some()))
            }
        }
    }
}

/// Whether there may be a host that both are for. An address and a name may mean the same one.
fn hosts_meet(one: &NetGrant, other: &NetGrant) -> bool {
    let ports = one.port.is_none() || other.port.is_none() || one.port == other.port;
    ports && (one.host == other.host || one.covers_name(&other.host) || other.covers_name(&one.host))
}

/// Whether there may be a model that both are for. What an alias stands for is not known here.
fn models_meet(one: &str, other: &str) -> bool {
    match (one.split_once('/'), other.split_once('/')) {
        _ if one == ModelGrant::ALL || other == ModelGrant::ALL => true,
        (None, None) => one.eq_ignore_ascii_case(other),
        (Some((one_provider, one)), Some((other_provider, other))) => {
            let covers = |pattern: &str, model: &str| pattern.strip_suffix('*').is_some_and(|start| model.starts_with(start));
            one_provider.eq_ignore_ascii_case(other_provider) && (one == other || covers(one, other) || covers(other, one))
        }
        _ => true,
    }
}

fn check_folder(text: &str) -> Result<(), GrantError> {
    let problem = |problem| GrantError { text: text.to_owned(), problem };
    if text.contains("::") {
        return Err(problem(
            "a need names a folder by its path in the guest; which folder of the machine that is, the operator says",
        ));
    }
    if Place::of(text).leads_out() {
        return Err(problem("a need's path cannot have `..` in it"));
    }
    text.parse::<FolderGrant>().map(drop)
}

fn check_env(text: &str) -> Result<(), GrantError> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '=';
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(());
    }
    Err(GrantError {
        text: text.to_owned(),
        problem: "the name of an environment variable has no space, `=` or control character",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs(json: serde_json::Value) -> Needs {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn texts_are_those_of_grants() {
        let good = needs(json!({
            "read": ["docs", "./a/b/", "/srv/data", "."], "write": ["out"], "env": ["LANG", "ProgramFiles(x86)"],
            "net": ["api.github.com:443", "*"], "secrets": ["gh", "gh.TOKEN", "gh@api.github.com:443", "gh.TOKEN=reveal"],
            "llm": ["fast", "openai/*", "*"], "devices": ["a later kind"],
        }));
        good.check().unwrap();
        assert_eq!(good.iter().count(), 16);
        let long = "x".repeat(1025);
        for (kind, bad) in [
            ("read", ["", "a::b", "../a", "a/../b", "a\u{0}"].as_slice()),
            ("write", &["a/.."]),
            ("env", &["", "A=B", "A B", "A\n", &long]),
            ("net", &["", "a b", "a:b"]),
            ("secrets", &["", "a b", ".K", "gh.", "gh=show", "gh@", "gh@a b"]),
            ("llm", &["", "a b", "open*"]),
        ] {
            for text in bad {
                let error = needs(json!({ kind: [text] })).check().unwrap_err();
                assert!(error.to_string().len() < 400, "{kind} {text:?}: {error}");
            }
        }
        assert!(needs(json!({ "env": vec!["A"; MOST + 1] })).check().is_err());
    }

    #[test]
    fn a_need_is_met_where_a_part_of_it_is_granted() {
        let met = |kind, text: &str, grants: serde_json::Value| {
            Need { kind, text: text.into() }.is_met_by(&serde_json::from_value(grants).unwrap())
        };
        assert!(met(NeedKind::Read, "docs", json!({ "read": ["/w/docs::docs"] })));
        assert!(
            met(NeedKind::Read, "docs/a", json!({ "write": ["docs"] }))
                && met(NeedKind::Read, "docs", json!({ "read": ["docs/a"] }))
        );
        assert!(
            !met(NeedKind::Read, "docs", json!({ "read": ["docs2"] }))
                && !met(NeedKind::Write, "docs", json!({ "read": ["docs"] }))
        );
        assert!(
            met(NeedKind::Env, "LANG", json!({ "env": ["LANG"] })) && !met(NeedKind::Env, "LANG", json!({ "env": ["LC_ALL"] }))
        );
        assert!(met(NeedKind::Net, "a.example.com:443", json!({ "net": ["*.example.com"] })));
        assert!(!met(NeedKind::Net, "a.example.com:443", json!({ "net": ["*.example.com:80"] })));
        assert!(!met(NeedKind::Net, "a.example.com:443", json!({ "net": ["b.example.com"] })));
        assert!(met(NeedKind::Llm, "fast", json!({ "llm": ["openai/*"] })), "it may stand for one of them");
        assert!(
            !met(NeedKind::Llm, "fast", json!({ "llm": ["smart"] }))
                && met(NeedKind::Llm, "openai/a", json!({ "llm": ["openai/*"] }))
        );
        assert!(!met(NeedKind::Llm, "openai/a", json!({ "llm": ["groq/*"] })));
    }

    #[test]
    fn all_of_it_can_be_granted() {
        let needs = needs(
            json!({ "read": ["docs"], "write": ["/abs"], "env": ["LANG"], "net": ["a:1"], "llm": ["fast"], "secrets": ["gh"] }),
        );
        let grants = needs.as_grants(Path::new("/project"));
        assert_eq!(grants.read[0].to_string(), "/project/docs::docs");
        assert_eq!(grants.write[0].to_string(), "/abs::/abs");
        assert!(needs.iter().all(|need| need.is_met_by(&grants)));
        assert_eq!(Need { kind: NeedKind::Net, text: "a:1".into() }.flag(), "--allow-net=a:1");
    }
}
