use kitaru::prelude::*;

#[checkpoint]
fn publish(cx: &Checkpoint) -> Result<bool> {
    cx.wait("approve").question("Publish?").ask()
}

fn main() {}
