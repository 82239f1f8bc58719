//! Public keys, and what they are called.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The eight bytes by which a signature says whose it is: a name, and no proof. Shown as minisign shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The identifier in the packed form of a key or a signature: an algorithm of two bytes, then it.
    pub(super) fn of_packed(base64: &str) -> Option<Self> {
        let bytes = STANDARD.decode(base64.trim()).ok()?;
        Some(Self(bytes.get(2..10)?.try_into().ok()?))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A public key that somebody here trusts.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedKey {
    text: String,
    id: KeyId,
    pub(super) key: minisign_verify::PublicKey,
}

/// A text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no public key of minisign: 56 characters that begin with `RW`")]
pub struct NotAKey(pub String);

impl TrustedKey {
    /// What it is called.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for TrustedKey {
    type Err = NotAKey;

    /// The line of the key, or the file that it stands in: a comment, and the key in the next line.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let line = text.trim().lines().last().unwrap_or_default().trim();
        let key = minisign_verify::PublicKey::from_base64(line).ok();
        match (key, KeyId::of_packed(line)) {
            (Some(key), Some(id)) => Ok(Self { text: line.to_owned(), id, key }),
            // A secret key must not be said again.
            _ if line.len() > 60 => Err(NotAKey("…".into())),
            _ => Err(NotAKey(line.to_owned())),
        }
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl PartialEq for TrustedKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TrustedKey {}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of minisign's documentation.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn keys_read_as_a_line_and_as_a_file() {
        let key: TrustedKey = KEY.parse().unwrap();
        assert_eq!(key.id().to_string(), "E7620F1842B4E81F", "as minisign names it");
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{KEY}\n");
        assert_eq!(file.parse::<TrustedKey>().unwrap(), key);
        assert_eq!(key.to_string(), KEY);
        for bad in ["", "RWQ", "not a key", &KEY[1..], &format!("{KEY}A")] {
            assert!(bad.parse::<TrustedKey>().is_err(), "{bad}");
        }
        let secret = "RWRTY0Iy".repeat(20);
        assert!(!secret.parse::<TrustedKey>().unwrap_err().to_string().contains("RWRTY"), "it may be a secret key");
    }
}
