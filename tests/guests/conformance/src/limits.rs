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

#[checkpoint]
fn naps_often(_cx: &Checkpoint, naps: u32, milliseconds: u64) -> Result<u32> {
    for _ in 0..naps {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }
    Ok(naps)
}

/// Sleeps `naps` times in a checkpoint, and computes nothing; how often.
#[flow]
fn naps(cx: &Flow, naps: u32, milliseconds: u64) -> Result<u32> {
    naps_often(cx, naps, milliseconds)
}

#[checkpoint]
fn measures_list(_cx: &Checkpoint, values: Vec<u8>) -> Result<usize> {
    Ok(values.len())
}

/// A checkpoint argument of `count` small values; how many came.
#[flow]
fn many_values(cx: &Flow, count: usize) -> Result<usize> {
    measures_list(cx, vec![0; count])
}

#[checkpoint]
fn saves_many(cx: &Checkpoint, count: usize, bytes: usize) -> Result<usize> {
    for number in 0..count {
        cx.save(&format!("artifact {number}"), &"x".repeat(bytes), Kind::Output)?;
    }
    Ok(count)
}

/// Saves `count` artifacts of about `bytes` bytes in each of `calls` checkpoints; how many in all.
#[flow]
fn save_many(cx: &Flow, calls: usize, count: usize, bytes: usize) -> Result<usize> {
    (0..calls).map(|_| saves_many(cx, count, bytes)).sum()
}

/// Takes `mebibytes` of memory in each of `bodies` checkpoints beside each other; the sum.
#[flow]
fn memory_beside(cx: &Flow, bodies: usize, mebibytes: usize) -> Result<usize> {
    Ok(hogs::map(cx, (0..bodies).map(|_| mebibytes))?.load()?.into_iter().sum())
}

/// Takes memory between durable calls: `mebibytes` before each of `steps` checkpoints that take as much; the sum.
#[flow]
fn memory_steps(cx: &Flow, steps: usize, mebibytes: usize) -> Result<usize> {
    let (mut held, mut sum) = (Vec::new(), 0);
    for _ in 0..steps {
        held.push(std::hint::black_box(vec![1_u8; mebibytes << 20]));
        sum += hogs(cx, mebibytes)?;
    }
    Ok(sum + held.len())
}
