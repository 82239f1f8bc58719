//! `kitaru.toml`: what a project grants its flows, and how much they may use.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::sandbox::{Grants, Limits};

/// Name of the file.
const FILE: &str = "kitaru.toml";

/// A project's configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectConfig {
    /// What checkpoints may touch. Folders are relative to the file.
    pub grants: Grants,
    /// What instances may use.
    pub limits: Limits,
    /// How much the host does at a time.
    pub host: HostConfig,
}

/// How much the host does at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// Checkpoint bodies of all executions that run at a time.
    pub parallel: Option<usize>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It says something that is not understood.
    #[error("`{path}` is not a usable configuration")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl ProjectConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or understood; an unknown key is an error, because a misspelt limit must not be no limit.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config: Self =
            toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        for grant in config.grants.read.iter_mut().chain(&mut config.grants.write) {
            grant.host = folder.join(&grant.host);
        }
        Ok(config)
    }
}

/// The nearest `kitaru.toml` at or above `folder`.
pub fn find_project_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_relative_to_the_file_and_typos_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "[grants]\nread = [\"docs\"]\nnet = [\"api.example.com:443\"]\n[limits]\nmemory_mib = 64\n")
            .unwrap();
        let config = ProjectConfig::read(&path).unwrap();
        assert_eq!(config.grants.read[0].host, folder.path().join("docs"));
        assert_eq!(config.grants.read[0].guest, "docs");
        assert_eq!((config.limits.memory_mib, config.limits.calls), (64, Limits::default().calls));
        for bad in ["[limits]\nmemory = 1\n", "[grant]\n", "[grants]\nnet = [\"https://x\"]\n", "x"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(ProjectConfig::read(&path), Err(ConfigError::Parse { .. })), "{bad}");
        }
        assert_eq!(find_project_file(&folder.path().join("a")), Some(path));
    }
}
