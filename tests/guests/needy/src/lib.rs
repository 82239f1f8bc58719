//! Flows whose checkpoints declare what they need.

use std::net::TcpStream;
use std::time::Duration;

use kitaru::prelude::*;

kitaru::needs! { env = ["NEEDY_ZONE"], llm = ["fast"] }

#[checkpoint(read = ["docs/open"])]
fn reads(cx: &Checkpoint, path: String) -> Result<String> {
    cx.read_to_string(path)
}

#[checkpoint(write = ["out/mine"])]
fn writes(cx: &Checkpoint, path: String, text: String) -> Result<()> {
    cx.write(path, text)
}

#[checkpoint(env = ["NEEDY_LANG"])]
fn variable(cx: &Checkpoint, name: String) -> Result<String> {
    cx.env(&name)
}

/// The same through the standard library, which knows of no grants.
#[checkpoint(env = ["NEEDY_LANG"])]
fn plain_variable(_cx: &Checkpoint, name: String) -> Result<String> {
    Ok(std::env::var(name)?)
}

#[checkpoint(env = [])]
fn modest(_cx: &Checkpoint) -> Result<Vec<String>> {
    Ok(std::env::vars().map(|(name, _)| name).collect())
}

/// Says nothing of what it needs: what the component says counts.
#[checkpoint]
fn silent(_cx: &Checkpoint) -> Result<Vec<String>> {
    Ok(std::env::vars().map(|(name, _)| name).collect())
}

#[checkpoint(net = ["127.0.0.1:9", "needy.invalid"])]
fn connects(_cx: &Checkpoint, address: String) -> Result<()> {
    TcpStream::connect(address)?;
    Ok(())
}

/// Tries to connect, and goes on when the file is there, whatever came of that.
#[checkpoint(net = ["127.0.0.1:9"], write = ["out"])]
fn tries(_cx: &Checkpoint, address: String, file: String) -> Result<bool> {
    let connected = TcpStream::connect(address).is_ok();
    while !std::fs::exists(&file)? {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(connected)
}

#[flow]
fn read(cx: &Flow, path: String) -> Result<String> {
    reads(cx, path)
}

#[flow]
fn write(cx: &Flow, path: String, text: String) -> Result<()> {
    writes(cx, path, text)
}

#[flow]
fn look(cx: &Flow, name: String) -> Result<String> {
    variable(cx, name)
}

#[flow]
fn look_plainly(cx: &Flow, name: String) -> Result<String> {
    plain_variable(cx, name)
}

/// The variables that a checkpoint sees which needs nothing, and those that one sees which says nothing.
#[flow]
fn see(cx: &Flow) -> Result<Value> {
    Ok(json!([modest(cx)?, silent(cx)?]))
}

#[flow]
fn connect(cx: &Flow, address: String) -> Result<()> {
    connects(cx, address)
}

#[flow]
fn try_to_connect(cx: &Flow, address: String, file: String) -> Result<bool> {
    tries(cx, address, file)
}

/// Asks a model that the component declares, or another one.
#[flow]
fn ask(cx: &Flow, model: String) -> Result<String> {
    cx.llm("Say something.").model(model).text()
}
