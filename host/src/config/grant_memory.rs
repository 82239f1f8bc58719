//! What an operator granted to components for good: `grants.toml` in the data folder, by the component's digest. Another version of the code is
//! another component, and has nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::whole_file::{self, FileError};
use crate::ids::ComponentDigest;
use crate::sandbox::Grants;

/// Name of the file.
const FILE: &str = "grants.toml";
/// Name of the file whose lock whoever changes the other holds.
const LOCK: &str = "grants.lock";
/// What people read who open the file.
const HEAD: &str = "# What was granted to components for good, by their digests. `kitaru-host grants forget` takes it back.\n\n";

/// What a component was granted for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RememberedGrants {
    /// Its flows, by which people know it.
    pub flows: Vec<String>,
    /// When it was granted something last, in RFC 3339.
    pub at: String,
    /// What.
    pub grants: Grants,
}

/// The file as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    components: BTreeMap<String, RememberedGrants>,
}

/// What is remembered cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum GrantMemoryError {
    /// The file cannot be read, written or understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file names something that is no component.
    #[error("`{path}` has no usable grants: `{key}` is no digest of a component")]
    Digest {
        /// Which file.
        path: PathBuf,
        /// What it names.
        key: String,
    },
    /// This host remembers nothing.
    #[error("there is no data folder to remember grants in")]
    NoFolder,
    /// The process ends.
    #[error("the remembered grants could not be looked at")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl GrantMemoryError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(FileError::Parse { .. }) | Self::Digest { .. } => {
                Some("mend it by hand, or remove it: then nothing is granted for good any more".into())
            }
            Self::File(_) | Self::NoFolder | Self::Interrupted(_) => None,
        }
    }
}

/// Where it is remembered. The default is nowhere.
#[derive(Clone, Debug, Default)]
pub struct GrantMemory {
    file: Option<PathBuf>,
}

impl GrantMemory {
    /// In the data folder `folder`. Nothing is read yet.
    pub fn new(folder: &Path) -> Self {
        Self { file: Some(folder.join(FILE)) }
    }

    /// All that is remembered.
    ///
    /// # Errors
    /// When the file cannot be read or understood: then nothing counts as granted.
    pub fn all(&self) -> Result<BTreeMap<ComponentDigest, RememberedGrants>, GrantMemoryError> {
        self.file.as_deref().map(read).transpose().map(Option::unwrap_or_default)
    }

    /// Grants a component something for good, beside what it was granted before. Whoever changes the file at the same time comes before or after,
    /// and readers see it whole.
    ///
    /// # Errors
    /// When the file cannot be read, understood or written: then it is as it was.
    pub fn remember(&self, component: ComponentDigest, more: RememberedGrants) -> Result<(), GrantMemoryError> {
        self.change(|all| {
            match all.entry(component) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(more)),
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    let known = entry.get_mut();
                    known.grants.extend(more.grants);
                    (known.flows, known.at) = (more.flows, more.at);
                }
            };
        })
    }

    /// Takes back what was granted for good to these components, or to all. What was taken back.
    ///
    /// # Errors
    /// As for [`GrantMemory::remember`].
    pub fn forget(
        &self,
        components: Option<&[ComponentDigest]>,
    ) -> Result<BTreeMap<ComponentDigest, RememberedGrants>, GrantMemoryError> {
        self.change(|all| {
            let (gone, kept) = std::mem::take(all)
                .into_iter()
                .partition(|(digest, _)| components.is_none_or(|components| components.contains(digest)));
            *all = kept;
            gone
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<ComponentDigest, RememberedGrants>) -> T,
    ) -> Result<T, GrantMemoryError> {
        let path = self.file.as_deref().ok_or(GrantMemoryError::NoFolder)?;
        let failed = FileError::writing(path);
        let lock = whole_file::lock(path, LOCK)?;
        let mut all = read(path)?;
        let done = change(&mut all);
        let components = all.into_iter().map(|(digest, grants)| (digest.to_string(), grants)).collect();
        let text = toml::to_string(&Written { components }).map_err(io::Error::other).map_err(&failed)?;
        whole_file::write(path, &format!("{HEAD}{text}")).map_err(failed)?;
        drop(lock);
        Ok(done)
    }
}

fn read(path: &Path) -> Result<BTreeMap<ComponentDigest, RememberedGrants>, GrantMemoryError> {
    let Some(text) = whole_file::read(path)? else { return Ok(BTreeMap::new()) };
    let Written { components } = whole_file::parse(path, &text, "grants")?;
    let digest = |(key, grants): (String, RememberedGrants)| match key.parse::<ComponentDigest>() {
        Ok(digest) => Ok((digest, grants)),
        Err(_) => Err(GrantMemoryError::Digest { path: path.to_owned(), key }),
    };
    components.into_iter().map(digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(json: serde_json::Value) -> RememberedGrants {
        let grants = serde_json::from_value(json).unwrap();
        RememberedGrants { flows: vec!["flow".into()], at: "2026-11-22T10:00:00Z".into(), grants }
    }

    fn component(name: &str) -> ComponentDigest {
        ComponentDigest::of(name.as_bytes())
    }

    #[test]
    fn what_is_remembered_reads_back_adds_up_and_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let memory = GrantMemory::new(folder.path());
        assert!(memory.all().unwrap().is_empty());
        let first = granted(serde_json::json!({ "env": ["LANG"], "checkpoints": { "fetch": { "net": ["a.example.com:443"] } } }));
        memory.remember(component("a"), first).unwrap();
        memory.remember(component("b"), granted(serde_json::json!({ "read": ["/a \"b\"::docs"] }))).unwrap();
        memory.remember(component("a"), granted(serde_json::json!({ "env": ["LANG", "TZ"] }))).unwrap();
        let all = memory.all().unwrap();
        let of_a = &all[&component("a")].grants;
        assert_eq!((of_a.env.as_slice(), of_a.checkpoints["fetch"].net.len()), (["LANG".to_owned(), "TZ".into()].as_slice(), 1));
        assert_eq!(all[&component("b")].grants.read[0].host, Path::new("/a \"b\""));
        assert_eq!(memory.forget(Some(&[component("a"), component("c")])).unwrap().len(), 1);
        assert_eq!(memory.all().unwrap().keys().collect::<Vec<_>>(), [&component("b")]);
        assert_eq!(memory.forget(None).unwrap().len(), 1);
        assert!(memory.all().unwrap().is_empty());
        #[cfg(unix)]
        for name in [FILE, LOCK] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert!(matches!(GrantMemory::default().forget(None), Err(GrantMemoryError::NoFolder)));
        assert!(GrantMemory::default().all().unwrap().is_empty());
    }

    #[test]
    fn of_several_who_change_it_at_once_nobody_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let memory = GrantMemory::new(folder.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let memory = &memory;
                scope.spawn(move || {
                    let more = granted(serde_json::json!({ "env": [format!("V{number}")] }));
                    memory.remember(component("a"), more.clone()).unwrap();
                    memory.remember(component(&number.to_string()), more).unwrap();
                });
            }
        });
        let all = memory.all().unwrap();
        assert_eq!((all.len(), all[&component("a")].grants.env.len()), (9, 8));
    }

    #[test]
    fn a_damaged_file_is_told_grants_nothing_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, path) = (GrantMemory::new(folder.path()), folder.path().join(FILE));
        let digest = component("a");
        for damaged in [
            "[components".to_owned(),
            "[components.abc]\nflows = []\nat = \"\"\n[components.abc.grants]\n".into(),
            format!("[components.{digest}]\nflows = []\nat = \"\"\n[components.{digest}.grants]\nenvs = [\"A\"]\n"),
            format!("[components.{digest}]\nflows = []\nat = \"\"\n[components.{digest}.grants]\nnet = [\"a b\"]\n"),
        ] {
            std::fs::write(&path, &damaged).unwrap();
            let error = memory.remember(digest, granted(serde_json::json!({}))).unwrap_err();
            assert!(error.to_string().contains(FILE) && error.hint().is_some(), "{error:?}");
            assert!(memory.all().is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(memory.all(), Err(GrantMemoryError::File(FileError::Read { .. }))));
    }
}
