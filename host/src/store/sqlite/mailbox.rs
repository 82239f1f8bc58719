//! Mailboxes: files in `wake/` from which a process learns which executions others woke.
//!
//! A process that watches has one. It is named by its runner, whose locked file proves the owner alive; the lock is not on the mailbox itself,
//! because on some systems nobody else could write into it then. Whoever wakes an execution appends the execution's 16 bytes to each mailbox,
//! in one write. Where nobody else watches there is no mailbox, and nothing is touched.
//!
//! A mailbox that has grown is followed by another: the owner makes the new one, takes the old one's name away, and only then reads that to its
//! end. So a letter is read if its mailbox still had its name after the write. If it had not, whoever wrote it looks for mailboxes once more.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::errors;
use super::folder;
use super::runner::Runner;
use crate::ids::ExecutionId;
use crate::store::StoreError;

const EXTENSION: &str = "mail";
/// A letter is the identifier of an execution.
const LETTER: usize = 16;
/// So many letters are read at a time.
const SHEAF: usize = 256;
/// A mailbox of which so many bytes were read is followed by another.
const FULL: u64 = 64 * 1024;
/// Whenever a mailbox has grown by so many bytes, whoever writes into it looks whether its owner lives.
const CHECKED: u64 = 4 * 1024;
/// So near to one of these sizes: others may write at the same time, and not every letter is whole.
const NEAR: u64 = 4 * LETTER as u64;

/// A mailbox of this process. Its file goes with it.
pub(super) struct Mailbox {
    path: PathBuf,
    /// Stands behind the last letter that was read.
    file: File,
    read: u64,
    is_spoilt: bool,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.hide();
    }
}

impl Mailbox {
    /// An empty mailbox of the runner `owner`, which is registered; the `number`th of it.
    pub(super) fn make(wake: &Path, owner: &str, number: u64) -> Result<Self, StoreError> {
        folder::make_private(wake)?;
        let path = wake.join(format!("{owner}.{number}.{EXTENSION}"));
        let made = folder::private().read(true).write(true).create_new(true).open(&path);
        let file = made.map_err(|error| errors::of_write(&path, error))?;
        Ok(Self { path, file, read: 0, is_spoilt: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Delivers the letters that came since the last time.
    ///
    /// # Errors
    /// When it cannot be read, or has half a letter: nobody knows what else was in it, and another mailbox should follow.
    pub(super) fn take_out(&mut self, deliver: impl FnMut(ExecutionId)) -> io::Result<()> {
        let taken = self.take_all(deliver);
        self.is_spoilt |= taken.is_err();
        taken
    }

    fn take_all(&mut self, mut deliver: impl FnMut(ExecutionId)) -> io::Result<()> {
        let mut sheaf = [0_u8; SHEAF * LETTER];
        loop {
            let count = match self.file.read(&mut sheaf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            if count == 0 {
                return Ok(());
            }
            self.read = self.read.saturating_add(count as u64);
            let (letters, rest) = sheaf.get(..count).unwrap_or_default().as_chunks::<LETTER>();
            letters.iter().for_each(|letter| deliver(ExecutionId::from_bytes(*letter)));
            if !rest.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    /// Whether another should follow it.
    pub(super) fn is_over(&self) -> bool {
        self.is_spoilt || self.read >= FULL
    }

    /// Whether others find it.
    pub(super) fn is_there(&self) -> bool {
        std::fs::exists(&self.path).unwrap_or(true)
    }

    /// Opens and closes it as whoever writes into it does, and writes nothing. Whether that went well.
    pub(super) fn is_closed_once_more(&self) -> bool {
        File::options().append(true).open(&self.path).is_ok()
    }

    /// Takes its name away: nobody finds it any more, and whoever found it before can still write into it.
    pub(super) fn hide(&self) {
        // A file that stays is recognised as a dead owner's.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Tells every process that watches, but for this one, that `execution` was woken.
///
/// # Errors
/// When one of them could not be told. The others were.
pub(super) fn post(wake: &Path, runner: &Runner, execution: ExecutionId) -> Result<(), StoreError> {
    let me = runner.id();
    let (mut tried, mut failed) = (Vec::new(), None);
    loop {
        let mut has_gone = false;
        for Found { owner, path } in found(wake)? {
            if me.as_deref() == Some(owner.as_str()) || tried.contains(&path) {
                continue;
            }
            match write_into(&path, execution) {
                Ok(Some(size)) if size % CHECKED < NEAR && runner.living(&owner).is_none() => remove(&path),
                Ok(Some(_)) => {}
                Ok(None) => has_gone = true,
                Err(error) => failed = Some(errors::of_write(&path, error)),
            }
            tried.push(path);
        }
        // What has gone may have been followed by another.
        if !has_gone {
            return failed.map_or(Ok(()), Err);
        }
    }
}

/// Removes the mailboxes of the dead, and the files through which earlier versions woke executions, one for each.
pub(super) fn clear(wake: &Path, runner: &Runner) {
    let Ok(files) = std::fs::read_dir(wake) else { return };
    for path in files.flatten().map(|file| file.path()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let is_over = match owner_of(name) {
            Some(owner) => runner.living(owner).is_none(),
            None => name.parse::<ExecutionId>().is_ok(),
        };
        if is_over {
            remove(&path);
        }
    }
}

/// A mailbox, whoever's it is.
struct Found {
    owner: String,
    path: PathBuf,
}

fn found(wake: &Path) -> Result<Vec<Found>, StoreError> {
    let failed = |error| errors::of_read(wake, error);
    let files = match std::fs::read_dir(wake) {
        // Nobody has watched yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(failed)?,
    };
    let mut found = Vec::new();
    for file in files {
        let file = file.map_err(failed)?;
        let name = file.file_name();
        if let Some(owner) = name.to_str().and_then(owner_of) {
            found.push(Found { owner: owner.to_owned(), path: file.path() });
        }
    }
    Ok(found)
}

/// Whose mailbox has this name, if one has.
fn owner_of(name: &str) -> Option<&str> {
    let (owner, _number) = name.strip_suffix(EXTENSION)?.strip_suffix('.')?.rsplit_once('.')?;
    Some(owner)
}

/// Appends a letter. The size of the mailbox after it; none if nobody may read it, because the mailbox has gone.
fn write_into(path: &Path, execution: ExecutionId) -> io::Result<Option<u64>> {
    let mut file = match File::options().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let written = loop {
        // In one go, so that no other letter comes between its halves.
        match file.write(execution.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => break written?,
        }
    };
    if written < LETTER {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let size = file.metadata()?.len();
    Ok(std::fs::exists(path)?.then_some(size))
}

fn remove(path: &Path) {
    // Another process may have been faster.
    let _ = std::fs::remove_file(path);
}
