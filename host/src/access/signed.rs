//! Texts that this host signs for itself: what they claim can be read by anybody, and changed by nobody.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::AccessError;
use crate::ids::StoreId;
use crate::secrets::{SecretsKey, find_or_make_key_file};
use crate::store::StoreError;

/// More than any text has that is signed here.
const LONGEST: usize = 32 * 1024;

/// What a signature is for. One for one thing is worth nothing for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A short-lived token.
    Token,
    /// A link that answers a question.
    Answer,
    /// What a page shows to change something.
    Csrf,
}

impl Purpose {
    /// Never changed: another meaning gets another label.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Token => b"token 1\0",
            Self::Answer => b"answer 1\0",
            Self::Csrf => b"csrf 1\0",
        }
    }
}

/// Signs with HMAC-SHA256, for one store.
pub(super) struct Signer {
    mac: Hmac<Sha256>,
}

impl Signer {
    /// With the key in the file, which is made if it is not there.
    pub(super) fn from_file(path: &Path, store: StoreId) -> Result<Self, AccessError> {
        let key = find_or_make_key_file(path).map_err(|source| AccessError::Key { path: path.to_owned(), source })?;
        Self::new(&key, store)
    }

    fn new(key: &SecretsKey, store: StoreId) -> Result<Self, AccessError> {
        let key = key.derive("kitaru-host 2026-11 signatures of tokens and links");
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(|error| AccessError::Interrupted(Box::new(error)))?;
        // What is signed for one store counts in no other, also where both have the same key file.
        mac.update(store.as_bytes());
        Ok(Self { mac })
    }

    fn mac(&self, purpose: Purpose, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(purpose.label());
        mac.update(bytes);
        mac
    }

    /// `<claims>.<signature>`.
    pub(super) fn sign(&self, purpose: Purpose, claims: &impl Serialize) -> Result<String, AccessError> {
        let claims = serde_json::to_vec(claims).map_err(|error| StoreError::Backend(Box::new(error)))?;
        let claims = BASE64.encode(claims);
        let signature = self.tag(purpose, claims.as_bytes());
        Ok(format!("{claims}.{signature}"))
    }

    /// What a text claims that this host has signed for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        if text.len() > LONGEST {
            return None;
        }
        let (claims, signature) = text.split_once('.')?;
        // Nothing of it is looked at before it is known to be ours.
        if !self.is_tag(purpose, claims.as_bytes(), signature) {
            return None;
        }
        serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
    }

    /// The signature of some bytes.
    pub(super) fn tag(&self, purpose: Purpose, bytes: &[u8]) -> String {
        BASE64.encode(self.mac(purpose, bytes).finalize().into_bytes())
    }

    /// Whether that is their signature. It takes as long wherever it differs.
    pub(super) fn is_tag(&self, purpose: Purpose, bytes: &[u8], tag: &str) -> bool {
        BASE64.decode(tag).is_ok_and(|tag| self.mac(purpose, bytes).verify_slice(&tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer(key: &str, store: u8) -> Signer {
        Signer::new(&SecretsKey::parse(&key.repeat(64)).unwrap(), StoreId::from_bytes([store; 16])).unwrap()
    }

    fn open(signer: &Signer, purpose: Purpose, text: &str) -> Option<String> {
        signer.open(purpose, text)
    }

    #[test]
    fn a_signature_is_for_one_purpose_one_store_and_one_key() {
        let ours = signer("a", 1);
        let text = ours.sign(Purpose::Token, &"claims").unwrap();
        assert_eq!(open(&ours, Purpose::Token, &text).as_deref(), Some("claims"));
        assert_eq!(open(&ours, Purpose::Answer, &text), None);
        assert_eq!(open(&signer("a", 2), Purpose::Token, &text), None);
        assert_eq!(open(&signer("b", 1), Purpose::Token, &text), None);
        assert_eq!(open(&signer("a", 1), Purpose::Token, &text).as_deref(), Some("claims"), "after a restart");
        assert_eq!(ours.open::<u64>(Purpose::Token, &text), None, "other claims than were expected");
        let endless = format!("{}.{}", "a".repeat(LONGEST), ours.tag(Purpose::Token, "a".repeat(LONGEST).as_bytes()));
        assert_eq!(open(&ours, Purpose::Token, &endless), None);
    }

    proptest! {
        #[test]
        fn a_changed_text_is_not_ours(claims in "\\PC{0,40}", at in any::<prop::sample::Index>(), letter in "[-_.A-Za-z0-9=]") {
            let ours = signer("a", 1);
            let text = ours.sign(Purpose::Token, &claims).unwrap();
            prop_assert_eq!(open(&ours, Purpose::Token, &text), Some(claims));
            let at = at.index(text.len());
            let changed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            prop_assert!(changed == text || open(&ours, Purpose::Token, &changed).is_none());
        }

        #[test]
        fn any_text_is_refused(text in "\\PC{0,200}") {
            prop_assert_eq!(open(&signer("a", 1), Purpose::Token, &text), None);
        }
    }
}
