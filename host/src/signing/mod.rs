//! Signatures of components: who is trusted, what a signature says, how one is made. The format is minisign's: Ed25519 over BLAKE2b-512, in a
//! file of text beside the component. Reads and writes no store, and decides nothing about executions.

mod key;
mod make;
mod policy;
mod signature;
mod trust;

pub use key::{KeyId, NotAKey, TrustedKey};
pub use make::{KeyFiles, MakeError, generate, is_locked, sign};
pub use policy::{SignaturePolicy, UnknownPolicy};
pub use signature::{ComponentSignature, LONGEST, NotASignature, path_beside};
pub use trust::{Signer, Trust, Untrusted, Verdict};
