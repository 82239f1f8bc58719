//! Ends and loops, in every scope.

use std::time::Duration;

use kitaru::prelude::*;

/// A checkpoint that never ends.
#[flow]
fn checkpoint_spins(cx: &Flow) -> Result<()> {
    spins(cx)
}

#[checkpoint]
fn spins(_cx: &Checkpoint) -> Result<()> {
    loop {
        std::hint::black_box(());
    }
}

/// A checkpoint that sleeps for as long as can be said.
#[flow]
fn checkpoint_sleeps(cx: &Flow) -> Result<()> {
    sleeps(cx)
}

#[checkpoint]
fn sleeps(_cx: &Checkpoint) -> Result<()> {
    std::thread::sleep(Duration::MAX);
    Ok(())
}

/// A durable sleep of five hundred million years, which it then cancels.
#[flow]
fn sleeps_for_ever(_cx: &Flow) -> Result<String> {
    let slept = kitaru::raw::wait::submit_sleep(None, u64::MAX).map_err(|failure| err!("{}", failure.message))?;
    slept.cancel();
    crate::refused(slept.result(), "cancelled")
}

/// A value whose destructor never ends.
#[flow]
fn drop_spins(_cx: &Flow) -> Result<()> {
    struct Endless;
    impl Drop for Endless {
        fn drop(&mut self) {
            loop {
                std::hint::black_box(());
            }
        }
    }
    drop(Endless);
    Ok(())
}

/// Recursion in a checkpoint.
#[flow]
fn checkpoint_recurses(cx: &Flow) -> Result<u64> {
    recurses(cx)
}

#[checkpoint]
fn recurses(_cx: &Checkpoint) -> Result<u64> {
    Ok(descend(u64::MAX))
}

#[inline(never)]
fn descend(depth: u64) -> u64 {
    if depth == 0 { 1 } else { (descend(std::hint::black_box(depth - 1)) ^ depth).rotate_left(7) }
}

/// All memory that there is, in a checkpoint.
#[flow]
fn checkpoint_hogs(cx: &Flow) -> Result<usize> {
    hogs(cx)
}

#[checkpoint]
fn hogs(_cx: &Checkpoint) -> Result<usize> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return Ok(blocks.len());
        }
        block.resize(1 << 20, 1);
        blocks.push(block);
    }
}

/// One allocation of 1.75 GiB: of 2 GiB and more the guest's own allocator makes nothing, and asks nobody.
#[flow]
fn hogs_at_once(_cx: &Flow) -> Result<usize> {
    let mut block: Vec<u8> = Vec::new();
    // A size that the compiler knows, of a block that nobody uses, is a block that it need not ask for.
    let reserved = block.try_reserve_exact(std::hint::black_box(0x7000_0000));
    Ok(reserved.map_or(0, |()| std::hint::black_box(&block).capacity()))
}

/// Ends its process as if it were done, in the flow.
#[flow]
fn exits(_cx: &Flow) -> Result<()> {
    std::process::exit(0)
}

/// Ends its process as if it were done, in a checkpoint.
#[flow]
fn checkpoint_exits(cx: &Flow) -> Result<()> {
    ends(cx)
}

#[checkpoint]
fn ends(_cx: &Checkpoint) -> Result<()> {
    std::process::exit(0)
}

/// Ends its process without a word.
#[flow]
fn aborts(_cx: &Flow) -> Result<()> {
    std::process::abort()
}

/// Panics with a megabyte of escape sequences.
#[flow]
fn panics_at_length(_cx: &Flow) -> Result<()> {
    panic!("{}", "\u{1b}[2J\u{202e}".repeat(120_000))
}

/// Panics in a checkpoint until no attempt is left.
#[flow]
fn checkpoint_panics(cx: &Flow) -> Result<()> {
    panics(cx)
}

#[checkpoint(retries = 5)]
fn panics(_cx: &Checkpoint) -> Result<()> {
    panic!("\u{1b}]0;owned\u{7}")
}

/// A flow that calls checkpoints from a checkpoint, and waits there.
#[flow]
fn calls_in_a_checkpoint(cx: &Flow) -> Result<String> {
    nests(cx)
}

#[checkpoint]
fn nests(_cx: &Checkpoint) -> Result<String> {
    crate::refused(kitaru::raw::checkpoint::call("spins", "{}", &crate::plain()), "context")?;
    crate::refused(kitaru::raw::wait::wait(&crate::question()), "context")?;
    crate::refused(kitaru::raw::wait::sleep(None, 1), "context")
}
