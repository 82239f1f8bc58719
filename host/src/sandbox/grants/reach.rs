//! What grants reach, seen from the process: folders, and whether there is a network.

use std::path::PathBuf;

use super::Grants;

/// What grants reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Folders to read.
    pub read: Vec<PathBuf>,
    /// Folders to read and write.
    pub write: Vec<PathBuf>,
    /// Whether hosts or models can be reached.
    pub network: bool,
}

impl Grants {
    /// What the process needs of its own rights to give what is granted.
    pub fn reach(&self) -> Reach {
        let all = || std::iter::once(self).chain(self.checkpoints.values());
        Reach {
            read: all().flat_map(|grants| &grants.read).map(|folder| folder.host.clone()).collect(),
            write: all().flat_map(|grants| &grants.write).map(|folder| folder.host.clone()).collect(),
            network: all().any(|grants| !grants.net.is_empty() || !grants.llm.is_empty()),
        }
    }
}
