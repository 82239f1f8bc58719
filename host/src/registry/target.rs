//! `<file.wasm | project folder>[:flow]`.

use std::path::{Path, PathBuf};

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A component file or a project folder.
    pub path: PathBuf,
    /// The flow.
    pub flow: Option<String>,
}

/// The target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no such file or folder.
    #[error("`{0}` does not exist")]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Target {
    /// Reads a target. A path that exists is a path, whatever colons it has.
    ///
    /// # Errors
    /// When there is no such file or folder.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if Path::new(text).exists() {
            return Ok(Self { path: text.into(), flow: None });
        }
        match text.rsplit_once(':') {
            Some((path, flow)) if !flow.is_empty() && Path::new(path).exists() => {
                Ok(Self { path: path.into(), flow: Some(flow.to_owned()) })
            }
            Some((path, flow)) if !flow.contains(['/', '\\', '.']) => Err(TargetError::Missing(path.into())),
            _ => Err(TargetError::Missing(text.into())),
        }
    }

    /// Reads the component file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Vec<u8>, TargetError> {
        std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => TargetError::Missing(path.to_owned()),
            _ => TargetError::Read { path: path.to_owned(), source },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a:b.wasm");
        std::fs::write(&file, "").unwrap();
        let text = file.display().to_string();
        assert_eq!(Target::parse(&text).unwrap(), Target { path: file.clone(), flow: None });
        assert_eq!(Target::parse(&format!("{text}:flow")).unwrap(), Target { path: file, flow: Some("flow".into()) });
        assert!(
            matches!(Target::parse("/no/such.wasm:x"), Err(TargetError::Missing(path)) if path == Path::new("/no/such.wasm"))
        );
        assert!(matches!(Target::parse("/no/such"), Err(TargetError::Missing(_))));
    }
}
