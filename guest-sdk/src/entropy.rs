//! Random numbers from the host, which std does not offer on its own.

/// Sixty-four random bits: from the execution's seed in flow scope, real ones in checkpoint scope.
#[cfg(target_os = "wasi")]
pub(crate) fn random() -> u64 {
    wasip2::random::random::get_random_u64()
}

/// Outside a host, in native tests: whatever std seeds its hash maps with.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}
