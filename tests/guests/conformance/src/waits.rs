//! Waits of every form.

use std::time::Duration;

use kitaru::prelude::*;

/// Asks for a yes or no, with a question and metadata.
#[flow]
fn wait_bool(cx: &Flow) -> Result<String> {
    let approved = cx.wait("approve").question("Approve?").metadata(json!({ "draft": "text" })).ask()?;
    Ok(if approved { "approved" } else { "declined" }.into())
}

#[flow]
fn wait_integer(cx: &Flow) -> Result<i64> {
    cx.wait("number").question("How many?").schema::<i64>().ask()
}

#[flow]
fn wait_number(cx: &Flow) -> Result<f64> {
    cx.wait("number").question("How much?").schema::<f64>().ask()
}

/// Text or null, by a schema in JSON.
#[flow]
fn wait_union(cx: &Flow) -> Result<Value> {
    cx.wait("comment").question("Any comment?").json_schema(json!({ "type": ["string", "null"] })).ask()
}

/// One of three words.
#[flow]
fn wait_choice(cx: &Flow) -> Result<Value> {
    let level = cx.wait("level").question("How urgent?").schema::<Level>().ask()?;
    Ok(json!({ "level": level }))
}

/// How urgent.
#[data]
#[serde(rename_all = "lowercase")]
enum Level {
    Low,
    Middle,
    High,
}

/// An object: notes and a major version.
#[flow]
fn wait_object(cx: &Flow) -> Result<String> {
    let details = cx.wait("release_details").question("What is in it?").schema::<ReleaseDetails>().ask()?;
    Ok(format!("v{}: {}", details.major_version, details.notes))
}

/// What is in a release.
#[data]
struct ReleaseDetails {
    notes: String,
    major_version: i64,
}

/// No schema: any JSON.
#[flow]
fn wait_any(cx: &Flow) -> Result<Value> {
    cx.wait("anything").any().ask()
}

/// Two waits without a name.
#[flow]
fn wait_unnamed(cx: &Flow) -> Result<Vec<bool>> {
    Ok(vec![cx.wait_unnamed().ask()?, cx.wait_unnamed().question("Really?").ask()?])
}

/// Two waits of one name, one after the other.
#[flow]
fn wait_twice(cx: &Flow) -> Result<Vec<i64>> {
    Ok(vec![cx.wait("again").schema::<i64>().ask()?, cx.wait("again").schema::<i64>().ask()?])
}

/// `times` waits of one name in a loop.
#[flow]
fn wait_loop(cx: &Flow, times: u32) -> Result<i64> {
    (0..times).map(|_| cx.wait("item").schema::<i64>().ask()).sum()
}

/// A polling window in milliseconds (the host gets whole seconds).
#[flow]
fn wait_timeout(cx: &Flow, milliseconds: u64) -> Result<bool> {
    cx.wait("patience").timeout(Duration::from_millis(milliseconds)).ask()
}

/// Catches an abort and returns a result.
#[flow]
fn wait_abort(cx: &Flow) -> Result<String> {
    match cx.wait("go").question("Go?").ask() {
        Ok(go) => Ok(format!("go: {go}")),
        Err(Error::Aborted { wait, .. }) => Ok(format!("aborted: {wait}")),
        Err(error) => Err(error),
    }
}

/// A schema that is no JSON Schema.
#[flow]
fn wait_bad_schema(cx: &Flow) -> Result<Value> {
    cx.wait("broken").json_schema(json!({ "type": "no such type" })).ask()
}

/// A schema that refers to a document elsewhere.
#[flow]
fn wait_remote_schema(cx: &Flow, reference: String) -> Result<Value> {
    cx.wait("remote").json_schema(json!({ "$ref": reference })).ask()
}

/// Two open waits that ask for the same name.
#[flow]
fn same_name_twice(cx: &Flow) -> Result<Vec<u64>> {
    let first = cx.wait("go").question("The first?").schema::<u64>().submit()?;
    let second = cx.wait("go").question("The second?").schema::<u64>().submit()?;
    Ok(vec![first.load()?, second.load()?])
}

/// Asks, works for a while before it needs the answer, and returns it.
#[flow]
fn works_while_it_waits(cx: &Flow, path: String, milliseconds: u64) -> Result<bool> {
    let asked = cx.wait("go").question("Go on?").submit()?;
    crate::counting::slow_tick(cx, path, 1, milliseconds)?;
    asked.load()
}

/// Asks with `mebibytes` of memory in its hands, which it has touched: how many it still has.
#[flow]
fn holds_while_it_waits(cx: &Flow, mebibytes: usize) -> Result<usize> {
    let held = std::hint::black_box(vec![1_u8; mebibytes << 20]);
    let _: bool = cx.wait("go").question("Go on?").ask()?;
    Ok(held.iter().filter(|byte| **byte == 1).count() >> 20)
}
