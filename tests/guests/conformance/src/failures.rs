//! Failing checkpoints and flows: with errors, with panics, caught and uncaught.

use std::collections::BTreeMap;

use kitaru::prelude::*;

#[checkpoint]
fn fail(_cx: &Checkpoint, message: String) -> Result<String> {
    Err(Error::new(message))
}

#[checkpoint]
fn risky(_cx: &Checkpoint, works: bool) -> Result<String> {
    if works { Ok("done".into()) } else { bail!("it did not work") }
}

#[checkpoint]
fn fallback(_cx: &Checkpoint, reason: String) -> Result<String> {
    Ok(format!("fell back after: {reason}"))
}

#[checkpoint(retries = 2)]
fn particular(cx: &Checkpoint, kind: String, retryable: bool) -> Result<()> {
    Err(err!("failed in particular").kind(kind).retryable(retryable).details(json!({ "attempt": cx.attempt() })))
}

#[checkpoint(retries = 2)]
fn panics(_cx: &Checkpoint, message: String) -> Result<()> {
    panic!("{message}")
}

#[checkpoint]
fn unserialisable(_cx: &Checkpoint, what: String) -> Result<Unserialisable> {
    Ok(Unserialisable::new(&what))
}

/// What JSON cannot say.
#[data]
enum Unserialisable {
    Number(f64),
    #[schemars(with = "Value")]
    Map(BTreeMap<(u8, u8), u8>),
}

impl Unserialisable {
    fn new(what: &str) -> Self {
        match what {
            "nan" => Self::Number(f64::NAN),
            _ => Self::Map(BTreeMap::from([((1, 2), 3)])),
        }
    }
}

/// Fails in a checkpoint, and passes the failure on.
#[flow]
fn uncaught(cx: &Flow, message: String) -> Result<String> {
    fallback(cx, "nothing yet".into())?;
    fail(cx, message)
}

/// Catches the failure of `risky` and takes another branch.
#[flow]
fn caught(cx: &Flow, works: bool) -> Result<String> {
    match risky(cx, works) {
        Ok(text) => Ok(text),
        Err(error) => fallback(cx, error.to_string()),
    }
}

/// Catches the failure of `risky`, takes the other branch, waits for `go`, and tells what the failure was.
#[flow]
fn caught_then_wait(cx: &Flow) -> Result<Value> {
    let failure = match risky(cx, false) {
        Ok(_) => bail!("it works?"),
        Err(error) => error.failure().clone(),
    };
    let text = fallback(cx, failure.message.clone())?;
    let go = cx.wait("go").ask()?;
    let index = failure.call_index;
    Ok(json!({ "text": text, "kind": failure.kind, "call_index": index, "retryable": failure.retryable, "go": go }))
}

/// Fails in a checkpoint with two retries, with a kind of the author's.
#[flow]
fn custom_failure(cx: &Flow, kind: String, retryable: bool) -> Result<()> {
    particular(cx, kind, retryable)
}

/// The flow's own error.
#[flow]
fn flow_error(_cx: &Flow, message: String) -> Result<()> {
    Err(Error::new(message).kind("flow_trouble").details(json!({ "asked": true })))
}

/// An error of another type, with a source.
#[flow]
fn foreign_error(_cx: &Flow) -> Result<u8> {
    Ok("not a number".parse::<u8>()?)
}

/// Replaces the failure of a checkpoint by an error of its own.
#[flow]
fn relabelled(cx: &Flow) -> Result<String> {
    fail(cx, "inner".into()).map_err(|error| error.kind("relabelled"))
}

#[flow]
fn flow_panic(cx: &Flow, message: String) -> Result<()> {
    cx.info("about to panic");
    panic!("{message}")
}

/// Panics in a checkpoint with two retries.
#[flow]
fn checkpoint_panic(cx: &Flow, message: String) -> Result<()> {
    panics(cx, message)
}

/// Catches the trap of a checkpoint that panics.
#[flow]
fn caught_panic(cx: &Flow) -> Result<Value> {
    match panics(cx, "caught".into()) {
        Ok(()) => bail!("it did not panic"),
        Err(error) => Ok(json!({ "kind": error.failure().kind, "retryable": error.failure().retryable })),
    }
}

/// Indexes out of bounds in the flow.
#[flow]
fn index_panic(_cx: &Flow, index: usize) -> Result<u8> {
    Ok([1, 2, 3].to_vec()[index])
}

/// A checkpoint result that JSON cannot say: `nan`, or a `map` with keys that are no text.
#[flow]
fn unserialisable_checkpoint(cx: &Flow, what: String) -> Result<()> {
    unserialisable(cx, what).map(drop)
}

/// A flow result that JSON cannot say.
#[flow]
fn unserialisable_flow(_cx: &Flow, what: String) -> Result<Unserialisable> {
    Ok(Unserialisable::new(&what))
}

/// Ends the process by `exit`, in the flow.
#[flow]
fn exit_flow(_cx: &Flow, code: i32) -> Result<()> {
    std::process::exit(code)
}

#[checkpoint]
fn exits(_cx: &Checkpoint, code: i32) -> Result<()> {
    std::process::exit(code)
}

/// Ends the process by `exit`, in a checkpoint.
#[flow]
fn exit_checkpoint(cx: &Flow, code: i32) -> Result<()> {
    exits(cx, code)
}
