use kitaru::prelude::*;

#[checkpoint]
async fn later(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint]
fn generic<T>(_cx: &Checkpoint, value: T) -> Result<T> {
    Ok(value)
}

#[checkpoint]
fn pattern(_cx: &Checkpoint, (a, b): (u8, u8)) -> Result<u8> {
    Ok(a + b)
}

#[flow]
fn anonymous(_cx: &Flow, text: impl Into<String>) -> Result<String> {
    Ok(text.into())
}

fn main() {}
