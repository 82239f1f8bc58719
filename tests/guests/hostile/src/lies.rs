//! Texts and lists that are not what they say, in every place where the host reads one.

use std::mem::ManuallyDrop;

use kitaru::prelude::*;
use kitaru::raw::{artifacts, checkpoint, flows, llm, log, wait};

use crate::{plain, question};

/// A text that is not UTF-8.
fn broken() -> String {
    // SAFETY: none. It is handed to the host as it is, which must look at it.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xc3, 0x28]) }
}

/// A text that says that it reaches beyond the end of the memory.
fn endless() -> ManuallyDrop<String> {
    let pointer = Box::leak(Box::new(b'a')) as *mut u8;
    // SAFETY: none. Nothing in the guest looks at it, and it is never dropped.
    ManuallyDrop::new(unsafe { String::from_raw_parts(pointer, 0x7fff_ff00, 0x7fff_ff00) })
}

fn hand_over(text: &str, place: &str) {
    let json = "{}";
    match place {
        "checkpoint name" => drop(checkpoint::call(text, json, &plain())),
        "checkpoint input" => drop(checkpoint::call("receives", text, &plain())),
        "invocation ID" => drop(checkpoint::call("receives", json, &checkpoint::Options { id: Some(text.into()), ..plain() })),
        "cache key" => drop(checkpoint::call("receives", json, &checkpoint::Options { cache_key: Some(text.into()), ..plain() })),
        "wait name" => drop(wait::wait(&wait::Request { name: Some(text.into()), ..question() })),
        "question" => drop(wait::wait(&wait::Request { question: Some(text.into()), ..question() })),
        "wait schema" => drop(wait::wait(&wait::Request { schema: Some(text.into()), ..question() })),
        "wait metadata" => drop(wait::wait(&wait::Request { metadata: Some(text.into()), ..question() })),
        "sleep name" => drop(wait::sleep(Some(text), 1)),
        "child flow" => drop(flows::call(&flows::Request { flow: text.into(), component: None, input: json.into(), id: None })),
        "child component" => {
            let component = Some(text.to_owned());
            drop(flows::call(&flows::Request { flow: "receives_nothing".into(), component, input: json.into(), id: None }));
        }
        "log line" => log::line(log::Level::Info, text),
        "progress" => log::progress(text, None),
        "metadata key" => drop(log::record(&[(text.into(), json.into())])),
        "metadata value" => drop(log::record(&[("key".into(), text.into())])),
        "model request" => drop(llm::complete(text)),
        "artifact name" => drop(artifacts::save(text, &artifacts::Value::Json(json.into()), "output", &[])),
        "artifact" => drop(artifacts::save("a", &artifacts::Value::Json(text.into()), "output", &[])),
        "artifact kind" => drop(artifacts::save("a", &artifacts::Value::Json(json.into()), text, &[])),
        "artifact tag" => drop(artifacts::save("a", &artifacts::Value::Json(json.into()), "output", &[text.into()])),
        "execution ID" => drop(artifacts::load(text, "a")),
        _ => unreachable!("no place is called {place}"),
    }
}

/// Not UTF-8, handed over in the flow.
#[flow]
fn broken_text(_cx: &Flow, place: String) -> Result<()> {
    hand_over(&broken(), &place);
    Err(err!("it was let through").kind("breach"))
}

/// Not UTF-8, handed over in a checkpoint.
#[flow]
fn broken_text_in_a_checkpoint(cx: &Flow, place: String) -> Result<()> {
    hands_over(cx, place)
}

#[checkpoint]
fn hands_over(_cx: &Checkpoint, place: String) -> Result<()> {
    hand_over(&broken(), &place);
    Err(err!("it was let through").kind("breach"))
}

/// Two gigabytes that are not there, as the name of a checkpoint.
#[flow]
fn endless_name(_cx: &Flow) -> Result<()> {
    drop(checkpoint::call(&endless(), "{}", &plain()));
    Err(err!("it was let through").kind("breach"))
}

/// Two gigabytes that are not there, as a line of the log.
#[flow]
fn endless_line(_cx: &Flow) -> Result<()> {
    log::line(log::Level::Info, &endless());
    Err(err!("it was let through").kind("breach"))
}

/// Two gigabytes that are not there, as an artifact.
#[flow]
fn endless_artifact(cx: &Flow) -> Result<()> {
    saves_endless(cx)
}

#[checkpoint]
fn saves_endless(_cx: &Checkpoint) -> Result<()> {
    let bytes = ManuallyDrop::into_inner(endless()).into_bytes();
    let blob = ManuallyDrop::new(artifacts::Value::Blob(artifacts::Blob { media_type: "a/b".into(), bytes }));
    drop(artifacts::save("a", &blob, "blob", &[]));
    Err(err!("it was let through").kind("breach"))
}

/// A result that is not UTF-8.
#[flow]
fn broken_result(_cx: &Flow) -> Result<String> {
    Ok(broken())
}

/// A failure whose message is not UTF-8.
#[flow]
fn broken_failure(_cx: &Flow) -> Result<()> {
    Err(err!("{}", broken()))
}

#[checkpoint]
fn receives(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}
