//! WASI, taken too far.

use kitaru::prelude::*;
use wasip2::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use wasip2::io::poll::poll;
use wasip2::{cli, random};

use crate::held;

/// A list of a million timers, all of them the same.
#[flow]
fn polls_a_million(cx: &Flow) -> Result<String> {
    polls(cx)
}

#[checkpoint]
fn polls(_cx: &Checkpoint) -> Result<String> {
    let timer = subscribe_duration(0);
    held(poll(&vec![&timer; 1_000_000]).len() == 1_000_000, "a timer that was over is not ready")
}

/// A list of nothing to wait for.
#[flow]
fn polls_nothing(cx: &Flow) -> Result<()> {
    waits_for_nothing(cx)
}

#[checkpoint]
fn waits_for_nothing(_cx: &Checkpoint) -> Result<()> {
    drop(poll(&[]));
    Err(err!("it was let through").kind("breach"))
}

/// A timer that ends at the end of time.
#[flow]
fn waits_for_the_end_of_time(cx: &Flow) -> Result<()> {
    waits(cx)
}

#[checkpoint]
fn waits(_cx: &Checkpoint) -> Result<()> {
    let (never, later) = (subscribe_duration(u64::MAX), subscribe_instant(u64::MAX));
    drop(poll(&[&never, &later]));
    Err(err!("it was let through").kind("breach"))
}

/// A timer in the flow, where time stands still.
#[flow]
fn timer_in_the_flow(_cx: &Flow) -> Result<()> {
    subscribe_duration(u64::MAX).block();
    Err(err!("it was let through").kind("breach"))
}

/// Timers that are never given back.
#[flow]
fn timers_without_end(cx: &Flow) -> Result<()> {
    takes_timers(cx)
}

#[checkpoint]
fn takes_timers(_cx: &Checkpoint) -> Result<()> {
    let mut timers = Vec::new();
    loop {
        timers.push(subscribe_duration(u64::MAX));
    }
}

/// All random bytes that there are, in the flow.
#[flow]
fn random_without_bounds(_cx: &Flow) -> Result<()> {
    drop(random::random::get_random_bytes(u64::MAX));
    Err(err!("it was let through").kind("breach"))
}

/// The same in a checkpoint, of the other kind.
#[flow]
fn random_without_bounds_in_a_checkpoint(cx: &Flow) -> Result<()> {
    draws(cx)
}

#[checkpoint]
fn draws(_cx: &Checkpoint) -> Result<()> {
    drop(random::insecure::get_insecure_random_bytes(u64::MAX));
    Err(err!("it was let through").kind("breach"))
}

/// Standard input, waited for.
#[flow]
fn reads_standard_input(cx: &Flow) -> Result<String> {
    reads_input(cx)
}

#[checkpoint]
fn reads_input(_cx: &Checkpoint) -> Result<String> {
    let stdin = cli::stdin::get_stdin();
    for _ in 0..1_000 {
        held(stdin.blocking_read(u64::MAX).is_err(), "there was something on standard input")?;
    }
    held(true, "")
}

/// Standard input into standard output, all of it, again and again; and flushes.
#[flow]
fn splices(cx: &Flow) -> Result<String> {
    splices_and_flushes(cx)
}

#[checkpoint]
fn splices_and_flushes(_cx: &Checkpoint) -> Result<String> {
    let (stdin, stdout) = (cli::stdin::get_stdin(), cli::stdout::get_stdout());
    for _ in 0..10_000 {
        held(stdout.splice(&stdin, u64::MAX).is_err(), "there was something on standard input")?;
        held(stdout.blocking_flush().is_ok(), "it could not be flushed")?;
    }
    held(true, "")
}

/// More written at once than there was room for.
#[flow]
fn writes_past_its_permit(cx: &Flow) -> Result<()> {
    writes_at_once(cx)
}

#[checkpoint]
fn writes_at_once(_cx: &Checkpoint) -> Result<()> {
    let stdout = cli::stdout::get_stdout();
    drop(stdout.write(&vec![b'x'; 8 << 20]));
    drop(stdout.blocking_write_and_flush(&vec![b'x'; 8 << 20]));
    Err(err!("it was let through").kind("breach"))
}

/// A parent dropped before its child: standard output's own timer outlives it.
#[flow]
fn drops_the_parent_first(cx: &Flow) -> Result<()> {
    drops_parent(cx)
}

#[checkpoint]
fn drops_parent(_cx: &Checkpoint) -> Result<()> {
    let stdout = cli::stdout::get_stdout();
    let ready = stdout.subscribe();
    drop(stdout);
    ready.block();
    Err(err!("it was let through").kind("breach"))
}
