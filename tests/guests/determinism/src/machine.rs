//! What the processor and the memory show: floats, hashes, addresses, sizes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hint::black_box;

use kitaru::prelude::*;

use crate::saw;

/// Operations whose results the processor chooses, where nobody sees to it: the bits of NaNs, their payloads and signs, the last bit of roots,
/// and conversions that do not fit.
#[flow]
fn floats(cx: &Flow) -> Result<()> {
    let zero = black_box(0.0_f64);
    let strange = [
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(0xfff8_dead_beef_0001),
        f64::INFINITY,
        -zero,
        f64::MIN_POSITIVE / 2.0,
    ];
    // No number, made at run time.
    let none = zero / black_box(0.0);
    let mut bits = vec![none.to_bits(), (-none).to_bits(), black_box(-1.0_f64).sqrt().to_bits()];
    for a in strange.map(black_box) {
        for b in strange.map(black_box) {
            let results = [a + b, a - b, a * b, a / b, a % b, a.min(b), a.max(b), a.mul_add(b, a), a.copysign(b), a.powf(b)];
            bits.extend(results.map(f64::to_bits));
            bits.push(u64::from((a as f32 * b as f32).to_bits()));
            bits.push(a.total_cmp(&b) as i8 as u64);
        }
        bits.extend([a.sqrt(), a.sin(), a.exp(), a.ln(), a.floor(), a.round_ties_even()].map(f64::to_bits));
        bits.extend([a as i32 as u64, a as u64, a as i64 as u64, f64::from(a as f32).to_bits()]);
    }
    let sum = (1..10_000).map(|n| 1.0 / f64::from(black_box(n))).sum::<f64>();
    let sight = json!({ "bits": bits.iter().map(|bits| format!("{bits:016x}")).collect::<Vec<_>>(), "sum": format!("{sum:?}") });
    saw(cx, "floats".into(), sight).map(drop)
}

/// Loops that a compiler turns into vector instructions, where the target has any, over floats with NaNs among them.
#[flow]
fn vectors(cx: &Flow) -> Result<()> {
    let left: Vec<f32> = (0..1_024).map(|n| if n % 17 == 0 { f32::from_bits(0x7fa0_0000 + n) } else { n as f32 / 3.0 }).collect();
    let right: Vec<f32> = left.iter().rev().copied().collect();
    let (left, right) = (black_box(left), black_box(right));
    let products: Vec<f32> = left.iter().zip(&right).map(|(a, b)| a * b + a).collect();
    let smallest: Vec<f32> = left.iter().zip(&right).map(|(a, b)| a.min(*b)).collect();
    let fold = |values: &[f32]| values.iter().fold(0_u64, |hash, value| hash.rotate_left(5) ^ u64::from(value.to_bits()));
    let bytes: u32 = black_box(vec![0xa5_u8; 4_099]).iter().map(|byte| byte.count_ones()).sum();
    saw(cx, "vectors".into(), json!([fold(&products).to_string(), fold(&smallest).to_string(), bytes])).map(drop)
}

/// The order of hash maps, which is random in every process that is not told otherwise.
#[flow]
fn hash_order(cx: &Flow) -> Result<()> {
    for round in 0..3 {
        let map: HashMap<String, usize> = (0..64).map(|n| (format!("key-{n}"), n)).collect();
        let set: HashSet<u64> = (0..64).map(|n| n * n).collect();
        let sight =
            json!({ "round": round, "map": map.into_values().collect::<Vec<_>>(), "set": set.into_iter().collect::<Vec<_>>() });
        saw(cx, "hash order".into(), sight)?;
    }
    Ok(())
}

/// Where things lie: on the heap, on the stack, in the code, after many allocations of many sizes.
#[flow]
fn addresses(cx: &Flow) -> Result<()> {
    let mut kept: Vec<Box<[u8]>> = Vec::new();
    let mut places = Vec::new();
    for round in 0_usize..200 {
        let piece = vec![round as u8; (round * 7_919) % 5_000 + 1].into_boxed_slice();
        places.push(piece.as_ptr() as usize);
        if round % 3 == 0 {
            kept.clear();
        }
        kept.push(piece);
    }
    let large = vec![1_u8; 3 << 20];
    let on_stack = black_box(0_u8);
    let sight = json!({
        "heap": places,
        "stack": &raw const on_stack as usize,
        "code": code as *const () as usize,
        "distinct": places.iter().collect::<BTreeSet<_>>().len(),
        "grown": large.as_ptr() as usize,
    });
    saw(cx, "addresses".into(), sight)?;
    // What is in memory that was given back is seen as well, by the hash of all of it.
    drop(kept);
    saw(cx, "afterwards".into(), json!(null)).map(drop)
}

fn code() {}

/// Memory as it comes from the system: zero, however often it was used before by whoever had it.
#[flow]
fn fresh_memory(cx: &Flow) -> Result<()> {
    let sum: u64 = vec![0_u8; 8 << 20].iter().map(|byte| u64::from(black_box(*byte))).sum();
    saw(cx, "fresh memory".into(), json!(sum))?;
    let filled = vec![0xff_u8; 1 << 20];
    saw(cx, "filled".into(), json!(filled.iter().filter(|byte| **byte == 0xff).count())).map(drop)
}

/// Ends in a trap, in the middle of what it does.
#[flow]
fn traps(cx: &Flow) -> Result<()> {
    saw(cx, "before".into(), json!(null))?;
    let list = black_box(vec![1, 2, 3]);
    let place = black_box(7);
    saw(cx, "never".into(), json!(list[place])).map(drop)
}
