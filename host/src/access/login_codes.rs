//! Codes of log-in links: for the owner of the data folder, who is in front of it. Each works once.

use std::time::Duration;

use super::credential::Secret;
use super::{Access, AccessError};
use crate::clock::Timestamp;
use crate::secrets::SecretString;

/// How long a code counts.
const COUNTS_FOR: Duration = Duration::from_secs(10 * 60);

/// A code that was just made.
#[derive(Debug)]
pub struct MadeLoginCode {
    /// Its text. Whoever comes with it first is logged in as the owner.
    pub code: SecretString,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Access {
    /// Makes the code of a log-in link. Only for whoever has the data folder: nothing that comes over the network may call it.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn make_login_code(&self) -> Result<MadeLoginCode, AccessError> {
        let (secret, now) = (Secret::new(self.shared.ids.as_ref()), self.now());
        let expires_at = now.after(COUNTS_FOR);
        self.store().put_login_code(secret.hash(), now, expires_at).await?;
        Ok(MadeLoginCode { code: SecretString::from(secret.text().as_str()), expires_at })
    }

    /// Uses a code up.
    pub(super) async fn take_login_code(&self, text: &str) -> Result<(), AccessError> {
        let secret = Secret::parse(text).ok_or(AccessError::Unauthenticated)?;
        let taken = self.store().take_login_code(secret.hash(), self.now()).await?;
        if taken { Ok(()) } else { Err(AccessError::Unauthenticated) }
    }
}
