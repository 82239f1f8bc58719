//! `wasi:random`, over the library's own: what a flow draws is part of its journal's meaning (E6), so how the seed's streams become bytes is
//! fixed here and not by whatever version of the library is linked.

use rand_chacha::rand_core::Rng as _;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::WasiRandomView as _;

use crate::sandbox::determinism::Entropy;
use crate::sandbox::state::HostState;

struct Random<'a>(&'a mut HostState);

struct HasRandom;

impl HasData for HasRandom {
    type Data<'a> = Random<'a>;
}

/// Bytes that one call may ask for: as many as the library allows.
const MOST: u64 = 64 << 20;

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    random::add_to_linker::<HostState, HasRandom>(linker, |state| Random(state))?;
    insecure::add_to_linker::<HostState, HasRandom>(linker, |state| Random(state))?;
    insecure_seed::add_to_linker::<HostState, HasRandom>(linker, |state| Random(state))
}

fn fill(stream: &mut rand_chacha::ChaCha20Rng, len: u64) -> wasmtime::Result<Vec<u8>> {
    if len > MOST {
        return Err(wasmtime::Error::msg(format!("{len} random bytes at once are more than {MOST}")));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    stream.fill_bytes(&mut bytes);
    Ok(bytes)
}

impl random::Host for Random<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        match &mut self.0.entropy {
            Some(Entropy { secure, .. }) => fill(secure, len),
            None => self.0.random().get_random_bytes(len),
        }
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        match &mut self.0.entropy {
            Some(Entropy { secure, .. }) => Ok(secure.next_u64()),
            None => self.0.random().get_random_u64(),
        }
    }
}

impl insecure::Host for Random<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        match &mut self.0.entropy {
            Some(Entropy { insecure, .. }) => fill(insecure, len),
            None => self.0.random().get_insecure_random_bytes(len),
        }
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        match &mut self.0.entropy {
            Some(Entropy { insecure, .. }) => Ok(insecure.next_u64()),
            None => self.0.random().get_insecure_random_u64(),
        }
    }
}

impl insecure_seed::Host for Random<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        match &self.0.entropy {
            Some(Entropy { constant, .. }) => Ok(*constant),
            None => self.0.random().insecure_seed(),
        }
    }
}
