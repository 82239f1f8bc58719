//! The data folder: `--home` or `KITARU_HOME`, else the nearest `.kitaru/` that `kitaru-host init` made, else the platform's data folder.

use std::path::{Path, PathBuf};

/// Name of the folder that `init` makes.
const MARKER: &str = ".kitaru";

/// How the data folder was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeSource {
    /// `--home` or `KITARU_HOME`.
    Given,
    /// The nearest `.kitaru/`.
    Project,
    /// The platform's data folder.
    Platform,
}

impl HomeSource {
    /// One phrase for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "KITARU_HOME or --home",
            Self::Project => "the project's .kitaru folder",
            Self::Platform => "the platform's data folder",
        }
    }
}

/// The data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Where it is.
    pub folder: PathBuf,
    /// How it was found.
    pub source: HomeSource,
}

impl Home {
    /// Finds the data folder. `given` is what flag or environment say; `env` reads the environment. None when no folder can be told, because
    /// the machine names no home for its user.
    pub fn find(given: Option<PathBuf>, current: &Path, env: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        if let Some(folder) = given.filter(|folder| !folder.as_os_str().is_empty()) {
            return Some(Self { folder, source: HomeSource::Given });
        }
        if let Some(folder) = find_project_marker(current) {
            return Some(Self { folder, source: HomeSource::Project });
        }
        let data = if cfg!(windows) {
            env("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            env("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            let xdg = env("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
            xdg.or_else(|| env("HOME").map(|home| home.join(".local/share")))
        };
        data.map(|folder| Self { folder: folder.join("kitaru-host"), source: HomeSource::Platform })
    }
}

/// The nearest `.kitaru/` at or above `current`.
pub fn find_project_marker(current: &Path) -> Option<PathBuf> {
    current.ancestors().map(|folder| folder.join(MARKER)).find(|marker| marker.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_precedence() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let env = |name: &str| (name == "XDG_DATA_HOME").then(|| PathBuf::from("/data"));
        let find = |given: Option<&str>| Home::find(given.map(PathBuf::from), &deep, env).unwrap();
        assert_eq!(find(Some("/x")), Home { folder: "/x".into(), source: HomeSource::Given });
        if cfg!(target_os = "linux") {
            assert_eq!(find(Some("")), Home { folder: "/data/kitaru-host".into(), source: HomeSource::Platform });
        }
        std::fs::create_dir(folder.path().join(MARKER)).unwrap();
        assert_eq!(find(None), Home { folder: folder.path().join(MARKER), source: HomeSource::Project });
        assert_eq!(Home::find(None, Path::new("/"), |_| None), None);
    }
}
