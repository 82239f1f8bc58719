//! What an operator allows a component's checkpoints to touch, and which models it may call. Nothing, unless said so.

mod folder;
mod meet;
mod model;
mod narrow;
mod needs;
mod net;
mod net_text;
mod path;
mod place;
mod reach;
mod secret;
mod text;

pub use folder::FolderGrant;
pub use model::ModelGrant;
pub use narrow::Narrowed;
pub use needs::{Need, NeedKind, Needs};
pub use net::{HttpScheme, NetGrant, RequestTarget};
pub(in crate::sandbox) use net::{allows, allows_at};
pub(in crate::sandbox) use net_text::REFUSED_METHODS;
pub use path::PathPattern;
pub use reach::Reach;
pub use secret::SecretGrant;
pub use text::GrantError;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Capabilities granted to checkpoints, and models granted to flows and checkpoints. Recorded on the execution, which keeps them for life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Folders to read.
    #[schemars(with = "Vec<String>")]
    pub read: Vec<FolderGrant>,
    /// Folders to read and write.
    #[schemars(with = "Vec<String>")]
    pub write: Vec<FolderGrant>,
    /// Names of environment variables; their values are read when an attempt starts and are never recorded.
    pub env: Vec<String>,
    /// Hosts to reach.
    #[schemars(with = "Vec<String>")]
    pub net: Vec<NetGrant>,
    /// Models that flows and checkpoints may call.
    #[schemars(with = "Vec<String>")]
    pub llm: Vec<ModelGrant>,
    /// Secrets to put into requests, or to read.
    #[schemars(with = "Vec<String>")]
    pub secrets: Vec<SecretGrant>,
    /// What single checkpoints have beside that, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "of_checkpoints")]
    #[schemars(with = "BTreeMap<String, Grants>")]
    pub checkpoints: BTreeMap<String, Grants>,
    /// How the needs of the checkpoint whose grants these are narrow them; not recorded, because it follows from the component.
    #[serde(skip)]
    pub narrowed: Narrowed,
}

/// What single checkpoints are granted goes one level deep.
fn of_checkpoints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Grants>, D::Error> {
    let checkpoints = BTreeMap::<String, Grants>::deserialize(deserializer)?;
    if checkpoints.values().any(|grants| !grants.checkpoints.is_empty()) {
        return Err(D::Error::custom("a checkpoint has no checkpoints of its own"));
    }
    Ok(checkpoints)
}

/// A granted folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the granted folder `{}` cannot be used: {problem}", .folder.display())]
pub struct UnusableFolder {
    /// Which.
    pub folder: PathBuf,
    /// Why.
    pub problem: String,
}

impl Grants {
    /// All folders, also those of single checkpoints.
    pub fn folders(&self) -> impl Iterator<Item = &FolderGrant> {
        let of_one = self.checkpoints.values().flat_map(|grants| grants.read.iter().chain(&grants.write));
        self.read.iter().chain(&self.write).chain(of_one)
    }

    /// The same, to change them.
    pub fn folders_mut(&mut self) -> impl Iterator<Item = &mut FolderGrant> {
        let of_one = self.checkpoints.values_mut().flat_map(|grants| grants.read.iter_mut().chain(&mut grants.write));
        self.read.iter_mut().chain(&mut self.write).chain(of_one)
    }

    /// Names of all environment variables, also those of single checkpoints.
    pub fn variables(&self) -> impl Iterator<Item = &String> {
        self.env.iter().chain(self.checkpoints.values().flat_map(|grants| &grants.env))
    }

    /// Whether any model is granted, to all or to a single checkpoint.
    pub fn names_models(&self) -> bool {
        !self.llm.is_empty() || self.checkpoints.values().any(|grants| !grants.llm.is_empty())
    }

    /// Whether there is a model that this scope may call.
    pub fn may_name_models(&self) -> bool {
        !self.llm.is_empty() && self.narrowed.may_name_models()
    }

    /// Gives folders the form that does not depend on where the next command is started.
    ///
    /// # Errors
    /// With the first one that is not there.
    pub fn make_absolute(&mut self) -> Result<(), UnusableFolder> {
        for folder in self.folders_mut() {
            let unusable = |problem: String| UnusableFolder { folder: folder.host.clone(), problem };
            let absolute = folder.host.canonicalize().map_err(|error| unusable(error.to_string()))?;
            // Grants are recorded as text.
            if absolute.to_str().is_none() {
                return Err(unusable("its path is not UTF-8".into()));
            }
            folder.host = absolute;
        }
        Ok(())
    }

    /// Checks that folders which have that form lead where they led when they got it: a link that somebody has put in a path since leads to what
    /// nobody granted.
    ///
    /// # Errors
    /// With the first one that is not there, or leads elsewhere.
    pub fn check_unmoved(&self) -> Result<(), UnusableFolder> {
        for folder in self.folders() {
            let unusable = |problem: String| UnusableFolder { folder: folder.host.clone(), problem };
            let now = folder.host.canonicalize().map_err(|error| unusable(error.to_string()))?;
            if now != folder.host {
                return Err(unusable(format!("it leads to `{}` now, which is not what was granted", now.display())));
            }
        }
        Ok(())
    }

    /// Whether nothing is granted by which a body could be observed (E3). Models do not count: a call of one makes durable what came before it.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty() && self.env.is_empty() && self.net.is_empty() && self.secrets.is_empty()
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
        for (name, more) in other.checkpoints {
            self.checkpoints.entry(name).or_default().extend(more);
        }
        add(&mut self.secrets, other.secrets);
    }

    /// Whether a model may be called that an alias, if one was used, stands for.
    pub fn covers_model(&self, alias: Option<&str>, resolved: &str) -> bool {
        self.llm.iter().any(|grant| grant.covers(alias, resolved)) && self.narrowed.covers_model(alias, resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let secrets = Grants { secrets: vec!["gh".parse().unwrap()], ..Grants::default() };
        assert!(!secrets.is_empty(), "whether a secret is there can be seen");
    }

    #[test]
    fn single_checkpoints_have_grants_of_their_own() {
        let parse = |text: &str| toml::from_str::<Grants>(text);
        let mut grants = parse("env = [\"LANG\"]\n[checkpoints.fetch]\nnet = [\"a:1\"]\nread = [\"docs\"]\n").unwrap();
        let more = parse("[checkpoints.fetch]\nnet = [\"a:1\", \"b:2\"]\nenv = [\"TZ\"]\n[checkpoints.send]\nllm = [\"fast\"]\n")
            .unwrap();
        grants.extend(more);
        assert_eq!(grants.checkpoints["fetch"].net.len(), 2, "each once");
        assert_eq!((grants.folders().count(), grants.variables().count(), grants.names_models()), (1, 2, true));
        let text = serde_json::to_string(&grants).unwrap();
        assert_eq!(serde_json::from_str::<Grants>(&text).unwrap(), grants);
        assert!(!serde_json::to_string(&Grants::default()).unwrap().contains("checkpoints"));
        let nested = parse("[checkpoints.a.checkpoints.b]\nenv = [\"X\"]\n").unwrap_err();
        assert!(nested.to_string().contains("no checkpoints of its own"), "{nested}");
        assert!(parse("[checkpoints.a]\nenvs = [\"X\"]\n").is_err(), "a misspelt kind");
    }

    #[test]
    fn folders_that_are_not_there_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let here = FolderGrant { host: folder.path().join("."), guest: "docs".into() };
        let mut grants = Grants::default();
        grants.checkpoints.insert("c".into(), Grants { read: vec![here], ..Grants::default() });
        grants.make_absolute().unwrap();
        assert_eq!(grants.checkpoints["c"].read[0].host, folder.path().canonicalize().unwrap());
        grants.write.push(FolderGrant { host: folder.path().join("gone"), guest: "gone".into() });
        assert!(grants.make_absolute().unwrap_err().to_string().contains("gone"));
    }

    #[cfg(unix)]
    #[test]
    fn folders_that_became_links_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (docs, other) = (folder.path().join("docs"), folder.path().join("other"));
        std::fs::create_dir(&docs).unwrap();
        let mut grants = Grants { read: vec![FolderGrant { host: docs.clone(), guest: "docs".into() }], ..Grants::default() };
        grants.make_absolute().unwrap();
        grants.check_unmoved().unwrap();
        std::fs::rename(&docs, &other).unwrap();
        assert!(grants.check_unmoved().is_err(), "it is not there");
        std::os::unix::fs::symlink(&other, &docs).unwrap();
        let told = grants.check_unmoved().unwrap_err().to_string();
        assert!(told.contains("other") && told.contains("not what was granted"), "{told}");
    }
}
