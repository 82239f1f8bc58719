use kitaru::prelude::*;

#[checkpoint]
fn forgotten(_cx: &Checkpoint) {}

#[checkpoint]
fn bare(_cx: &Checkpoint) -> String {
    "bare".into()
}

#[flow]
fn maybe(_cx: &Flow) -> Option<String> {
    None
}

fn main() {}
