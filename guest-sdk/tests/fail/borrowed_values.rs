use kitaru::prelude::*;

#[checkpoint]
fn shout(_cx: &Checkpoint, text: &str) -> Result<String> {
    Ok(text.to_uppercase())
}

#[checkpoint]
fn total(_cx: &Checkpoint, numbers: &[u64]) -> Result<u64> {
    Ok(numbers.iter().sum())
}

#[flow]
fn greet(_cx: &Flow, name: Option<&str>) -> Result<()> {
    let _ = name;
    Ok(())
}

#[checkpoint]
fn word(_cx: &Checkpoint) -> Result<&'static str> {
    Ok("word")
}

fn main() {}
