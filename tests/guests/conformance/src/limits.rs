//! Guests that take too much: time, memory, stack, bytes.

use std::time::Duration;

use kitaru::prelude::*;

#[checkpoint]
fn makes_text(_cx: &Checkpoint, bytes: usize) -> Result<String> {
    Ok("x".repeat(bytes))
}

#[checkpoint]
fn measures_text(_cx: &Checkpoint, text: String) -> Result<usize> {
    Ok(text.len())
}

/// A checkpoint result of about `bytes` bytes; the flow returns its length.
#[flow]
fn big_checkpoint_result(cx: &Flow, bytes: usize) -> Result<usize> {
    Ok(makes_text(cx, bytes)?.len())
}

/// A flow result of about `bytes` bytes.
#[flow]
fn big_flow_result(_cx: &Flow, bytes: usize) -> Result<String> {
    Ok("x".repeat(bytes))
}

/// A checkpoint argument of about `bytes` bytes.
#[flow]
fn big_argument(cx: &Flow, bytes: usize) -> Result<usize> {
    measures_text(cx, "x".repeat(bytes))
}

/// Loops forever in the flow.
#[flow]
fn spin_flow(_cx: &Flow) -> Result<()> {
    spin()
}

#[checkpoint]
fn spins(_cx: &Checkpoint) -> Result<()> {
    spin()
}

/// Loops forever in a checkpoint.
#[flow]
fn spin_checkpoint(cx: &Flow) -> Result<()> {
    spins(cx)
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes `mebibytes` of memory in the flow, and touches them.
#[flow]
fn memory_flow(_cx: &Flow, mebibytes: usize) -> Result<usize> {
    Ok(hog(mebibytes))
}

#[checkpoint]
fn hogs(_cx: &Checkpoint, mebibytes: usize) -> Result<usize> {
    Ok(hog(mebibytes))
}

/// Takes `mebibytes` of memory in a checkpoint, and touches them.
#[flow]
fn memory_checkpoint(cx: &Flow, mebibytes: usize) -> Result<usize> {
    hogs(cx, mebibytes)
}

/// Takes memory until an allocation fails, and survives the failure if the host lets it: the result is what it got, in mebibytes.
#[flow]
fn memory_probe(_cx: &Flow) -> Result<usize> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return Ok(blocks.len());
        }
        blocks.push(block);
    }
}

fn hog(mebibytes: usize) -> usize {
    let blocks: Vec<Vec<u8>> = (0..mebibytes).map(|n| std::hint::black_box(vec![n as u8 | 1; 1 << 20])).collect();
    blocks.len()
}

/// Calls itself `depth` times in the flow.
#[flow]
fn recursion_flow(_cx: &Flow, depth: u64) -> Result<u64> {
    Ok(descend(depth))
}

#[checkpoint]
fn recurses(_cx: &Checkpoint, depth: u64) -> Result<u64> {
    Ok(descend(depth))
}

/// Calls itself `depth` times in a checkpoint.
#[flow]
fn recursion_checkpoint(cx: &Flow, depth: u64) -> Result<u64> {
    recurses(cx, depth)
}

// Keeps nothing in the guest's own stack memory, so that it is the host's stack limit that is met. The result is a checksum.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    if depth == 0 { 1 } else { (descend(depth - 1) ^ depth).rotate_left(7) }
}

#[checkpoint]
fn sleeps(_cx: &Checkpoint, milliseconds: u64) -> Result<()> {
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Sleeps in a checkpoint.
#[flow]
fn sleep_checkpoint(cx: &Flow, milliseconds: u64) -> Result<()> {
    sleeps(cx, milliseconds)
}

/// Sleeps in the flow, with the standard library.
#[flow]
fn sleep_flow(_cx: &Flow, milliseconds: u64) -> Result<()> {
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Writes empty lines to the log, forever.
#[flow]
fn empty_lines(cx: &Flow) -> Result<()> {
    loop {
        cx.info("");
    }
}

#[checkpoint]
fn prints_line_ends(_cx: &Checkpoint) -> Result<()> {
    use std::io::Write as _;
    let ends = vec![b'\n'; 64 * 1024];
    loop {
        std::io::stdout().write_all(&ends)?;
    }
}

/// Writes line ends to standard output, forever.
#[flow]
fn empty_output(cx: &Flow) -> Result<()> {
    prints_line_ends(cx)
}

/// Tells of progress, forever.
#[flow]
fn empty_progress(cx: &Flow) -> Result<()> {
    loop {
        cx.progress("", None);
    }
}

/// Calls a checkpoint that does not exist, forever.
#[flow]
fn refused_loop(_cx: &Flow) -> Result<()> {
    loop {
        let options = kitaru::raw::checkpoint::Options { id: None, cache_key: None };
        let refused = kitaru::raw::checkpoint::call("no-such-checkpoint", "{}", &options);
        assert!(refused.is_err());
    }
}

/// Calls a checkpoint whatever it answers, forever.
#[flow]
fn ignores_refusals(cx: &Flow) -> Result<()> {
    loop {
        let _ = measures_text(cx, String::new());
    }
}
