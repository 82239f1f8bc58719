//! A machine that dies, and not only a process on it: what was not synced is gone, or some of it is.
//!
//! `kill -9` leaves all that a process has written, because the system still has it. Here a library stands between a host and its disk, and keeps
//! of a data folder what was synced (`machine/disk.c`). When the power goes, the folder is made anew of that.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use tempfile::TempDir;

use crate::{Host, Random};

/// What stands between a process and its disk.
const DISK: &str = include_str!("machine/disk.c");
/// What a disk writes whole.
const SECTOR: usize = 512;

/// The machine on which a host's data folder lies.
pub struct Machine {
    home: PathBuf,
    disk: TempDir,
    library: PathBuf,
}

/// What becomes of that which was written and not synced.
#[derive(Clone, Copy, Debug)]
pub enum Unsynced {
    /// All of it is gone.
    Gone,
    /// The disk has written some of it, whatever it came to first: chosen by this number.
    Torn(u64),
}

impl Machine {
    /// The machine of a host that has a data folder, all of which is on the disk.
    pub fn of(host: &Host) -> Self {
        let home = host.home().canonicalize().expect("a data folder");
        let disk = tempfile::Builder::new().prefix("kitaru-disk-").tempdir().expect("a temporary folder");
        let machine = Self { home, disk, library: library() };
        machine.keep(&machine.home);
        machine
    }

    /// Has a command run on this machine.
    pub fn hosts(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("MACHINE_ROOT", &self.home).env("MACHINE_DISK", self.disk.path());
    }

    /// The same for one in whose `sync`-th sync the machine dies, when whoever does not wait for it had time to go on. With it goes everything that runs
    /// in the command's process group: one of its own, if the caller gives it no other.
    pub fn dies_in(&self, command: &mut Command, sync: u64) {
        self.hosts(command);
        command.env("MACHINE_DIES_AT", sync.to_string()).process_group(0);
    }

    /// The data folder as it is when the machine has power again. Nothing of it runs any more.
    pub fn loses_power(self, unsynced: Unsynced) {
        let (lost, found) = (self.home.with_extension("lost"), self.home.with_extension("found"));
        let mut chance = match unsynced {
            Unsynced::Gone => None,
            Unsynced::Torn(seed) => Some(Random::new(seed)),
        };
        let root = self.key_of(&self.home).expect("the data folder");
        self.restore(&root, Some(&self.home), &found, &mut chance);
        std::fs::rename(&self.home, &lost).expect("the data folder as it was");
        std::fs::rename(&found, &self.home).expect("the data folder as it is found");
        std::fs::remove_dir_all(&lost).expect("what was lost is of no use");
    }

    /// Takes what lies there for synced.
    fn keep(&self, path: &Path) {
        let Some(key) = self.key_of(path) else { return };
        let place = self.disk.path().join(&key);
        if path.is_dir() {
            let mut names = std::fs::File::create(place).expect("a file on the disk");
            for (name, key) in self.names(path) {
                writeln!(names, "{key} {name}").expect("a name on the disk");
                self.keep(&path.join(name));
            }
        } else {
            std::fs::copy(path, place).expect("a copy on the disk");
        }
    }

    /// Files and folders in a folder, as they are.
    fn names(&self, folder: &Path) -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(folder).expect("a folder that can be read");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8"));
        names.filter_map(|name| self.key_of(&folder.join(&name)).map(|key| (name, key))).collect()
    }

    /// Makes the folder of this key anew at `target`. `written` is the one that was there, if it still has a name.
    fn restore(&self, key: &str, written: Option<&Path>, target: &Path, chance: &mut Option<Random>) {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(target).expect("a folder");
        let synced = std::fs::read_to_string(self.disk.path().join(key)).unwrap_or_default();
        let mut names: BTreeMap<String, String> = synced
            .lines()
            .map(|line| line.split_once(' ').expect("a key and a name"))
            .map(|(key, name)| (name.to_owned(), key.to_owned()))
            .collect();
        let there = written.map(|folder| self.names(folder)).unwrap_or_default();
        if let Some(chance) = chance {
            // A name that was given or taken may be on the disk without anybody's having asked for it.
            let all: Vec<String> = names.keys().chain(there.keys()).cloned().collect();
            for name in all {
                if names.get(&name) != there.get(&name) && chance.once_in(2) {
                    match there.get(&name) {
                        Some(key) => names.insert(name, key.clone()),
                        None => names.remove(&name),
                    };
                }
            }
        }
        for (name, key) in names {
            // Under another name it may be another's by now.
            let written = written.map(|folder| folder.join(&name)).filter(|_| there.get(&name) == Some(&key));
            let target = target.join(&name);
            if key.starts_with('d') {
                self.restore(&key, written.as_deref(), &target, chance);
                continue;
            }
            let synced = std::fs::read(self.disk.path().join(&key)).unwrap_or_default();
            let bytes = match (chance.as_mut(), written) {
                (Some(chance), Some(written)) => torn(&synced, &std::fs::read(written).expect("what was written"), chance),
                _ => synced,
            };
            write_private(&target, &bytes);
        }
    }

    /// What `machine/disk.c` calls a file or folder; nothing else has such a key.
    fn key_of(&self, path: &Path) -> Option<String> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        let kind = if metadata.is_dir() { 'd' } else { 'f' };
        let is_kept = metadata.is_dir() || metadata.is_file();
        is_kept.then(|| format!("{kind}-{}-{}", metadata.ino(), made(&metadata)))
    }
}

/// When a file was made, to the nanosecond.
fn made(metadata: &Metadata) -> String {
    let made = metadata.created().expect("the file system says when a file was made").duration_since(UNIX_EPOCH);
    let made = made.expect("after 1970");
    format!("{}.{:09}", made.as_secs(), made.subsec_nanos())
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).expect("a file made anew");
}

/// A file of which some sectors are as they were synced, and some as they were written afterwards.
fn torn(synced: &[u8], written: &[u8], chance: &mut Random) -> Vec<u8> {
    // From hardly anything to hardly anything missing.
    let odds = 2 + chance.below(4);
    let mostly_written = chance.once_in(2);
    let length = if chance.once_in(2) { synced.len() } else { written.len() };
    let mut bytes = vec![0; length];
    for (at, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        let from = if chance.once_in(odds) == mostly_written { synced } else { written };
        let from = from.get(at * SECTOR..).unwrap_or_default();
        let many = from.len().min(sector.len());
        sector[..many].copy_from_slice(&from[..many]);
    }
    bytes
}

/// The library, compiled beside the test that needs it, by whoever needs it first.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.parent().expect("tests lie in a folder");
    let hash = blake3::hash(DISK.as_bytes()).to_hex();
    let library = folder.join(format!("machine-disk-{}.so", &hash[..16]));
    if !library.exists() {
        let place = tempfile::tempdir_in(folder).expect("a folder to compile in");
        let (source, made) = (place.path().join("disk.c"), place.path().join("disk.so"));
        std::fs::write(&source, DISK).expect("a source to compile");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"];
        let status = Command::new(&compiler).args(flags).arg(&made).arg(&source).status();
        let status = status.unwrap_or_else(|error| panic!("{compiler:?} could not be started: {error}"));
        assert!(status.success(), "{compiler:?} failed");
        // Whole or not at all: others may look for it at the same time.
        std::fs::rename(made, &library).expect("the library under its name");
    }
    library
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sectors of `a` that were synced, and four of `b` that were written after it.
    #[test]
    fn torn_files_have_whole_sectors_of_both() {
        let (synced, written) = (vec![b'a'; 3 * SECTOR], vec![b'b'; 4 * SECTOR]);
        let mut chance = Random::new(1);
        let mut lengths = std::collections::BTreeSet::new();
        let mut mixed = 0;
        for _ in 0..100 {
            let bytes = torn(&synced, &written, &mut chance);
            lengths.insert(bytes.len() / SECTOR);
            assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
            mixed += usize::from(bytes.contains(&b'a') && bytes.contains(&b'b'));
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [3, 4]);
        assert!(mixed > 20, "{mixed}");
    }

    /// Of a file that is synced, written on and renamed, and of one that is not synced, by a shell that knows nothing of this.
    #[test]
    fn what_was_not_synced_goes_with_the_power() {
        let host = Host::new();
        std::fs::create_dir(host.home()).unwrap();
        std::fs::write(host.home().join("old"), "old").unwrap();
        let machine = Machine::of(&host);
        let mut command = Command::new("sh");
        command.arg("-c").current_dir(host.home()).arg(
            "echo synced > a; sync a; echo more >> a; echo unsynced > b; echo lost >> old; mkdir c; echo kept > c/d; sync c/d c .; mv a z",
        );
        machine.hosts(&mut command);
        assert!(command.status().unwrap().success());
        machine.loses_power(Unsynced::Gone);
        let read = |name: &str| std::fs::read_to_string(host.home().join(name)).ok();
        let found = ["a", "b", "old", "z", "c/d"].map(read);
        assert_eq!(found.each_ref().map(Option::as_deref), [Some("synced\n"), Some(""), Some("old"), None, Some("kept\n")]);
    }
}
