use kitaru::prelude::*;

#[checkpoint]
fn inner(cx: &Checkpoint) -> Result<String> {
    Ok(cx.flow_name())
}

#[checkpoint]
fn outer(cx: &Checkpoint) -> Result<String> {
    inner(cx)
}

fn main() {}
