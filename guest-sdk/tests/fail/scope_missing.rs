use kitaru::prelude::*;

#[checkpoint]
fn nothing() -> Result<()> {
    Ok(())
}

#[checkpoint]
fn forgotten(text: String) -> Result<String> {
    Ok(text)
}

#[checkpoint]
fn wrong(cx: &Flow, text: String) -> Result<String> {
    Ok(text)
}

#[flow]
fn by_value(cx: Flow) -> Result<()> {
    Ok(())
}

fn main() {}
