use kitaru::prelude::*;

#[flow]
fn read(cx: &Flow) -> Result<String> {
    cx.read_to_string("documents/plan.md")
}

fn main() {}
