use kitaru::prelude::*;

#[checkpoint]
fn sample(cx: &Checkpoint) -> Result<u64> {
    Ok(cx.random())
}

fn main() {}
