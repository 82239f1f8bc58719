//! The WASI of a flow: everything that it can observe follows from its journal (E6). No files, no network, no environment; the clock stands
//! still between durable calls; random is a ChaCha20 stream from the execution's seed.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use super::port::FlowClock;
use super::stdio::LogStream;

impl HostWallClock for FlowClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Self::now(self).since_epoch()
    }
}

impl HostMonotonicClock for FlowClock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.elapsed_nanos()
    }
}

/// One of the seed's independent streams. ChaCha20's output is fixed by its specification (RFC 8439), so it never changes between versions.
fn stream(seed: [u8; 32], number: u64) -> ChaCha20Rng {
    let mut random = ChaCha20Rng::from_seed(seed);
    random.set_stream(number);
    random
}

/// What a flow draws.
pub(super) struct Entropy {
    pub(super) secure: ChaCha20Rng,
    pub(super) insecure: ChaCha20Rng,
    pub(super) constant: (u64, u64),
}

impl Entropy {
    /// The streams of an execution's seed.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let mut constant = stream(seed, 2);
        let constant = (constant.next_u64(), constant.next_u64());
        Self { secure: stream(seed, 0), insecure: stream(seed, 1), constant }
    }
}

/// The WASI of a flow body. Its random functions are ours, and draw from [`Entropy`].
pub(super) fn flow_wasi(clock: &FlowClock, stdout: LogStream, stderr: LogStream) -> WasiCtx {
    WasiCtx::builder()
        .stdout(stdout)
        .stderr(stderr)
        .wall_clock(clock.clone())
        .monotonic_clock(clock.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e6_the_random_stream_of_a_seed_is_fixed_forever() {
        let mut bytes = [0; 8];
        stream([7; 32], 0).fill_bytes(&mut bytes);
        let again = stream([7; 32], 0).next_u64();
        assert_eq!(u64::from_le_bytes(bytes), again);
        // RFC 8439 key of zeros, first block: 76b8e0ada0f13d90…
        assert_eq!(stream([0; 32], 0).next_u64().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        assert_ne!(stream([7; 32], 1).next_u64(), again);
    }
}
