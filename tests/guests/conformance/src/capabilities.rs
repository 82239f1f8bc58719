//! Reaching for the world from a checkpoint: what is not granted fails with the flag that grants it.

use std::io::{Read, Write};
use std::net::TcpStream;

use kitaru::prelude::*;

#[checkpoint]
fn reads(cx: &Checkpoint, path: String, std: bool) -> Result<String> {
    if std { Ok(std::fs::read_to_string(path)?) } else { cx.read_to_string(path) }
}

#[checkpoint]
fn writes(cx: &Checkpoint, path: String, text: String, std: bool) -> Result<()> {
    if std { Ok(std::fs::write(path, text)?) } else { cx.write(path, text) }
}

#[checkpoint]
fn lists(_cx: &Checkpoint, path: String) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[checkpoint]
fn reads_env(cx: &Checkpoint, name: String) -> Result<String> {
    cx.env(&name)
}

#[checkpoint]
fn reads_all_env(_cx: &Checkpoint) -> Result<Vec<(String, String)>> {
    Ok(std::env::vars().collect())
}

#[checkpoint]
fn connects(_cx: &Checkpoint, address: String, send: Option<String>) -> Result<String> {
    let mut stream = TcpStream::connect(&address)?;
    let mut answer = String::new();
    if let Some(text) = send {
        stream.write_all(text.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_to_string(&mut answer)?;
    }
    Ok(answer)
}

/// Reads a file, with the SDK or, if `std`, with the standard library.
#[flow]
fn read_file(cx: &Flow, path: String, std: Option<bool>) -> Result<String> {
    reads(cx, path, std.unwrap_or_default())
}

/// Writes a file, with the SDK or, if `std`, with the standard library.
#[flow]
fn write_file(cx: &Flow, path: String, text: String, std: Option<bool>) -> Result<()> {
    writes(cx, path, text, std.unwrap_or_default())
}

/// Lists a folder, sorted.
#[flow]
fn list_folder(cx: &Flow, path: String) -> Result<Vec<String>> {
    lists(cx, path)
}

/// Reads an environment variable.
#[flow]
fn read_env(cx: &Flow, name: String) -> Result<String> {
    reads_env(cx, name)
}

/// All environment variables that a checkpoint sees.
#[flow]
fn all_env(cx: &Flow) -> Result<Vec<(String, String)>> {
    reads_all_env(cx)
}

/// Connects to `host:port` by TCP; with `send`, sends it and returns the answer.
#[flow]
fn connect(cx: &Flow, address: String, send: Option<String>) -> Result<String> {
    connects(cx, address, send)
}
