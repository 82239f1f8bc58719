//! Flows that look at everything that a flow can see, and hand each sight to a checkpoint: what they saw is the input of a call, where another
//! sight is another hash. One file for each part of the world.

mod machine;
mod wasi;

use kitaru::prelude::*;

/// Takes a sight, so that it is part of a durable call.
#[checkpoint]
fn saw(_cx: &Checkpoint, what: String, sight: Value) -> Result<usize> {
    Ok(what.len() + sight.to_string().len())
}

/// What came of asking, as text.
fn outcome<T: std::fmt::Debug, E: std::fmt::Debug>(result: std::result::Result<T, E>) -> String {
    match result {
        Ok(value) => format!("ok: {value:?}"),
        Err(error) => format!("error: {error:?}"),
    }
}
