use kitaru::prelude::*;

#[checkpoint(retries = -1)]
fn negative(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(retries = "2")]
fn text(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(retries = 99999999999)]
fn large(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(retry = 2)]
fn unknown(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(retries = 1, retries = 2)]
fn twice(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(retries)]
fn no_value(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(type = "")]
fn empty_type(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(name = "two words")]
fn bad_name(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[flow(retries = 1)]
fn flow_option(_cx: &Flow) -> Result<()> {
    Ok(())
}

fn main() {}
