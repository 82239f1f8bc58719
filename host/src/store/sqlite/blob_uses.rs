//! Which execution needs which large value, so that what nobody needs can be removed.

use rusqlite::{Connection, params};

use super::errors::DbError;
use crate::journal::{Payload, PayloadHash};

/// The blob that `payload` names, if it names one.
pub(super) fn of(payload: &Payload) -> Option<PayloadHash> {
    match payload {
        Payload::Blob { hash, .. } => Some(*hash),
        Payload::Inline(_) => None,
    }
}

/// Notes that the execution with this key needs these blobs.
pub(super) fn note(db: &Connection, key: i64, blobs: impl IntoIterator<Item = PayloadHash>) -> Result<(), DbError> {
    for hash in blobs {
        db.prepare_cached("INSERT OR IGNORE INTO blob_uses (hash, execution) VALUES (?1, ?2)")?
            .execute(params![hash.as_bytes(), key])?;
    }
    Ok(())
}
