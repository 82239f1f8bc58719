//! Files in granted folders, and errors that say which grant is missing.
//!
//! The C library answers a path outside every granted folder like a missing file. So on failure this module asks which folders
//! were granted and tells the two apart.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::bindings::kitaru::flow::execution;
use crate::{Error, Failure, Origin, Result, needs};

/// A folder that the host opened for this checkpoint.
#[derive(Debug)]
struct Granted {
    path: String,
    writable: bool,
}

pub(crate) fn read<T>(path: &Path, read: impl FnOnce(&Path) -> io::Result<T>) -> Result<T> {
    read(path).map_err(|error| match covering(path, &granted()) {
        Some(_) => Error::new(format!("cannot read {}: {error}", path.display())),
        None => missing("read", path),
    })
}

pub(crate) fn write<T>(path: &Path, write: impl FnOnce(&Path) -> io::Result<T>) -> Result<T> {
    write(path).map_err(|error| match covering(path, &granted()) {
        Some(folder) if folder.writable => Error::new(format!("cannot write {}: {error}", path.display())),
        Some(_) | None => missing("write", path),
    })
}

/// What a bare I/O error says about grants; nothing where it says nothing. It names no path, so neither can the explanation,
/// except where the error's own text does.
pub(crate) fn explain(error: &io::Error, message: &str) -> Option<Error> {
    // An error that a system call returned has its number; one that a library or the author made says something else. A flow has no files,
    // and no flag gives it any.
    if !cfg!(target_os = "wasi") || error.raw_os_error().is_none() {
        return None;
    }
    if matches!(execution::get_current().scope, execution::Scope::Flow) {
        let message = format!("{message}: a flow reaches no files and no network; do it in a checkpoint");
        return Some(Error::Failed(Failure::new("context", message, Origin::UserCode, false)));
    }
    let granted = granted();
    match error.kind() {
        io::ErrorKind::NotFound if granted.is_empty() && needs::declares_no_folder() => Some(Error::capability(
            "",
            format!("{message}: this checkpoint does not declare that it needs a folder, so no grant gives it one"),
        )),
        io::ErrorKind::NotFound if granted.is_empty() => Some(Error::capability(
            "--allow-read=<folder>",
            format!(
                "{message}: no folder is granted; grant the file's folder with --allow-read=<folder> or --allow-write=<folder>"
            ),
        )),
        io::ErrorKind::NotFound => {
            let folders: Vec<&str> = granted.iter().map(|folder| folder.path.as_str()).collect();
            Some(Error::new(format!("{message} (granted folders: {})", folders.join(", "))))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Some(Error::capability(
            "--allow-write=<folder>",
            format!(
                "{message}: not granted; a folder is granted with --allow-read=<folder> or --allow-write=<folder>, \
                 a host with --allow-net=<host>"
            ),
        )),
        _ => None,
    }
}

fn missing(access: &str, path: &Path) -> Error {
    if !needs::declares_path(access, path) {
        let folder = folder_of(path);
        let message = format!(
            "this checkpoint does not declare that it needs to {access} {}, so no grant lets it: declare it with {access} = [\"{}\"]",
            path.display(),
            folder.display()
        );
        return Error::capability("", message);
    }
    let flag = format!("--allow-{access}={}", folder_of(path).display());
    let message = format!("no grant lets this checkpoint {access} {}: grant it with {flag}", path.display());
    Error::capability(flag, message)
}

/// The folder to grant for a file: its own, or the working folder.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// The granted folder that holds `path`: the most specific one, as the C library chooses. None for a path that leaves every
/// folder.
fn covering<'g>(path: &Path, granted: &'g [Granted]) -> Option<&'g Granted> {
    let path = plain(path)?;
    let within = granted.iter().filter_map(|folder| Some((plain(Path::new(&folder.path))?, folder)));
    within
        .filter(|(folder, _)| path.starts_with(folder))
        .max_by_key(|(folder, _)| folder.components().count())
        .map(|(_, folder)| folder)
}

/// Without the parts that change nothing: `/docs`, `./docs` and `docs/old/..` are one folder to a guest, whose working folder is
/// `/`. None where `..` leads out of it.
pub(crate) fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir if !plain.pop() => return None,
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(plain)
}

#[cfg(target_os = "wasi")]
fn granted() -> Vec<Granted> {
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::DescriptorFlags;
    get_directories()
        .into_iter()
        .map(|(folder, path)| {
            let flags = folder.get_flags().unwrap_or(DescriptorFlags::empty());
            Granted { path, writable: flags.contains(DescriptorFlags::MUTATE_DIRECTORY) }
        })
        .collect()
}

/// Outside a host, in native tests, everything is granted.
#[cfg(not(target_os = "wasi"))]
fn granted() -> Vec<Granted> {
    vec![Granted { path: "/".into(), writable: true }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str, writable: bool) -> Granted {
        Granted { path: path.into(), writable }
    }

    #[test]
    fn the_most_specific_folder_covers_a_path() {
        let granted = [folder("work", false), folder("work/out", true)];
        assert!(covering(Path::new("./work/out/a.txt"), &granted).unwrap().writable);
        assert!(!covering(Path::new("work/in/a.txt"), &granted).unwrap().writable);
        assert!(covering(Path::new("workshop/a.txt"), &granted).is_none());
        assert!(covering(Path::new("work/../secrets/a.txt"), &granted).is_none());
        assert!(covering(Path::new("work/../../a.txt"), &granted).is_none());
        assert!(covering(Path::new("anything"), &[folder(".", false)]).is_some());
    }

    #[test]
    fn a_missing_grant_names_path_and_flag() {
        let error = missing("read", Path::new("docs/plan.md"));
        assert_eq!(error.to_string(), "no grant lets this checkpoint read docs/plan.md: grant it with --allow-read=docs");
        let Error::Capability { flag, failure } = missing("write", Path::new("out.txt")) else {
            panic!("not a capability error")
        };
        assert_eq!(flag, "--allow-write=.");
        assert!(!failure.retryable);
        assert_eq!(failure.kind, "capability");
    }
}
