//! What a flow can see of the world: nothing that could differ when it is executed again.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kitaru::prelude::*;

use crate::calls::echo;

/// Tries everything that a flow is denied, and returns what came of it.
#[flow]
fn probe(cx: &Flow) -> Result<Value> {
    Ok(json!({
        "read": outcome(std::fs::read_to_string("/etc/passwd")),
        "list": outcome(std::fs::read_dir("/").map(|entries| entries.count())),
        "write": outcome(std::fs::write("probe.txt", "x").map(|()| "written")),
        "env": std::env::vars().count(),
        "arguments": std::env::args().collect::<Vec<_>>(),
        "connect": outcome(std::net::TcpStream::connect("127.0.0.1:9").map(|_| "connected")),
        "resolve": outcome(std::net::ToSocketAddrs::to_socket_addrs("localhost:80").map(|addresses| addresses.count())),
        "stdin": outcome(std::io::read_to_string(std::io::stdin())),
        "seen": sights(cx)?,
    }))
}

fn outcome<T: Display>(result: std::io::Result<T>) -> String {
    match result {
        Ok(value) => format!("ok: {value}"),
        Err(error) => format!("error: {error}"),
    }
}

/// Clock, random numbers and hash order, before and after a checkpoint: the same in every re-execution and in a replay.
#[flow]
fn sights_twice(cx: &Flow) -> Result<Value> {
    let before = sights(cx)?;
    echo(cx, json!("between"))?;
    Ok(json!({ "before": before, "after": sights(cx)? }))
}

/// The same around a wait `go`.
#[flow]
fn sights_wait(cx: &Flow) -> Result<Value> {
    let before = sights(cx)?;
    // Recorded as the input of a call, so that a difference on recovery is divergence.
    echo(cx, before.clone())?;
    cx.wait("go").ask()?;
    Ok(json!({ "before": before, "after": sights(cx)? }))
}

fn sights(cx: &Flow) -> Result<Value> {
    let started = Instant::now();
    let map: HashMap<u32, ()> = (0..16).map(|n| (n, ())).collect();
    Ok(json!({
        "now": cx.now().duration_since(UNIX_EPOCH)?.as_nanos().to_string(),
        "system_time": SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string(),
        "elapsed": started.elapsed().as_nanos().to_string(),
        "random": (0..4).map(|_| cx.random().to_string()).collect::<Vec<_>>(),
        "hash_order": map.into_keys().collect::<Vec<_>>(),
        "nan_bits": (0.0_f64 / std::hint::black_box(0.0_f64)).to_bits().to_string(),
    }))
}

/// Random numbers and the time as a checkpoint sees them.
#[flow]
fn checkpoint_sights(cx: &Flow) -> Result<Vec<String>> {
    looks(cx)
}

#[checkpoint]
fn looks(_cx: &Checkpoint) -> Result<Vec<String>> {
    let hasher = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
    Ok(vec![SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string(), hasher.to_string()])
}

/// What both scopes know of the execution.
#[flow]
fn current(cx: &Flow) -> Result<Value> {
    Ok(json!({ "flow": who(), "checkpoint": reports(cx)? }))
}

#[checkpoint]
fn reports(_cx: &Checkpoint) -> Result<Value> {
    Ok(who())
}

fn who() -> Value {
    use kitaru::raw::execution::{Scope, get_current};
    let current = get_current();
    json!({
        "execution_id": current.execution_id,
        "flow": current.flow,
        "scope": if current.scope == Scope::Flow { "flow" } else { "checkpoint" },
        "attempt": current.attempt,
        "is_replay": current.is_replay,
        "idempotency_key": current.idempotency_key,
    })
}

/// Whether this is a replay, as the flow and as a checkpoint sees it.
#[flow]
fn replay_flag(cx: &Flow) -> Result<Value> {
    let before = echo(cx, json!("before"))?;
    Ok(json!({ "before": before, "flow": cx.is_replay(), "checkpoint": sees_replay(cx)? }))
}

#[checkpoint]
fn sees_replay(cx: &Checkpoint) -> Result<bool> {
    Ok(cx.is_replay())
}
