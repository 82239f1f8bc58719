//! Handles on calls under way: forged, dropped, of another type, too many.

use kitaru::prelude::*;
use kitaru::raw::{calls, checkpoint, wait};
use wasip2::clocks::monotonic_clock;

use crate::{held, plain, refused};

fn forged(handle: u32) -> calls::Pending {
    // SAFETY: none. The host must know which handles it gave out.
    unsafe { calls::Pending::from_handle(handle) }
}

/// The outcome of a call that was never made.
#[flow]
fn forged_call(_cx: &Flow) -> Result<()> {
    drop(forged(4711).result());
    Err(err!("it was let through").kind("breach"))
}

/// A choice among calls that were never made.
#[flow]
fn forged_choice(_cx: &Flow) -> Result<()> {
    let (first, second) = (forged(7), forged(8));
    drop(calls::first(&[&first, &second]));
    Err(err!("it was let through").kind("breach"))
}

/// A timer of WASI as a call under way.
#[flow]
fn timer_as_a_call(_cx: &Flow) -> Result<()> {
    let timer = monotonic_clock::subscribe_duration(0);
    drop(forged(timer.handle()).result());
    Err(err!("it was let through").kind("breach"))
}

/// A call whose handle is dropped twice.
#[flow]
fn call_dropped_twice(_cx: &Flow) -> Result<()> {
    let call = wait::submit_sleep(None, 1).map_err(|failure| err!("{}", failure.message))?;
    let again = forged(call.handle());
    drop(call);
    drop(again);
    Err(err!("it was let through").kind("breach"))
}

/// A call whose handle is used after it was dropped.
#[flow]
fn call_used_after_drop(_cx: &Flow) -> Result<()> {
    let call = wait::submit_sleep(None, 1).map_err(|failure| err!("{}", failure.message))?;
    let again = forged(call.handle());
    drop(call);
    drop(again.result());
    Err(err!("it was let through").kind("breach"))
}

/// A choice among no calls, and one among more than may be.
#[flow]
fn choices_without_bounds(_cx: &Flow) -> Result<String> {
    refused(calls::first(&[]), "usage")?;
    let call = wait::submit_sleep(None, 1).map_err(|failure| err!("{}", failure.message))?;
    refused(calls::first(&vec![&call; 10_001]), "usage")
}

/// A choice among a million calls.
#[flow]
fn choice_among_a_million(_cx: &Flow) -> Result<String> {
    let call = wait::submit_sleep(None, 1).map_err(|failure| err!("{}", failure.message))?;
    refused(calls::first(&vec![&call; 1_000_000]), "usage")
}

/// Handles on calls, which are never given back.
#[flow]
fn calls_without_end(_cx: &Flow) -> Result<()> {
    let mut kept = Vec::new();
    loop {
        kept.push(checkpoint::submit("nothing", "{}", &plain()).map_err(|failure| err!("{}", failure.message))?);
    }
}

/// Sleeps that are submitted and cancelled at once, two hundred times.
#[flow]
fn cancels_in_a_storm(_cx: &Flow) -> Result<String> {
    for _ in 0..200 {
        let call = wait::submit_sleep(None, 3_600_000).map_err(|failure| err!("{}", failure.message))?;
        call.cancel();
        refused(call.result(), "cancelled")?;
        call.cancel();
    }
    held(true, "")
}

#[checkpoint]
fn nothing(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}
