//! Files beyond what was granted: `box` is granted for writing, and whatever is around it is not.

use std::fs;

use kitaru::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

use crate::held;

/// Ways out of a granted folder.
#[flow]
fn leaves_the_folder(cx: &Flow) -> Result<String> {
    leaves(cx)
}

#[checkpoint]
fn leaves(_cx: &Checkpoint) -> Result<String> {
    fs::write("box/inside.txt", "inside")?;
    let paths = [
        "/etc/passwd",
        "../secret.txt",
        "box/../secret.txt",
        "box/../../secret.txt",
        "box/./../secret.txt",
        "box//..//secret.txt",
        "box/link/secret.txt",
        "box/inside.txt/../../secret.txt",
        "/proc/self/environ",
        "/dev/mem",
    ];
    for path in paths {
        held(fs::read(path).is_err(), &format!("{path} was read"))?;
        held(fs::write(path, "x").is_err(), &format!("{path} was written"))?;
        held(fs::rename("box/inside.txt", path).is_err(), &format!("a file went to {path}"))?;
        held(fs::hard_link(path, "box/hard").is_err(), &format!("{path} has another name"))?;
        held(fs::remove_file(path).is_err(), &format!("{path} is gone"))?;
    }
    held(true, "")
}

/// Links that lead out of a granted folder, made from inside.
#[flow]
fn links_out(cx: &Flow) -> Result<String> {
    links(cx)
}

#[checkpoint]
fn links(_cx: &Checkpoint) -> Result<String> {
    let directories = get_directories();
    let (folder, _) = directories.first().ok_or_else(|| err!("no folder is granted"))?;
    for target in ["/etc", "..", "../..", "/"] {
        // A link may be made; it leads nowhere.
        let _ = folder.symlink_at(target, "out");
        held(fs::read("box/out/passwd").is_err(), "a link led out")?;
        held(fs::read("box/out/secret.txt").is_err(), "a link led out")?;
        held(fs::read_dir("box/out").is_err(), "a link led out")?;
        let _ = folder.unlink_file_at("out");
    }
    for name in ["/etc/passwd", "../secret.txt", "..", "a/../../secret.txt"] {
        let opened = folder.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::empty(), DescriptorFlags::READ);
        held(opened.is_err(), "a path led out")?;
    }
    held(true, "")
}

/// Files that are opened and never closed.
#[flow]
fn files_without_end(cx: &Flow) -> Result<()> {
    opens(cx)
}

#[checkpoint]
fn opens(_cx: &Checkpoint) -> Result<()> {
    fs::write("box/open.txt", "x")?;
    let mut open = Vec::new();
    loop {
        open.push(fs::File::open("box/open.txt")?);
    }
}

/// A read of almost everything there can be, of a file of one byte.
#[flow]
fn reads_without_bounds(cx: &Flow) -> Result<String> {
    reads(cx)
}

#[checkpoint]
fn reads(_cx: &Checkpoint) -> Result<String> {
    fs::write("box/short.txt", "x")?;
    let directories = get_directories();
    let (folder, _) = directories.first().ok_or_else(|| err!("no folder is granted"))?;
    let file = folder
        .open_at(PathFlags::empty(), "short.txt", OpenFlags::empty(), DescriptorFlags::READ)
        .map_err(|code| err!("{code:?}"))?;
    for (length, offset) in [(u64::MAX, 0), (4 << 30, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let read = file.read(length, offset);
        held(read.is_ok_and(|(bytes, _)| bytes.len() <= 1) || offset > 0, "more was read than there is")?;
    }
    held(true, "")
}

/// Names of files that are a megabyte long, or hold an end of text.
#[flow]
fn names_of_files(cx: &Flow) -> Result<String> {
    odd_names(cx)
}

#[checkpoint]
fn odd_names(_cx: &Checkpoint) -> Result<String> {
    let directories = get_directories();
    let (folder, _) = directories.first().ok_or_else(|| err!("no folder is granted"))?;
    for name in ["a\0b", "", &"x".repeat(1 << 20), &"x/".repeat(10_000)] {
        let opened = folder.open_at(PathFlags::empty(), name, OpenFlags::CREATE, DescriptorFlags::WRITE);
        held(opened.is_err(), "an odd name was made")?;
    }
    held(true, "")
}

/// A folder, a variable and an address that nobody granted, asked for so that the error would tell of them.
#[flow]
fn secrets_by_errors(cx: &Flow) -> Result<String> {
    asks_for_secrets(cx)
}

#[checkpoint]
fn asks_for_secrets(cx: &Checkpoint) -> Result<String> {
    for name in ["KITARU_SECRETS_KEY", "HOME", "PATH", "AWS_SECRET_ACCESS_KEY"] {
        held(std::env::var(name).is_err() && cx.env(name).is_err(), "a variable that was not granted")?;
    }
    held(get_directories().is_empty(), "a folder that was not granted")?;
    held(std::env::vars().next().is_none() && std::env::args().len() <= 1, "something of the host")
}
