//! Raw calls of `wasi:filesystem`, without the C library's own checks of paths: each act tries to leave the granted folder, or to fill the disk.

use kitaru::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};
use wasip2::io::streams::OutputStream;

/// One thing to try. Paths are in the folder.
#[data]
#[derive(Debug, Clone)]
enum Act {
    /// Reads a file.
    Read(String),
    /// Writes `hacked` over the beginning of a file, which is made if it is not there.
    Write(String),
    /// Empties a file by opening it.
    Empty(String),
    /// Sets the times of a file.
    Touch(String),
    /// Removes a file.
    Remove(String),
    /// Makes a folder.
    Folder(String),
    /// Makes a symbolic link that says the first, under the second.
    Symlink(String, String),
    /// Makes a hard link from the first to the second.
    Link(String, String),
    /// Moves the first to the second.
    Rename(String, String),
    /// Gives a file a size.
    Grow(String, u64),
    /// Writes a byte at this place.
    WriteAt(String, u64),
    /// Writes so many bytes from the beginning, by a stream.
    Stream(String, u64),
    /// The same at the end.
    Append(String, u64),
    /// Empties a file and writes so many bytes, so many times.
    Rewrite(String, u64, u64),
    /// Makes so many files, and removes each.
    Files(u64),
    /// The same with folders.
    Folders(u64),
    /// The same with symbolic links.
    Symlinks(u64),
    /// The same with hard links to this file.
    Links(String, u64),
}

type Tried<T> = std::result::Result<T, ErrorCode>;

const BOTH: DescriptorFlags = DescriptorFlags::READ.union(DescriptorFlags::WRITE);

fn open(folder: &Descriptor, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Tried<Descriptor> {
    folder.open_at(PathFlags::SYMLINK_FOLLOW, path, open, flags)
}

fn pour(stream: &OutputStream, bytes: u64) -> Tried<()> {
    let piece = [b'x'; 4096];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(4096);
        let part = piece.get(..usize::try_from(now).unwrap_or_default()).unwrap_or_default();
        stream.blocking_write_and_flush(part).map_err(|_| ErrorCode::Io)?;
        left -= now;
    }
    Ok(())
}

fn act(folder: &Descriptor, act: &Act) -> Tried<String> {
    let create = OpenFlags::CREATE;
    match act {
        Act::Read(path) => {
            let (bytes, _) = open(folder, path, OpenFlags::empty(), DescriptorFlags::READ)?.read(100, 0)?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Act::Write(path) => drop(open(folder, path, create, BOTH)?.write(b"hacked", 0)?),
        Act::Empty(path) => drop(open(folder, path, OpenFlags::TRUNCATE, DescriptorFlags::READ)?),
        Act::Touch(path) => folder.set_times_at(PathFlags::SYMLINK_FOLLOW, path, NewTimestamp::Now, NewTimestamp::Now)?,
        Act::Remove(path) => folder.unlink_file_at(path)?,
        Act::Folder(path) => folder.create_directory_at(path)?,
        Act::Symlink(says, path) => folder.symlink_at(says, path)?,
        Act::Link(from, to) => folder.link_at(PathFlags::empty(), from, folder, to)?,
        Act::Rename(from, to) => folder.rename_at(from, folder, to)?,
        Act::Grow(path, size) => open(folder, path, create, BOTH)?.set_size(*size)?,
        Act::WriteAt(path, offset) => drop(open(folder, path, create, BOTH)?.write(b"x", *offset)?),
        Act::Stream(path, bytes) => pour(&open(folder, path, create, BOTH)?.write_via_stream(0)?, *bytes)?,
        Act::Append(path, bytes) => pour(&open(folder, path, create, BOTH)?.append_via_stream()?, *bytes)?,
        Act::Rewrite(path, bytes, times) => {
            for _ in 0..*times {
                pour(&open(folder, path, create | OpenFlags::TRUNCATE, BOTH)?.write_via_stream(0)?, *bytes)?;
            }
        }
        Act::Files(count) => {
            for _ in 0..*count {
                drop(open(folder, "made", create, BOTH)?);
                folder.unlink_file_at("made")?;
            }
        }
        Act::Folders(count) => {
            for _ in 0..*count {
                folder.create_directory_at("made")?;
                folder.remove_directory_at("made")?;
            }
        }
        Act::Symlinks(count) => {
            for _ in 0..*count {
                folder.symlink_at("somewhere", "made")?;
                folder.unlink_file_at("made")?;
            }
        }
        Act::Links(path, count) => {
            for _ in 0..*count {
                folder.link_at(PathFlags::empty(), path, folder, "made")?;
                folder.unlink_file_at("made")?;
            }
        }
    }
    Ok("done".into())
}

#[checkpoint]
fn tries(_cx: &Checkpoint, folder: String, acts: Vec<Act>, fails: bool) -> Result<Vec<String>> {
    let found = get_directories().into_iter().find(|(_, path)| *path == folder);
    let Some((opened, _)) = found else { bail!("the folder {folder} is not granted") };
    let mut outcomes = Vec::new();
    for one in &acts {
        outcomes.push(match act(&opened, one) {
            Ok(text) => format!("ok: {text}"),
            Err(code) => format!("error: {}", code.name()),
        });
    }
    if fails {
        bail!("the acts came to {}", outcomes.join(", "));
    }
    Ok(outcomes)
}

/// Tries each act in a granted folder; a list of what they came to, or, if `fails`, a failure that says so.
#[flow]
fn attempt(cx: &Flow, folder: String, acts: Vec<Act>, fails: Option<bool>) -> Result<Vec<String>> {
    tries(cx, folder, acts, fails.unwrap_or_default())
}
