//! The smallest useful flow: two checkpoints, one after the other.

use kitaru::prelude::*;

/// Says hello.
#[flow]
fn hello(cx: &Flow, name: String) -> Result<String> {
    let greeting = greet(cx, name)?;
    sign(cx, greeting)
}

/// Makes the greeting.
#[checkpoint]
fn greet(cx: &Checkpoint, name: String) -> Result<String> {
    cx.info(format!("greeting {name}"));
    Ok(format!("Hello, {name}!"))
}

/// Adds a closing line.
#[checkpoint]
fn sign(_cx: &Checkpoint, greeting: String) -> Result<String> {
    Ok(format!("{greeting} Yours durably, Kitaru."))
}
