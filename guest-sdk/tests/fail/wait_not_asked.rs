#![deny(unused_must_use)]

use kitaru::prelude::*;

#[flow]
fn asks(cx: &Flow) -> Result<()> {
    cx.wait("approve").question("Approve?");
    Ok(())
}

fn main() {}
