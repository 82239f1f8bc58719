//! From what somebody brings along to who they are.

use super::credential::{ApiKeyText, same};
use super::{Access, AccessError, Caller, Role, Scope, Source, Via, Who};
use crate::clock::Timestamp;
use crate::mutex::lock;
use crate::store::{ApiKeyRow, SecretHash, StoreError};

/// How the text of a token begins.
pub(super) const TOKEN: &str = "kt_";
/// The hash of nothing that anybody could bring along: compared with, where there is no key, so that the same work is done.
const NOBODY: SecretHash = [0; 32];
/// A use is noted again after so many seconds.
pub(super) const NOTED_EVERY_SECONDS: u64 = 60;

impl Access {
    /// Who comes with this API key or token.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`], [`AccessError::Expired`], or [`AccessError::TooMany`] where it is wrong and the source has guessed too often.
    pub async fn bearer(&self, text: &str, source: Source) -> Result<Caller, AccessError> {
        let outcome = match text.strip_prefix(TOKEN) {
            Some(token) => self.by_token(token).await,
            None => self.by_api_key(text).await,
        };
        self.tried(source, outcome).await
    }

    /// Counts how a try went. What was right is let in whatever failed there before; what was good once is no guess.
    pub(super) async fn tried<T>(&self, source: Source, outcome: Result<T, AccessError>) -> Result<T, AccessError> {
        if let Err(AccessError::Unauthenticated) = &outcome {
            let counted = lock(&self.shared.throttle).failed(source, self.now());
            counted.map_err(|retry_after| AccessError::TooMany { what: "failed log-ins", retry_after })?;
            self.note_refused_log_in(source).await;
        }
        outcome
    }

    /// Who comes with this API key.
    pub(super) async fn by_api_key(&self, text: &str) -> Result<Caller, AccessError> {
        let Some(ApiKeyText { id, secret }) = ApiKeyText::parse(text) else { return Err(AccessError::Unauthenticated) };
        let (row, now) = (self.store().api_key(id).await?, self.now());
        let is_right = has_secret(row.as_ref(), &secret.hash(), now);
        let key = row.filter(|_| is_right).ok_or(AccessError::Unauthenticated)?;
        let (who, role, scope) = standing(&key)?;
        if key.used_at.is_none_or(|at| now.since(at).as_secs() >= NOTED_EVERY_SECONDS) {
            let noted = self.store().note_api_key_use(key.id, now).await;
            if let Err(error) = noted {
                // Whoever comes with a good key need not care.
                tracing::warn!(error = &error as &dyn std::error::Error, "the use of an API key was not noted");
            }
        }
        Ok(Caller { who, role, scope, via: Via::ApiKey(key.id) })
    }
}

/// Whether a key has this secret now. Does the same whatever is there.
fn has_secret(key: Option<&ApiKeyRow>, offered: &SecretHash, now: Timestamp) -> bool {
    let hash = key.map_or(&NOBODY, |key| &key.hash);
    let retained = key.and_then(|key| key.retained.as_ref());
    let is_present = same(hash, offered);
    let is_retained = same(retained.map_or(&NOBODY, |retained| &retained.hash), offered);
    let counts = retained.is_some_and(|retained| now < retained.until);
    key.is_some() & (is_present | (is_retained & counts))
}

/// What a key and its account are allowed now.
///
/// # Errors
/// [`AccessError::Unauthenticated`] when one of them does not count.
pub(super) fn standing(key: &ApiKeyRow) -> Result<(Who, Role, Scope), AccessError> {
    if !key.active || !key.account.active {
        return Err(AccessError::Unauthenticated);
    }
    let who = Who::Account { id: key.account.id, name: key.account.name.clone(), key: key.id };
    Ok((who, role_of(&key.account.role)?, Scope::from(key.account.flows.clone())))
}

/// A role as it is stored.
pub(super) fn role_of(word: &str) -> Result<Role, AccessError> {
    word.parse().map_err(|error| {
        AccessError::Store(StoreError::Damaged { what: "the role of a service account".into(), source: Some(Box::new(error)) })
    })
}
