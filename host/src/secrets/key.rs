//! A key, in memory and as text.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::SecretsError;
use crate::ids::KeyId;

const LENGTH: usize = 32;

/// The key that seals and opens values. It tells nothing of itself, and wipes its memory when it goes.
#[derive(Clone)]
pub struct SecretsKey(Zeroizing<[u8; LENGTH]>);

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretsKey([REDACTED])")
    }
}

impl SecretsKey {
    /// A new key from the operating system's generator: no injected one, because nothing may ever predict it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, SecretsError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        getrandom::fill(bytes.as_mut_slice()).map_err(SecretsError::Random)?;
        Ok(Self(bytes))
    }

    /// The key that `text` spells, in hexadecimal digits or base64 of any kind; none where that is not 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // 64 digits would be base64 too, of more bytes than a key has.
        let decoded = if text.len() == 2 * LENGTH { from_hex(text)? } else { from_base64(text)? };
        let mut bytes = Zeroizing::new([0; LENGTH]);
        if decoded.len() != LENGTH {
            return None;
        }
        bytes.copy_from_slice(&decoded);
        Some(Self(bytes))
    }

    /// The key as a text that [`SecretsKey::parse`] reads.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(self.0.as_slice()))
    }

    /// What tells it from other keys, and lets nobody find it out.
    pub fn id(&self) -> KeyId {
        let hash = Zeroizing::new(blake3::derive_key("kitaru-host 2026-11 id of a key for secrets", self.0.as_slice()));
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.iter()) {
            *to = *from;
        }
        KeyId::from_bytes(id)
    }

    /// Another key, which follows from this one and from what it is for. `purpose` is unique and never changes: the name of the program, a date,
    /// and what the key does.
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; LENGTH]> {
        Zeroizing::new(blake3::derive_key(purpose, self.0.as_slice()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let of = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
    of(&STANDARD).or_else(|| of(&URL_SAFE)).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_every_spelling() {
        let bytes = [0xfb; LENGTH];
        let hex = "fb".repeat(LENGTH);
        let standard = base64::engine::general_purpose::STANDARD.encode(bytes);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        assert!(standard.contains('+') && url_safe.contains('-'));
        let padded = format!(" {standard}\n");
        for text in [&hex, &hex.to_uppercase(), &standard, &url_safe, standard.trim_end_matches('='), &padded] {
            assert_eq!(SecretsKey::parse(text).expect(text).bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_key() {
        let (short, long) = ("ab".repeat(31), "ab".repeat(33));
        let base64 = |length: usize| base64::engine::general_purpose::STANDARD.encode(vec![1; length]);
        let not_hex = format!("{}xy", "ab".repeat(31));
        for text in ["", " ", "password", &short, &long, &base64(31), &base64(33), &base64(16), &not_hex, &"é".repeat(32)] {
            assert!(SecretsKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_new_key_is_another_each_time_and_tells_nothing_of_itself() {
        let (one, other) = (SecretsKey::generate().unwrap(), SecretsKey::generate().unwrap());
        assert_ne!(one.bytes(), other.bytes());
        assert_ne!(one.id(), other.id());
        let text = one.to_text();
        assert_eq!(SecretsKey::parse(&text).unwrap().bytes(), one.bytes());
        assert_eq!(SecretsKey::parse(&text).unwrap().id(), one.id());
        assert_eq!(format!("{one:?}"), "SecretsKey([REDACTED])");
        assert_ne!(one.derive("tests 1"), one.derive("tests 2"));
        assert_eq!(one.derive("tests 1"), one.clone().derive("tests 1"));
    }
}
