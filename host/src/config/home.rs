//! The data folder: `--home` or `KITARU_HOME`, else the nearest `.kitaru/` that `kitaru-host init` made, else the platform's data folder.
//!
//! A `.kitaru/` that came with a checkout, or that another user left in a shared folder, holds executions with grants of their own and
//! compiled code, so it is no data folder of ours: `init` notes what it made in the platform's data folder, which nobody else can write.

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
    /// The nearest `.kitaru/`, where it was passed over because `init` did not make it here.
    pub ignored: Option<PathBuf>,
}

impl Home {
    /// Finds the data folder. `given` is what flag or environment say; `env` reads the environment. None when no folder can be told, because
    /// the machine names no home for its user.
    pub fn find(given: Option<PathBuf>, current: &Path, env: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        if let Some(folder) = given.filter(|folder| !folder.as_os_str().is_empty()) {
            return Some(Self { folder, source: HomeSource::Given, ignored: None });
        }
        let platform = platform_folder(&env);
        let marker = find_project_marker(current);
        let made_here = marker.as_ref().is_some_and(|marker| {
            let noted = platform.as_ref().map(|folder| noted(folder)).unwrap_or_default();
            marker.canonicalize().is_ok_and(|marker| noted.contains(&marker))
        });
        match marker {
            Some(folder) if made_here => Some(Self { folder, source: HomeSource::Project, ignored: None }),
            ignored => platform.map(|folder| Self { folder, source: HomeSource::Platform, ignored }),
        }
    }
}

/// The platform's data folder for this program and user.
pub fn platform_folder(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let data = {
        if cfg!(windows) {
            env("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            env("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            let xdg = env("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
            xdg.or_else(|| env("HOME").map(|home| home.join(".local/share")))
        }
    };
    data.map(|folder| folder.join("kitaru-host"))
}

/// Name of the file that lists the data folders of projects, one path in a line.
const NOTES: &str = "projects";

fn noted(platform: &Path) -> Vec<PathBuf> {
    std::fs::read_to_string(platform.join(NOTES)).unwrap_or_default().lines().map(PathBuf::from).collect()
}

/// Notes that `marker` is a project's data folder of this user.
///
/// # Errors
/// When the note cannot be written.
pub fn note_project(platform: &Path, marker: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let marker = marker.canonicalize()?;
    if noted(platform).contains(&marker) {
        return Ok(());
    }
    let mut folders = std::fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(platform)?;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(platform.join(NOTES))?.write_all(format!("{}\n", marker.display()).as_bytes())
}

/// Data folders of projects that `init` has noted in the platform's data folder.
pub fn noted_projects(platform: &Path) -> Vec<PathBuf> {
    noted(platform)
}

/// Notes these data folders of projects in the platform's data folder, and no others: what lies where one was is somebody else's from then on.
///
/// # Errors
/// When the note cannot be written: then it is as it was.
pub fn keep_projects(platform: &Path, kept: &[PathBuf]) -> std::io::Result<()> {
    let mut folders = std::fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(platform)?;
    let text = kept.iter().map(|folder| format!("{}\n", folder.display())).collect::<String>();
    super::whole_file::write(&platform.join(NOTES), &text)
}

/// The nearest `.kitaru/` at or above `current`.
fn find_project_marker(current: &Path) -> Option<PathBuf> {
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
        let data = folder.path().join("data");
        let env = |name: &str| matches!(name, "XDG_DATA_HOME" | "LOCALAPPDATA" | "HOME").then(|| data.clone());
        let find = |given: Option<&str>| Home::find(given.map(PathBuf::from), &deep, env).unwrap();
        assert_eq!(find(Some("/x")), Home { folder: "/x".into(), source: HomeSource::Given, ignored: None });
        let platform = platform_folder(env).unwrap();
        let by_default = Home { folder: platform.clone(), source: HomeSource::Platform, ignored: None };
        assert_eq!(find(Some("")), by_default);
        // A folder that came from elsewhere is passed over, and said to be; one that `init` made counts.
        let marker = folder.path().join(MARKER);
        std::fs::create_dir(&marker).unwrap();
        assert_eq!(find(None), Home { ignored: Some(marker.clone()), ..by_default });
        note_project(&platform, &marker).unwrap();
        note_project(&platform, &marker).unwrap();
        assert_eq!(noted(&platform).len(), 1);
        assert_eq!(find(None), Home { folder: marker, source: HomeSource::Project, ignored: None });
        assert_eq!(Home::find(None, Path::new("/"), |_| None), None);
    }
}
