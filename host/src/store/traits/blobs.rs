//! Large values and components, by content.

use async_trait::async_trait;

use crate::ids::ComponentDigest;
use crate::journal::PayloadHash;
use crate::store::StoreError;

/// Large values by content.
#[async_trait]
pub trait Blobs {
    /// Keeps `bytes`, durably, and returns their address.
    async fn put_blob(&self, bytes: Vec<u8>) -> Result<PayloadHash, StoreError>;
    /// Sees to it that a sweep leaves the value at `hash` alone until somebody had the time to name it. False where there is none.
    async fn keep_blob(&self, hash: &PayloadHash) -> Result<bool, StoreError>;
    /// The bytes at `hash`, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Damaged`] when they are not what the address says.
    async fn get_blob(&self, hash: &PayloadHash) -> Result<Vec<u8>, StoreError>;
}

/// Components by digest, so that an execution goes on even if the file that it was started from is gone.
#[async_trait]
pub trait Components {
    /// Keeps a component, durably, and returns its digest.
    async fn put_component(&self, bytes: &[u8]) -> Result<ComponentDigest, StoreError>;
    /// Sees to it that a component which is stored stays for an execution that is about to be created. Whether it is stored.
    async fn keep_component(&self, digest: ComponentDigest) -> Result<bool, StoreError>;
    /// A component's bytes, checked against the digest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] or [`StoreError::Damaged`].
    async fn get_component(&self, digest: ComponentDigest) -> Result<Vec<u8>, StoreError>;
    /// Keeps a signature of a component that is stored, for as long as the component is. `key` says whose it is, and is part of a file's name: one
    /// signature of each key is kept, the latest.
    async fn put_signature(&self, digest: ComponentDigest, key: &str, text: &str) -> Result<(), StoreError>;
    /// The signatures that are kept with a component, in the order of their keys.
    async fn signatures(&self, digest: ComponentDigest) -> Result<Vec<String>, StoreError>;
}
