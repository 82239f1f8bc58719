//! One signature of a component, as it lies beside it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::KeyId;

/// The longest text that is looked at, in bytes. A signature has some 300, and its trusted comment may be longer.
pub const LONGEST: usize = 16 * 1024;

/// A text that is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no signature of minisign: {0}")]
pub struct NotASignature(String);

/// A signature, which nobody has verified yet.
#[derive(Clone)]
pub struct ComponentSignature {
    text: String,
    key: KeyId,
    pub(super) decoded: minisign_verify::Signature,
}

impl ComponentSignature {
    /// Whose it says that it is.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What its maker noted in it. It is worth something once the signature is verified: then it was signed too.
    pub fn trusted_comment(&self) -> &str {
        self.decoded.trusted_comment()
    }

    /// As it lies in its file.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for ComponentSignature {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST {
            return Err(NotASignature(format!("it is longer than {LONGEST} bytes")));
        }
        let decoded = minisign_verify::Signature::decode(text).map_err(|error| NotASignature(error.to_string()))?;
        let key = text.lines().nth(1).and_then(KeyId::of_packed);
        let key = key.ok_or_else(|| NotASignature("its second line does not say whose it is".into()))?;
        Ok(Self { text: text.to_owned(), key, decoded })
    }
}

impl fmt::Debug for ComponentSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentSignature").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Where the signature of a component file lies: `flow.wasm.minisig` beside `flow.wasm`.
pub fn path_beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}
