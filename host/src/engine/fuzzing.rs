//! What is made of archives and of questions, for the fuzz targets.

use std::collections::BTreeMap;

use super::archive::{self, TransferError};
use super::refusal::{self, Refusal};
use crate::ids::ExecutionId;
use crate::journal::{EncodedEntry, Entry};
use crate::sandbox::WaitRequest;
use crate::store::StoredEntry;

/// The files of an archive.
///
/// # Errors
/// Why it is none.
pub fn archive_files(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, TransferError> {
    archive::read_archive(archive)
}

/// An archive with these files, in this order.
///
/// # Errors
/// When a name does not fit an archive.
pub fn archive_of(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, TransferError> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        archive::add(&mut archive, name, bytes)?;
    }
    archive.into_inner().map_err(TransferError::Archive)
}

/// The entries of a journal as an archive has it.
///
/// # Errors
/// Why it is none.
pub fn journal(id: ExecutionId, bytes: &[u8]) -> Result<Vec<Entry>, TransferError> {
    archive::check_journal(id, &archive::unpack(bytes)?)
}

/// A journal as an archive has it.
///
/// # Errors
/// When it cannot be represented.
pub fn journal_of(records: Vec<EncodedEntry>) -> Result<Vec<u8>, TransferError> {
    let records: Vec<_> =
        records.into_iter().map(|EncodedEntry { seq, bytes, link }| StoredEntry { seq, bytes: bytes.into(), link }).collect();
    archive::pack(&records)
}

/// Whether a question can be asked: its name, or what the flow is told.
///
/// # Errors
/// What the flow is told.
pub fn question(request: &WaitRequest) -> Result<String, String> {
    refusal::check_wait(request).map_err(|refusal| match refusal {
        Refusal::Failure(failure) => failure.message,
        Refusal::Stop(stop) => stop.to_string(),
    })
}
