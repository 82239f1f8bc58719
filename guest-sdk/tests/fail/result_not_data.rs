use kitaru::prelude::*;

struct Connection;

#[checkpoint]
fn connect(_cx: &Checkpoint) -> Result<Connection> {
    Ok(Connection)
}

#[flow]
fn main_flow(_cx: &Flow) -> Result<Option<Connection>> {
    Ok(None)
}

fn main() {}
