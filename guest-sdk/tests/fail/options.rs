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

#[checkpoint(on_unknown = "ask")]
fn no_effect(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(backoff = 2.0)]
fn no_retries(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(effect = "once", retries = 1)]
fn once_again(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(timeout = "soon")]
fn no_duration(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(read = "docs")]
fn no_list(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[checkpoint(net = ["a:1", ""])]
fn empty_need(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[flow(timeout = "1s")]
fn flow_option(_cx: &Flow) -> Result<()> {
    Ok(())
}

fn main() {}
