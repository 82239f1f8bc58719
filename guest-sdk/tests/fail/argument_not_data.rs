use kitaru::prelude::*;

struct Connection;

#[checkpoint]
fn query(_cx: &Checkpoint, connection: Connection, text: String) -> Result<String> {
    let _ = connection;
    Ok(text)
}

fn main() {}
