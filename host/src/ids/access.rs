//! Identifiers of those who come over the network. None of them is a secret.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Uuid);

impl AccountId {
    /// The identifier that these bytes stand for.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The identifier as 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for AccountId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// An API key: the part of its text that finds it. 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKeyId([u8; 8]);

impl ApiKeyId {
    /// Digits of its text.
    pub const DIGITS: usize = 16;

    /// The identifier that these bytes stand for.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The identifier as 8 bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ApiKeyId {
    type Err = InvalidApiKeyId;

    /// One spelling alone: lower-case digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != Self::DIGITS || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidApiKeyId);
        }
        u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| InvalidApiKeyId)
    }
}

/// The text is no identifier of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ID of an API key has 16 hexadecimal digits")]
pub struct InvalidApiKeyId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_keys_id_has_one_spelling() {
        let id = ApiKeyId::from_bytes([0x00, 0x1f, 0xa0, 1, 2, 3, 4, 0xff]);
        assert_eq!(id.to_string(), "001fa001020304ff");
        assert_eq!("001fa001020304ff".parse(), Ok(id));
        for bad in [
            "",
            "001fa001020304f",
            "001fa001020304ff0",
            "001FA001020304FF",
            "+01fa001020304ff",
            "001fa001020304fg",
            "é01fa001020304f",
        ] {
            assert_eq!(bad.parse::<ApiKeyId>(), Err(InvalidApiKeyId), "{bad}");
        }
    }
}
