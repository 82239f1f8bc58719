//! A durable flow. Run it: `kitaru-host run . --arg name=Ada`

use kitaru::prelude::*;

/// Composes a greeting. A checkpoint's result is recorded: after a crash, or when the execution is replayed, it is served and not made again.
#[checkpoint(retries = 2)]
fn compose(cx: &Checkpoint, name: String) -> Result<String> {
    cx.info("composing a greeting");
    Ok(format!("Hello, {name}!"))
}

/// Sends it. (Here it only says so: a checkpoint reaches nothing that is not granted on the command line.)
#[checkpoint]
fn send(_cx: &Checkpoint, greeting: String) -> Result<String> {
    Ok(format!("sent: {greeting}"))
}

/// The flow: ordinary code that calls checkpoints and waits for people.
#[flow]
fn greet(cx: &Flow, name: String) -> Result<String> {
    let greeting = compose(cx, name)?;
    let approved: bool = cx
        .wait("approve")
        .question(format!("Send “{greeting}”?"))
        .ask()?;
    if !approved {
        return Ok("not sent".into());
    }
    send(cx, greeting)
}
