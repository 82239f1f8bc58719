use kitaru::prelude::*;

#[flow]
fn first(_cx: &Flow, text: String) -> Result<String> {
    Ok(text)
}

#[flow]
fn second(cx: &Flow) -> Result<String> {
    first(cx, "x".into())
}

fn main() {}
