//! Whose components run here. Every way in which a component comes in leads through [`Engine::admit`], before anything of it runs.
//!
//! The store keeps the texts of signatures that were good when the component came in, and no verdicts: each process verifies them anew with the
//! keys that are trusted now, so that a key which is trusted no longer takes its signatures with it.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::{Engine, EngineError};
use crate::ids::ComponentDigest;
use crate::mutex::lock;
use crate::signing::{ComponentSignature, KeyId, SignaturePolicy, Trust, Verdict};

/// Signatures of one component that are remembered.
const MOST: usize = 16;

/// Whose components run, and what is known of signatures in this process.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    trust: Trust,
    /// Texts that came with components, which nobody has verified yet.
    offered: Mutex<HashMap<ComponentDigest, Vec<String>>>,
    /// What may run.
    admitted: Mutex<HashSet<ComponentDigest>>,
}

impl Signatures {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, ..Self::default() }
    }
}

/// A signature that the store keeps with a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSignature {
    /// With which key it was made.
    pub key: KeyId,
    /// What was signed with it.
    pub trusted_comment: String,
    /// Whether the key is trusted now.
    pub trusted: bool,
}

impl Engine {
    /// Notes a signature that came with a component. Whether it is worth anything is seen when the component is to run.
    pub fn offer_signature(&self, component: &[u8], text: String) {
        let mut offered = lock(&self.signatures.offered);
        note(offered.entry(ComponentDigest::of(component)).or_default(), text);
    }

    /// What a component's signatures are worth here: those that came with it, and those that the store keeps.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn judge_signatures(&self, component: &[u8]) -> Result<Verdict, EngineError> {
        let digest = ComponentDigest::of(component);
        let mut texts = lock(&self.signatures.offered).get(&digest).cloned().unwrap_or_default();
        for stored in self.store.signatures(digest).await? {
            if !texts.contains(&stored) {
                texts.push(stored);
            }
        }
        Ok(self.signatures.trust.judge(component, texts.iter().map(String::as_str)))
    }

    /// Checks that a component may run here. What is to be said of it, if anything, is returned.
    ///
    /// # Errors
    /// When nobody whom this host trusts has signed it, and somebody must have.
    pub async fn admit(&self, component: &[u8]) -> Result<Option<String>, EngineError> {
        if self.signatures.trust.policy == SignaturePolicy::Off {
            return Ok(None);
        }
        let digest = ComponentDigest::of(component);
        if self.is_admitted(digest) {
            return Ok(None);
        }
        let verdict = self.judge_signatures(component).await?;
        self.signatures.trust.admit(digest, &verdict)?;
        lock(&self.signatures.admitted).insert(digest);
        let warning = self.signatures.trust.warning(digest, &verdict);
        if let Some(warning) = &warning {
            tracing::warn!(component = %digest, "{warning}");
        }
        Ok(warning)
    }

    /// Whether a component was found to be one that may run here, in this process.
    pub(super) fn is_admitted(&self, digest: ComponentDigest) -> bool {
        self.signatures.trust.policy == SignaturePolicy::Off || lock(&self.signatures.admitted).contains(&digest)
    }

    /// Keeps a component in the store, with the signatures of it that are good: later it is run by its digest, and there is no file beside it.
    ///
    /// # Errors
    /// When the store cannot keep it.
    pub async fn keep_component(&self, component: &[u8]) -> Result<ComponentDigest, EngineError> {
        let digest = self.store.put_component(component).await?;
        let offered = lock(&self.signatures.offered).get(&digest).cloned().unwrap_or_default();
        for text in offered {
            let verdict = self.signatures.trust.judge(component, [text.as_str()]);
            // Others would only take room: nobody here can say whether they are good.
            if let Some(signer) = verdict.signers.first() {
                self.store.put_signature(digest, &signer.key.to_string(), &text).await?;
            }
        }
        Ok(digest)
    }

    /// The signatures that the store keeps with a component, which were good when it came in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stored_signatures(&self, digest: ComponentDigest) -> Result<Vec<StoredSignature>, EngineError> {
        let texts = self.store.signatures(digest).await?;
        let read = texts.iter().filter_map(|text| text.parse::<ComponentSignature>().ok());
        let view = |signature: ComponentSignature| StoredSignature {
            key: signature.key(),
            trusted_comment: signature.trusted_comment().to_owned(),
            trusted: self.signatures.trust.keys.iter().any(|key| key.id() == signature.key()),
        };
        Ok(read.map(view).collect())
    }
}

/// Adds the text of a signature. The newest ones stay: whoever brings many that are worth nothing must not keep a good one out.
fn note(texts: &mut Vec<String>, text: String) {
    texts.retain(|known| *known != text);
    if texts.len() >= MOST {
        texts.remove(0);
    }
    texts.push(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_were_offered_the_next_one_counts() {
        let mut texts = Vec::new();
        for number in 0..3 * MOST {
            note(&mut texts, format!("bad {number}"));
        }
        note(&mut texts, "good".into());
        assert_eq!((texts.len(), texts.last().map(String::as_str)), (MOST, Some("good")));
        let oldest = texts[0].clone();
        note(&mut texts, oldest.clone());
        assert_eq!((texts.len(), texts.last()), (MOST, Some(&oldest)), "once each");
    }
}
