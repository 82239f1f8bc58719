//! What the world sees of values that are others each time that they are made.

use std::fs::OpenOptions;
use std::io::Write;

use kitaru::prelude::*;

use crate::records::fleeting;

/// Appends the values to a file, a line for each, in one write.
fn write_down(path: &str, values: &[String]) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all((values.join("\n") + "\n").as_bytes())?;
    Ok(())
}

#[checkpoint]
fn testify(_cx: &Checkpoint, path: String, values: Vec<String>) -> Result<()> {
    write_down(&path, &values)
}

#[checkpoint(effect = "once", on_unknown = "retry")]
fn testify_once(_cx: &Checkpoint, path: String, values: Vec<String>) -> Result<()> {
    write_down(&path, &values)
}

/// A child that is given a value.
#[flow]
fn confidant(_cx: &Flow, value: String) -> Result<String> {
    Ok(value)
}

/// Runs through `steps` bodies that nobody sees before each thing that somebody does: what two bodies write to a file, the input of a child, a
/// question to a model, one to a person, and the result. Each time it says in its log what it heard.
#[flow]
fn witnessed(cx: &Flow, path: String, steps: u64) -> Result<Vec<String>> {
    let several = || -> Result<Vec<String>> {
        let values = (0..steps).map(|_| fleeting(cx)).collect::<Result<Vec<_>>>()?;
        cx.info(values.join(" "));
        Ok(values)
    };
    testify(cx, path.clone(), several()?)?;
    testify_once(cx, path.clone(), several()?)?;
    confidant::call(cx, several()?.join(" "))?;
    cx.llm(several()?.join(" ")).name("model").text()?;
    testify(cx, path, several()?)?;
    let _: bool = cx.wait("person").question(several()?.join(" ")).ask()?;
    several()
}
