use kitaru::prelude::*;

#[checkpoint]
fn odd(_cx: &Checkpoint) -> Result<String, u32> {
    Err(7)
}

fn main() {}
