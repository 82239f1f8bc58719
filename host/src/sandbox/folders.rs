//! The folders that one attempt was granted, opened where their grants say and nowhere else, and what the attempt has open in them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::below;
use super::grants::{FolderGrant, Grants};
use super::limits::Limits;
use super::port::LogSink;
use super::quota::WriteQuota;
use crate::journal::{Failure, LogLevel};

/// A longer path is cut where it is shown, in characters.
const LONGEST_SHOWN: usize = 512;

/// A granted folder, open.
#[derive(Clone)]
pub(super) struct Folder {
    pub(super) dir: Dir,
    /// Its path in the guest.
    pub(super) guest: String,
    /// Whether it lies elsewhere on this machine than its path in the guest says.
    renamed: bool,
}

impl Folder {
    /// The flag that grants what this folder's grant does not. The folder's path on this machine is none of the guest's business, and the
    /// guest's flow sees the failure.
    pub(super) fn flag(&self, flag: &str) -> String {
        if self.renamed { format!("{flag}=<folder>::{}", self.guest) } else { format!("{flag}={}", self.guest) }
    }
}

/// Where something lies that a guest has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its path as the guest says it, made printable.
    pub(super) path: String,
    /// In which of the granted folders.
    pub(super) folder: usize,
}

impl Place {
    /// A path below this one, made printable.
    pub(super) fn join(&self, path: &str) -> String {
        let below = printable(path);
        match (self.path.as_str(), below.as_str()) {
            (_, "" | ".") => self.path.clone(),
            // An absolute path is refused, and shown as it was said.
            (_, path) if path.starts_with('/') => below,
            (".", _) => below,
            (folder, _) => format!("{}/{below}", folder.trim_end_matches('/')),
        }
    }
}

/// Without anything that does more on a terminal than stand there, and not without end.
fn printable(path: &str) -> String {
    path.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect()
}

/// A grant that cannot be given. The guest's flow sees the failure, and paths of this machine are none of its business: those are for the log.
#[derive(Debug)]
pub(super) struct Withheld {
    /// What the guest is told.
    pub(super) told: String,
    /// What the operator reads in the execution's log.
    pub(super) why: String,
}

impl Withheld {
    /// The failure of the attempt, whose log says the rest.
    pub(super) fn failure(self, log: &dyn LogSink) -> Failure {
        log.line(LogLevel::Error, "log", self.why);
        Failure::runtime("capability", format!("{}: the execution's log says why", self.told))
    }
}

/// What one attempt has of files.
pub(super) struct Files {
    pub(super) folders: Vec<Folder>,
    pub(super) quota: WriteQuota,
    /// What it has open, by the number of its handle.
    pub(super) places: HashMap<u32, Place>,
    /// Listings that it has open.
    pub(super) listings: usize,
}

impl Files {
    /// No folder at all.
    pub(super) fn none(limits: &Limits) -> Self {
        Self { folders: Vec::new(), quota: WriteQuota::new(limits), places: HashMap::new(), listings: 0 }
    }

    /// The folders of these grants.
    ///
    /// # Errors
    /// When one cannot be opened, or leads elsewhere than when it was granted.
    pub(super) fn open(grants: &Grants, limits: &Limits) -> Result<Self, Withheld> {
        let read = grants.read.iter().map(|grant| (grant, FsPerms::ReadOnly, "--allow-read"));
        let write = grants.write.iter().map(|grant| (grant, FsPerms::ReadWrite, "--allow-write"));
        let folders = read.chain(write).filter_map(|(grant, perms, flag)| {
            let opened = open_folder(grant, grants.narrowed.granted_above(&grant.host), perms);
            opened.transpose().map(|opened| {
                opened.map_err(|why| {
                    let (path, guest) = (grant.host.display(), printable(&grant.guest));
                    Withheld {
                        told: format!("the folder `{guest}`, granted with {flag}, cannot be opened"),
                        why: format!("the folder `{path}`, granted with {flag}, cannot be opened: {why}"),
                    }
                })
            })
        });
        Ok(Self { folders: folders.collect::<Result<_, _>>()?, ..Self::none(limits) })
    }
}

/// Opens a granted folder, or a declared one below it. None where there is nothing to read.
fn open_folder(grant: &FolderGrant, above: Option<&Path>, perms: FsPerms) -> Result<Option<Folder>, String> {
    let opened = match above {
        Some(granted) => below::open(granted, &grant.host, perms == FsPerms::ReadWrite),
        None => open_plain(&grant.host).map(Some),
    };
    let opened = opened.map_err(|error| match error.kind() {
        // It says itself what is wrong with the path.
        io::ErrorKind::InvalidInput => error.to_string(),
        _ => moved(&grant.host).unwrap_or_else(|| error.to_string()),
    })?;
    let Some(file) = opened else { return Ok(None) };
    if is_of_processes(&file).map_err(|error| error.to_string())? {
        return Err("the system shows its processes there, and their memory, the host's too".into());
    }
    let mode = match perms {
        FsPerms::ReadOnly => OpenMode::READ,
        FsPerms::ReadWrite => OpenMode::READ | OpenMode::WRITE,
    };
    let renamed = !grant.host.ends_with(&grant.guest) && grant.guest != ".";
    Ok(Some(Folder { dir: Dir::new(file, perms, mode, false), guest: grant.guest.clone(), renamed }))
}

/// Why a path that was plain when it was granted is none now, if it leads somewhere.
fn moved(path: &Path) -> Option<String> {
    let now = path.canonicalize().ok().filter(|now| now != path)?;
    Some(format!(
        "it leads to `{}` now, which is not what was granted; grant that folder, or put the granted one back",
        now.display()
    ))
}

/// Opens a folder by a path in which no part is a link: grants are recorded so. A part that somebody has made a link of since then would lead
/// elsewhere, so each is opened from the one before and none is followed.
#[cfg(unix)]
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    use std::path::Component;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    // The right to look a name up in a folder is enough on the way; where the system cannot say so, to list it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const WAY: OFlags = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const WAY: OFlags = OFlags::RDONLY;
    let flags = WAY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let not_plain = || io::Error::new(io::ErrorKind::InvalidInput, "a grant names a folder by its absolute path, without `..`");
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err(not_plain());
    }
    let mut here = openat(CWD, "/", flags, Mode::empty())?;
    for part in parts {
        let Component::Normal(name) = part else { return Err(not_plain()) };
        here = openat(&here, name, flags, Mode::empty())?;
    }
    Ok(here.into())
}

/// The same where a folder that is open cannot be renamed: it is opened, and then looked where its path leads.
#[cfg(windows)]
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const FILE_SHARE_READ_AND_WRITE: u32 = 3;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).share_mode(FILE_SHARE_READ_AND_WRITE).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    if !file.metadata()?.is_dir() || path.canonicalize()? != path {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(file)
}

/// Whether a file or folder is of the file system in which Linux shows its processes. Their memory, environment and open files look like
/// files there, the host's own among them.
#[cfg(target_os = "linux")]
pub(super) fn is_of_processes(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_of_processes(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn plain(path: &Path) -> PathBuf {
        path.canonicalize().unwrap()
    }

    fn open(host: &Path, guest: &str) -> Result<Files, Withheld> {
        let grant = FolderGrant { host: host.to_owned(), guest: guest.into() };
        Files::open(&Grants { read: vec![grant], ..Grants::default() }, &Limits::default())
    }

    #[test]
    fn a_folder_that_became_a_link_is_not_followed() {
        let top = tempfile::tempdir().unwrap();
        let top = plain(top.path());
        std::fs::create_dir_all(top.join("granted/deep")).unwrap();
        std::fs::create_dir_all(top.join("elsewhere/deep")).unwrap();
        assert!(open(&top.join("granted/deep"), "deep").is_ok());
        std::fs::rename(top.join("granted"), top.join("moved")).unwrap();
        symlink("elsewhere", top.join("granted")).unwrap();
        for (path, leads) in [("granted", "elsewhere"), ("granted/deep", "elsewhere/deep")] {
            let withheld = open(&top.join(path), "x").err().unwrap();
            assert!(withheld.why.contains(&format!("leads to `{}` now", top.join(leads).display())), "{withheld:?}");
            assert!(withheld.told.contains("`x`") && !withheld.told.contains(top.to_str().unwrap()), "{withheld:?}");
        }
        std::fs::remove_file(top.join("granted")).unwrap();
        assert!(open(&top.join("granted"), "x").err().unwrap().told.contains("cannot be opened"));
        std::fs::write(top.join("granted"), "a file").unwrap();
        assert!(open(&top.join("granted"), "x").is_err());
        for odd in [PathBuf::from("elsewhere"), top.join("elsewhere/../elsewhere")] {
            assert!(open(&odd, "x").err().unwrap().why.contains("absolute path"), "{}", odd.display());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processes_are_not_granted() {
        for path in ["/proc", &format!("/proc/{}", std::process::id())] {
            assert!(open(Path::new(path), "proc").err().unwrap().why.contains("memory"), "{path}");
        }
    }

    #[test]
    fn a_flag_names_the_folder_as_the_guest_says_it() {
        let top = tempfile::tempdir().unwrap();
        let top = plain(top.path());
        let name = top.file_name().unwrap().to_str().unwrap();
        for (guest, flag) in [(name, format!("--allow-write={name}")), (".", "--allow-write=.".into())] {
            assert_eq!(open(&top, guest).unwrap().folders[0].flag("--allow-write"), flag);
        }
        assert_eq!(open(&top, "data").unwrap().folders[0].flag("--allow-write"), "--allow-write=<folder>::data");
    }

    #[test]
    fn paths_are_shown_as_the_guest_says_them_and_do_nothing_to_a_terminal() {
        let at = |path: &str| Place { path: path.into(), folder: 0 };
        assert_eq!(at("docs").join("a/b.txt"), "docs/a/b.txt");
        assert_eq!((at("docs").join("."), at("docs").join("")), ("docs".into(), "docs".into()));
        assert_eq!((at(".").join("a"), at("/").join("a"), at("docs").join("/etc/x")), ("a".into(), "/a".into(), "/etc/x".into()));
        assert_eq!(at("d").join("\u{1b}[2J\n\u{202e}x"), r"d/\u{1b}[2J\n\u{202e}x");
        assert!(at("d").join(&"x".repeat(1 << 20)).len() <= LONGEST_SHOWN + 2);
    }
}
