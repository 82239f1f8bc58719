//! The encoding of entries, and the hash chain over it (E15).
//!
//! An encoded entry is one version byte and the `postcard` form of [`Entry`]. A golden test fixes the bytes: a released form is never
//! changed, only followed by the next version, and old versions stay readable.

use super::Entry;

/// The encoding of records that this host writes, and the latest that it reads.
pub const RECORD_FORMAT: u8 = 1;

/// A record could not be read. The execution stops there; the store goes on (E13).
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// There are no bytes.
    #[error("the record is empty")]
    Empty,
    /// A later host wrote it.
    #[error("the record has encoding version {0}, and this host reads versions up to {RECORD_FORMAT}")]
    NewerVersion(u8),
    /// The bytes are not an entry.
    #[error("the record is damaged")]
    Damaged(#[source] postcard::Error),
    /// The entry could not be written.
    #[error("the record cannot be encoded")]
    Encode(#[source] postcard::Error),
}

/// An entry as it is stored: its bytes, and the link that ties it to all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEntry {
    /// Position in the execution's journal.
    pub seq: u64,
    /// The encoded entry.
    pub bytes: Vec<u8>,
    /// [`chain`] of the previous link and `bytes`.
    pub link: [u8; 32],
}

/// Encodes `entry`, linked to `previous` (all zeros for the first).
///
/// # Errors
/// [`CodecError::Encode`], when a value cannot be represented.
pub fn encode(entry: &Entry, previous: &[u8; 32]) -> Result<EncodedEntry, CodecError> {
    let bytes = postcard::to_extend(entry, vec![RECORD_FORMAT]).map_err(CodecError::Encode)?;
    let link = chain(previous, &bytes);
    Ok(EncodedEntry { seq: entry.seq, bytes, link })
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// When the bytes are not an entry that this host can read.
pub fn decode(bytes: &[u8]) -> Result<Entry, CodecError> {
    let (version, rest) = bytes.split_first().ok_or(CodecError::Empty)?;
    if *version != RECORD_FORMAT {
        return Err(CodecError::NewerVersion(*version));
    }
    match postcard::take_from_bytes(rest) {
        Ok((entry, [])) => Ok(entry),
        Ok(_) => Err(CodecError::Damaged(postcard::Error::DeserializeBadEncoding)),
        Err(error) => Err(CodecError::Damaged(error)),
    }
}

/// The link of an entry whose bytes are `bytes`, after the link `previous`.
pub fn chain(previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous).update(bytes);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::journal::{CallKind, CanonicalJson, Descriptor, EntryBody, Failure, Outcome, Payload, Provenance};
    use proptest::prelude::*;

    fn started() -> Entry {
        let input = CanonicalJson::parse(r#"{"topic":"kitaru"}"#).unwrap();
        Entry {
            seq: 0,
            at: Timestamp::from_micros(1_700_000_000_000_000),
            body: EntryBody::CallStarted {
                call: 0,
                attempt: 1,
                descriptor: Some(Descriptor {
                    kind: CallKind::Checkpoint,
                    name: "research".into(),
                    invocation: "research".into(),
                    input_hash: input.hash(),
                    input: Payload::Inline(input.into_string().into_bytes()),
                    checkpoint_type: None,
                }),
                deadline: None,
                child: None,
            },
        }
    }

    fn ended(seq: u64, result: &str) -> Entry {
        Entry {
            seq,
            at: Timestamp::from_micros(1_700_000_000_000_123),
            body: EntryBody::CallEnded {
                call: 0,
                attempt: 1,
                descriptor: None,
                outcome: Outcome::Success(Payload::Inline(result.as_bytes().to_vec())),
                provenance: Provenance::Ran,
                metadata: None,
                started_at: None,
            },
        }
    }

    #[test]
    fn golden_bytes_of_version_1_never_change() {
        let first = encode(&started(), &[0; 32]).unwrap();
        let hex: String = first.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("golden/call-started.v1.hex").trim());
        let second = encode(&ended(1, "\"notes\""), &first.link).unwrap();
        let hex: String = second.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("golden/call-ended.v1.hex").trim());
    }

    #[test]
    fn e13_damaged_and_newer_records_are_told_apart() {
        let good = encode(&started(), &[0; 32]).unwrap().bytes;
        assert!(matches!(decode(&[]), Err(CodecError::Empty)));
        assert!(matches!(decode(&[9, 0, 0]), Err(CodecError::NewerVersion(9))));
        assert!(matches!(decode(&good[..good.len() - 1]), Err(CodecError::Damaged(_))));
        let mut longer = good.clone();
        longer.push(0);
        assert!(matches!(decode(&longer), Err(CodecError::Damaged(_))));
    }

    #[test]
    fn e15_a_changed_record_breaks_the_chain() {
        let first = encode(&started(), &[0; 32]).unwrap();
        let second = encode(&ended(1, "1"), &first.link).unwrap();
        let forged = encode(&ended(1, "2"), &first.link).unwrap();
        assert_eq!(second.link, chain(&first.link, &second.bytes));
        assert_ne!(second.link, forged.link);
    }

    proptest! {
        #[test]
        fn round_trip(seq in any::<u64>(), at in any::<i64>(), call in any::<u32>(), attempt in any::<u32>(), message in ".*",
                      retryable in any::<bool>(), metadata in proptest::option::of(".*")) {
            let failure = Failure { retryable, ..Failure::user("error", message) };
            let entry = Entry { seq, at: Timestamp::from_micros(at), body: EntryBody::AttemptFailed { call, attempt, failure, metadata, retry_at: Timestamp::from_micros(at) } };
            prop_assert_eq!(decode(&encode(&entry, &[7; 32]).unwrap().bytes).unwrap(), entry);
        }

        #[test]
        fn e13_no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
