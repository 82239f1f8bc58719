//! What would be deleted, with sizes.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PreviewNode {
    /// Where it is.
    pub path: PathBuf,
    /// `directory` or `file`.
    pub r#type: &'static str,
    /// How large it is, with all that is in it.
    pub size_bytes: u64,
}

/// One thing that goes as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PreviewEntry {
    /// The thing.
    #[serde(flatten)]
    pub node: PreviewNode,
    /// What it is, for people.
    pub note: String,
    /// What is in it, one level down.
    pub children: Vec<PreviewNode>,
}

impl PreviewEntry {
    pub(super) fn of(path: &Path, note: impl Into<String>) -> Self {
        let mut children: Vec<PreviewNode> =
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| node(entry.path())).collect();
        children.sort_by(|one, other| one.path.cmp(&other.path));
        Self { node: node(path.to_owned()), note: note.into(), children }
    }
}

fn node(path: PathBuf) -> PreviewNode {
    let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    let size_bytes = size_of(&path);
    PreviewNode { path, r#type: if is_folder { "directory" } else { "file" }, size_bytes }
}

/// Links are not followed.
fn size_of(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size_of(&entry.path())).sum()
}
