//! Too much of everything that a guest may say or make.

use std::io::Write as _;

use kitaru::prelude::*;
use kitaru::raw::{checkpoint, flows, log};

use crate::{held, plain};

/// Output without line ends.
#[flow]
fn output_without_line_ends(_cx: &Flow) -> Result<()> {
    loop {
        std::io::stdout().write_all(&[b'x'; 64 * 1024])?;
    }
}

/// Errors without line ends, in a checkpoint.
#[flow]
fn errors_without_line_ends(cx: &Flow) -> Result<()> {
    shouts(cx)
}

#[checkpoint]
fn shouts(_cx: &Checkpoint) -> Result<()> {
    loop {
        std::io::stderr().write_all(&[0xff; 64 * 1024])?;
    }
}

/// Empty lines.
#[flow]
fn empty_lines(_cx: &Flow) -> Result<()> {
    loop {
        println!();
    }
}

/// Empty lines by `log`.
#[flow]
fn empty_log_lines(_cx: &Flow) -> Result<()> {
    loop {
        log::line(log::Level::Trace, "");
    }
}

/// Lines of half a megabyte by `log`.
#[flow]
fn long_log_lines(_cx: &Flow) -> Result<()> {
    let line = "x".repeat(512 * 1024);
    loop {
        log::line(log::Level::Error, &line);
    }
}

/// Progress.
#[flow]
fn progress(_cx: &Flow) -> Result<()> {
    loop {
        log::progress("", Some(f64::NAN));
    }
}

/// Metadata under ever new keys.
#[flow]
fn metadata(_cx: &Flow) -> Result<()> {
    for n in 0_u64.. {
        drop(log::record(&[(format!("key {n}"), "1".into())]));
    }
    Ok(())
}

/// Metadata without anything in it.
#[flow]
fn empty_metadata(_cx: &Flow) -> Result<()> {
    loop {
        drop(log::record(&[]));
    }
}

/// Durable calls.
#[flow]
fn durable_calls(_cx: &Flow) -> Result<()> {
    loop {
        drop(checkpoint::call("does_nothing", "{}", &plain()));
    }
}

/// Durable calls that are refused.
#[flow]
fn refused_calls(_cx: &Flow) -> Result<()> {
    loop {
        drop(checkpoint::call("there is none", "{}", &plain()));
    }
}

/// Child flows that go their own way.
#[flow]
fn detached_children(_cx: &Flow) -> Result<()> {
    loop {
        let request = flows::Request { flow: "child".into(), component: None, input: "{}".into(), id: None };
        drop(flows::start(&request));
    }
}

/// A child.
#[flow]
fn child(_cx: &Flow) -> Result<()> {
    Ok(())
}

/// A flow that calls itself.
#[flow]
fn calls_itself(_cx: &Flow) -> Result<()> {
    let request = flows::Request { flow: "calls_itself".into(), component: None, input: "{}".into(), id: None };
    match flows::call(&request) {
        Ok(_) => Ok(()),
        Err(failure) => Err(err!("{}", failure.message).kind(failure.kind)),
    }
}

#[checkpoint]
fn does_nothing(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

/// Child flows without end, none of which it waits for.
#[flow]
fn lets_go_of_children(cx: &Flow) -> Result<String> {
    for _ in 0..1_000 {
        child::start(cx)?;
    }
    match child::start(cx) {
        Ok(_) => held(false, "one child more than there may be"),
        Err(error) => held(error.failure().kind == "limit", "refused for another reason"),
    }
}
