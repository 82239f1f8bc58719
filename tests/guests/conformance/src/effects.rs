//! What may happen once, and what need not happen again.

use kitaru::prelude::*;

use crate::counting::{linger, trace};

#[checkpoint(effect = "once")]
fn pays(cx: &Checkpoint, path: String, milliseconds: u64) -> Result<String> {
    trace(cx, &path, 1)?;
    linger(&path, 1, milliseconds)?;
    Ok("paid".into())
}

#[checkpoint(effect = "once", on_unknown = "retry")]
fn pays_again(cx: &Checkpoint, path: String, milliseconds: u64) -> Result<String> {
    trace(cx, &path, 1)?;
    linger(&path, 1, milliseconds)?;
    Ok("paid".into())
}

#[checkpoint(effect = "once", on_unknown = "ask")]
fn pays_or_asks(cx: &Checkpoint, path: String, milliseconds: u64) -> Result<String> {
    trace(cx, &path, 1)?;
    linger(&path, 1, milliseconds)?;
    Ok("paid".into())
}

/// Something that may happen once; `unknown: <kind>` where nobody knows whether it did.
#[flow]
fn once(cx: &Flow, path: String, milliseconds: u64) -> Result<String> {
    match pays(cx, path, milliseconds) {
        Err(Error::UnknownOutcome(failure)) => Ok(format!("unknown: {}", failure.kind)),
        outcome => outcome,
    }
}

/// The same, run again where nobody knows.
#[flow]
fn once_retry(cx: &Flow, path: String, milliseconds: u64) -> Result<String> {
    pays_again(cx, path, milliseconds)
}

/// The same, with a person asked where nobody knows.
#[flow]
fn once_ask(cx: &Flow, path: String, milliseconds: u64) -> Result<String> {
    pays_or_asks(cx, path, milliseconds)
}

/// Pays beside a slow step and one that fails while the file `blocker` exists: what became of the payment.
#[flow]
fn once_beside(cx: &Flow, path: String, milliseconds: u64, blocker: String) -> Result<String> {
    let payment = pays::submit(cx, path.clone(), milliseconds)?;
    crate::counting::slow_tick(cx, path.clone(), 3, milliseconds)?;
    crate::counting::blocked_tick(cx, path, 2, blocker)?;
    match payment.load() {
        Err(Error::UnknownOutcome(failure)) => Ok(format!("unknown: {}", failure.message)),
        outcome => outcome,
    }
}

#[checkpoint(cache = true)]
fn cached(cx: &Checkpoint, path: String, value: u64) -> Result<u64> {
    trace(cx, &path, value)?;
    cx.save("half", &(value / 2), Kind::Output)?;
    cx.log("computed", true)?;
    Ok(value * 10)
}

#[checkpoint(cache = true, cache_ttl = "1s")]
fn cached_briefly(cx: &Checkpoint, path: String, value: u64) -> Result<u64> {
    trace(cx, &path, value)?;
    Ok(value * 10)
}

#[checkpoint(cache = true)]
fn cached_failure(cx: &Checkpoint, path: String) -> Result<u64> {
    trace(cx, &path, 1)?;
    bail!("not today")
}

/// A cached step; with `key`, under that key.
#[flow]
fn caches(cx: &Flow, path: String, value: u64, key: Option<String>) -> Result<u64> {
    match key {
        None => cached(cx, path, value),
        Some(key) => cached::cache_key(key).call(cx, path, value),
    }
}

/// A step that is cached for a second.
#[flow]
fn caches_briefly(cx: &Flow, path: String, value: u64) -> Result<u64> {
    cached_briefly(cx, path, value)
}

/// A cached step that fails.
#[flow]
fn caches_no_failure(cx: &Flow, path: String) -> Result<u64> {
    cached_failure(cx, path)
}

/// An uncached step in a flow whose steps are cached.
#[flow(cache = true)]
fn caches_all(cx: &Flow, path: String) -> Result<u64> {
    crate::counting::tick(cx, path, 1)
}
