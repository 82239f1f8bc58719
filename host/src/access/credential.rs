//! Credentials as texts: 32 random bytes each, of which a hash is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::ids::{ApiKeyId, Ids};
use crate::store::SecretHash;

/// How the text of an API key begins.
const API_KEY: &str = "kh_";
/// Letters of 32 bytes.
const LETTERS: usize = 43;

/// A session, without what its cookie has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(SecretHash);

impl SessionId {
    pub(super) fn of(hash: SecretHash) -> Self {
        Self(hash)
    }

    pub(super) fn hash(self) -> SecretHash {
        self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SessionId({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// What a token rests on, and ends with. As text within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Credential {
    /// The data folder itself.
    Owner,
    /// An API key.
    ApiKey(ApiKeyId),
    /// A browser that is logged in.
    Session(SessionId),
}

impl From<Credential> for String {
    fn from(credential: Credential) -> Self {
        match credential {
            Credential::Owner => "owner".to_owned(),
            Credential::ApiKey(id) => format!("key:{id}"),
            Credential::Session(id) => format!("session:{}", BASE64.encode(id.0)),
        }
    }
}

impl TryFrom<String> for Credential {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "no credential";
        match text.split_once(':') {
            None if text == "owner" => Ok(Self::Owner),
            Some(("key", id)) => id.parse().map(Self::ApiKey).map_err(|_| WRONG),
            Some(("session", id)) => bytes(id).map(|bytes| Self::Session(SessionId(*bytes))).ok_or(WRONG),
            _ => Err(WRONG),
        }
    }
}

/// 32 random bytes. Wiped when they go.
pub(super) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(super) fn new(ids: &dyn Ids) -> Self {
        Self(Zeroizing::new(ids.credential()))
    }

    /// The secret that a text spells, in its one spelling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        bytes(text).map(Self)
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_slice()))
    }

    /// What is kept of it. There is nothing to guess in 32 random bytes, so that a hash that takes long would protect nobody.
    pub(super) fn hash(&self) -> SecretHash {
        Sha256::digest(self.0.as_slice()).into()
    }
}

fn bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != LETTERS {
        return None;
    }
    let mut decoded = Zeroizing::new([0; 32]);
    // It refuses other letters, padding, and bits that belong to no byte.
    let length = BASE64.decode_slice(text, decoded.as_mut_slice()).ok()?;
    (length == decoded.len()).then_some(decoded)
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &SecretHash, other: &SecretHash) -> bool {
    one.ct_eq(other).into()
}

/// The text of an API key, apart: `kh_<id>_<secret>`.
pub(super) struct ApiKeyText {
    pub(super) id: ApiKeyId,
    pub(super) secret: Secret,
}

impl ApiKeyText {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The identifier has no underscore.
        let (id, secret) = text.strip_prefix(API_KEY)?.split_once('_')?;
        Some(Self { id: id.parse().ok()?, secret: Secret::parse(secret)? })
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{API_KEY}{}_{}", self.id, self.secret.text().as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_api_key_has_one_spelling(id in any::<[u8; 8]>(), secret in any::<[u8; 32]>(), at in 0_usize..63, letter in any::<char>()) {
            let made = ApiKeyText { id: ApiKeyId::from_bytes(id), secret: Secret(Zeroizing::new(secret)) };
            let text = made.text();
            prop_assert_eq!(text.len(), 63);
            let read = ApiKeyText::parse(&text).unwrap();
            prop_assert_eq!(read.id, made.id);
            prop_assert!(same(&read.secret.hash(), &made.secret.hash()));
            // Whatever one letter is changed to: it is no key, or another one.
            let changed: String = text.chars().enumerate().map(|(index, old)| if index == at { letter } else { old }).collect();
            if changed != *text && let Some(other) = ApiKeyText::parse(&changed) {
                prop_assert!(other.id != made.id || !same(&other.secret.hash(), &made.secret.hash()));
                prop_assert_eq!(&*other.text(), &changed);
            }
        }

        #[test]
        fn any_text_is_a_key_that_spells_it_or_none(text in "(kh_)?[0-9a-f]{0,18}_?[-_A-Za-z0-9=]{0,46}|\\PC{0,80}") {
            if let Some(read) = ApiKeyText::parse(&text) {
                prop_assert_eq!(&*read.text(), &text);
            }
        }

        #[test]
        fn a_credential_reads_back(id in any::<[u8; 8]>(), hash in any::<[u8; 32]>(), text in "\\PC{0,60}") {
            let session = Credential::Session(SessionId(hash));
            for credential in [Credential::Owner, Credential::ApiKey(ApiKeyId::from_bytes(id)), session] {
                prop_assert_eq!(Credential::try_from(String::from(credential)), Ok(credential));
            }
            if let Ok(read) = Credential::try_from(text.clone()) {
                prop_assert_eq!(String::from(read), text);
            }
        }
    }

    #[test]
    fn what_is_no_key() {
        let good = ApiKeyText { id: ApiKeyId::from_bytes([7; 8]), secret: Secret(Zeroizing::new([0xff; 32])) };
        let good = good.text();
        assert!(ApiKeyText::parse(&good).is_some());
        let padded = format!("{}=", good.as_str());
        // Its last letter has two bits that belong to no byte.
        let loose = format!("{}9", &good[..62]);
        for bad in ["", "kh_", "kh__", &good[..62], &padded, &loose, &good.to_uppercase(), &format!(" {}", good.as_str())] {
            assert!(ApiKeyText::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_session_does_not_show_all_of_its_hash() {
        assert_eq!(format!("{:?}", SessionId([0xab; 32])), "SessionId(abababab…)");
    }
}
