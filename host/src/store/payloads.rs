//! Moves values between memory and [`Payload`]: small ones stay in the row, large ones go to the blob store before it.

use super::{Blobs, StoreError};
use crate::journal::Payload;

/// Makes a payload of `bytes`, which are in the blob store when this returns if they are large.
///
/// # Errors
/// When the blob store cannot be written.
pub async fn put_bytes(blobs: &(impl Blobs + ?Sized), bytes: Vec<u8>) -> Result<Payload, StoreError> {
    if bytes.len() <= Payload::INLINE_LIMIT {
        return Ok(Payload::Inline(bytes));
    }
    let len = bytes.len() as u64;
    Ok(Payload::Blob { hash: blobs.put_blob(bytes).await?, len })
}

/// The bytes of a payload.
///
/// # Errors
/// When the blob is missing or damaged.
pub async fn get_bytes(blobs: &(impl Blobs + ?Sized), payload: &Payload) -> Result<Vec<u8>, StoreError> {
    match payload {
        Payload::Inline(bytes) => Ok(bytes.clone()),
        Payload::Blob { hash, .. } => blobs.get_blob(hash).await,
    }
}

/// The text of a payload.
///
/// # Errors
/// As [`get_bytes`], and when the bytes are not UTF-8.
pub async fn get_text(blobs: &(impl Blobs + ?Sized), payload: &Payload) -> Result<String, StoreError> {
    String::from_utf8(get_bytes(blobs, payload).await?)
        .map_err(|error| StoreError::Damaged { what: "a stored JSON text".into(), source: Some(Box::new(error)) })
}
