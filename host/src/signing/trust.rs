//! Whom this host trusts, and what it makes of a component's signatures.

use super::{ComponentSignature, KeyId, SignaturePolicy, TrustedKey};
use crate::ids::ComponentDigest;

/// Whom this host trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// What becomes of components that none of them has signed.
    pub policy: SignaturePolicy,
    /// Their keys.
    pub keys: Vec<TrustedKey>,
}

/// Somebody trusted who has signed a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// With which key.
    pub key: KeyId,
    /// What was signed with it: minisign writes the time and the file's name.
    pub trusted_comment: String,
}

/// What a component's signatures are worth here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Trusted keys with which it was signed.
    pub signers: Vec<Signer>,
    /// Keys that are not trusted here. Whether those signatures are good is not looked at: anybody can make one.
    pub unknown: Vec<KeyId>,
    /// What is wrong with signatures that are none, or are of something else.
    pub bad: Vec<String>,
}

/// A component that this host does not run, because nobody whom it trusts has signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It has no signature.
    #[error("the component {0} is not signed, and this host runs only what a trusted key has signed")]
    Unsigned(ComponentDigest),
    /// All its signatures are of keys that are not trusted.
    #[error("the component {digest} is signed by {}, which this host does not trust", listed(.keys))]
    UnknownKey {
        /// Which.
        digest: ComponentDigest,
        /// The keys.
        keys: Vec<KeyId>,
    },
    /// What is there is no signature of this component.
    #[error("the component {digest} has a signature that is bad: {problem}")]
    Bad {
        /// Which.
        digest: ComponentDigest,
        /// What is wrong.
        problem: String,
    },
}

fn listed(keys: &[KeyId]) -> String {
    keys.iter().map(|key| format!("the key {key}")).collect::<Vec<_>>().join(" and ")
}

impl Untrusted {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Unsigned(_) => {
                "sign it: kitaru-host sign <component> --key <secret key>; the signature lies beside the file, as \
                                  `<component>.minisig`"
                    .into()
            }
            Self::UnknownKey { .. } => {
                "if you trust whoever has the key, add its public key to `[security] trusted_keys` in kitaru.toml".into()
            }
            Self::Bad { .. } => {
                "the file or its signature was changed since it was signed: get both again, or sign it again".into()
            }
        }
    }
}

impl Trust {
    /// Verifies signatures of a component.
    pub fn judge<'a>(&self, component: &[u8], signatures: impl IntoIterator<Item = &'a str>) -> Verdict {
        let mut verdict = Verdict::default();
        for text in signatures {
            let signature = match text.parse::<ComponentSignature>() {
                Ok(signature) => signature,
                Err(error) => {
                    verdict.bad.push(error.to_string());
                    continue;
                }
            };
            let mut known = self.keys.iter().filter(|key| key.id() == signature.key()).peekable();
            if known.peek().is_none() {
                verdict.unknown.push(signature.key());
            // Several keys may be called the same: only the signature tells.
            } else if known.any(|key| is_by(key, component, &signature)) {
                let trusted_comment = signature.trusted_comment().to_owned();
                verdict.signers.push(Signer { key: signature.key(), trusted_comment });
            } else {
                verdict.bad.push(format!("it is not the signature of this component by the key {}", signature.key()));
            }
        }
        verdict.signers.dedup();
        verdict
    }

    /// Whether a component may run.
    ///
    /// # Errors
    /// When only what a trusted key has signed may run, and this was not.
    pub fn admit(&self, digest: ComponentDigest, verdict: &Verdict) -> Result<(), Untrusted> {
        match self.policy {
            SignaturePolicy::Off | SignaturePolicy::Warn => Ok(()),
            SignaturePolicy::Require => verdict.check(digest),
        }
    }

    /// What is to be said of a component that runs although nobody trusted has signed it.
    pub fn warning(&self, digest: ComponentDigest, verdict: &Verdict) -> Option<String> {
        match self.policy {
            SignaturePolicy::Warn => verdict.check(digest).err().map(|untrusted| untrusted.to_string()),
            SignaturePolicy::Off | SignaturePolicy::Require => None,
        }
    }
}

impl Verdict {
    /// One good signature is enough: whoever can add a bad one must not be able to stop a good component.
    fn check(&self, digest: ComponentDigest) -> Result<(), Untrusted> {
        match (self.signers.is_empty(), self.bad.first(), self.unknown.is_empty()) {
            (false, ..) => Ok(()),
            (_, Some(problem), _) => Err(Untrusted::Bad { digest, problem: problem.clone() }),
            (_, None, false) => Err(Untrusted::UnknownKey { digest, keys: self.unknown.clone() }),
            (_, None, true) => Err(Untrusted::Unsigned(digest)),
        }
    }

    /// `signed`, `bad`, `unknown_key` or `unsigned`.
    pub fn word(&self) -> &'static str {
        match self.check(ComponentDigest::from_bytes([0; 32])) {
            Ok(()) => "signed",
            Err(Untrusted::Bad { .. }) => "bad",
            Err(Untrusted::UnknownKey { .. }) => "unknown_key",
            Err(Untrusted::Unsigned(_)) => "unsigned",
        }
    }
}

fn is_by(key: &TrustedKey, component: &[u8], signature: &ComponentSignature) -> bool {
    // Signatures over the file itself are as good as those over its hash; old versions of minisign make them.
    key.key.verify(component, &signature.decoded, true).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{generate, sign};

    const COMPONENT: &[u8] = b"\0asm a component";

    /// A key pair, and a signature of [`COMPONENT`] with it.
    fn signed(comment: &str) -> (TrustedKey, String) {
        let files = generate(None).unwrap();
        (files.trusted.clone(), sign(COMPONENT, &files.secret, None, comment).unwrap())
    }

    fn require(keys: &[&TrustedKey]) -> Trust {
        Trust { policy: SignaturePolicy::Require, keys: keys.iter().copied().cloned().collect() }
    }

    fn refusal(trust: &Trust, component: &[u8], signatures: &[&str]) -> Option<Untrusted> {
        trust.admit(ComponentDigest::of(component), &trust.judge(component, signatures.iter().copied())).err()
    }

    #[test]
    fn only_what_a_trusted_key_has_signed_may_run() {
        let ((key, good), (other, others)) = (signed("time:1"), signed("x"));
        let trust = require(&[&key]);
        let verdict = trust.judge(COMPONENT, [good.as_str()]);
        assert_eq!(verdict.signers, [Signer { key: key.id(), trusted_comment: "time:1".into() }]);
        assert_eq!((refusal(&trust, COMPONENT, &[&good]), verdict.word()), (None, "signed"));

        assert!(matches!(refusal(&trust, COMPONENT, &[]), Some(Untrusted::Unsigned(_))));
        assert!(matches!(refusal(&trust, b"\0asm another", &[&good]), Some(Untrusted::Bad { .. })));
        assert!(matches!(refusal(&trust, COMPONENT, &["nonsense"]), Some(Untrusted::Bad { .. })));
        let unknown = refusal(&trust, COMPONENT, &[&others]);
        assert!(matches!(&unknown, Some(Untrusted::UnknownKey { keys, .. }) if *keys == [other.id()]), "{unknown:?}");
        // What others add does no harm, and does not help.
        assert_eq!(refusal(&trust, COMPONENT, &["nonsense", &others, &good]), None);
        assert!(refusal(&trust, COMPONENT, &["nonsense", &others]).is_some());
        // A key that is trusted no longer.
        assert!(refusal(&require(&[&other]), COMPONENT, &[&good]).is_some());
        assert!(refusal(&require(&[]), COMPONENT, &[&good]).is_some());
    }

    #[test]
    fn a_signature_that_was_changed_anywhere_is_bad() {
        let (key, good) = signed("a comment");
        let trust = require(&[&key]);
        let lines: Vec<&str> = good.lines().collect();
        let changed = |line: usize, from: &str, to: &str| {
            let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            lines[line] = lines[line].replace(from, to);
            lines.join("\n")
        };
        assert!(
            refusal(&trust, COMPONENT, &[&changed(2, "a comment", "another")]).is_some(),
            "the trusted comment is signed too"
        );
        assert!(refusal(&trust, COMPONENT, &[&changed(0, "untrusted", "whatever")]).is_none(), "the other one is not");
        for line in [1, 3] {
            let at = lines[line].len() / 2;
            let (one, other) = (&lines[line][at..=at], if &lines[line][at..=at] == "A" { "B" } else { "A" });
            let mut text = lines[line].to_owned();
            text.replace_range(at..=at, other);
            assert!(refusal(&trust, COMPONENT, &[&changed(line, lines[line], &text)]).is_some(), "line {line}: {one} is {other}");
        }
        for cut in 0..3 {
            assert!(refusal(&trust, COMPONENT, &[&lines[..=cut].join("\n")]).is_some());
        }
        assert!(refusal(&trust, COMPONENT, &[&format!("{good}{}", "x".repeat(crate::signing::LONGEST))]).is_some());
    }

    #[test]
    fn a_policy_that_does_not_require_refuses_nothing() {
        let digest = ComponentDigest::of(COMPONENT);
        let of = |policy| Trust { policy, keys: Vec::new() };
        let verdict = of(SignaturePolicy::Warn).judge(COMPONENT, []);
        assert!(of(SignaturePolicy::Warn).warning(digest, &verdict).is_some_and(|text| text.contains("not signed")));
        assert_eq!(of(SignaturePolicy::Off).warning(digest, &verdict), None);
        for policy in [SignaturePolicy::Off, SignaturePolicy::Warn] {
            assert_eq!(of(policy).admit(digest, &verdict), Ok(()));
        }
    }
}
