//! Browsers that are logged in.

use std::time::Duration;

use super::authenticate::{NOTED_EVERY_SECONDS, standing};
use super::credential::Secret;
use super::signed::Purpose;
use super::{Access, AccessError, Caller, Note, Outcome, Role, Scope, SessionId, Source, Via, Who};
use crate::clock::Timestamp;
use crate::ids::ApiKeyId;
use crate::secrets::SecretString;
use crate::store::{NewSession, SessionRow};

/// How long a session stays that nobody uses.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long one stays at most.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many there are at a time for one key, and for the owner. The oldest make room.
const MOST: u64 = 100;

/// A session that has just begun.
#[derive(Debug)]
pub struct MadeSession {
    /// What its cookie has. It is nowhere else.
    pub cookie: SecretString,
    /// Who logged in.
    pub caller: Caller,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
}

impl Access {
    /// Logs a browser in, with an API key that somebody typed.
    ///
    /// # Errors
    /// As [`Access::bearer`]. A token does not do: a session would outlive it.
    pub async fn log_in_with_key(&self, text: &str, source: Source) -> Result<MadeSession, AccessError> {
        let caller = self.by_api_key(text.trim()).await;
        let Caller { who, role, scope, .. } = self.tried(source, caller).await?;
        self.begin_session(who, role, scope, source).await
    }

    /// Logs a browser in, with the code of a log-in link.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`] when there is no such code, it has been used, or it has expired; [`AccessError::TooMany`].
    pub async fn log_in_with_code(&self, code: &str, source: Source) -> Result<MadeSession, AccessError> {
        let taken = self.take_login_code(code.trim()).await;
        self.tried(source, taken).await?;
        self.begin_session(Who::Owner, Role::Admin, Scope::ALL, source).await
    }

    async fn begin_session(&self, who: Who, role: Role, scope: Scope, source: Source) -> Result<MadeSession, AccessError> {
        let (secret, now) = (Secret::new(self.shared.ids.as_ref()), self.now());
        let ends_at = now.after(LONGEST);
        let api_key: Option<ApiKeyId> = who.key();
        let session = NewSession {
            hash: secret.hash(),
            api_key,
            source: source.text(),
            created_at: now,
            expires_at: now.after(IDLE).min(ends_at),
            ends_at,
        };
        let caller = Caller { who, role, scope, via: Via::Session(SessionId::of(secret.hash())) };
        // Each is written down: whoever has a key could fill the record with log-ins.
        self.admit(&caller)?;
        self.store().begin_session(session, MOST).await?;
        self.note(&caller, source, Note::of("auth.log-in", Outcome::Done)).await?;
        Ok(MadeSession { cookie: SecretString::from(secret.text().as_str()), caller, ends_at })
    }

    /// Who comes with this cookie. Failures are not counted: browsers come again and again with cookies whose sessions have ended.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`], or [`AccessError::Expired`].
    pub async fn session(&self, cookie: &str) -> Result<Caller, AccessError> {
        let secret = Secret::parse(cookie).ok_or(AccessError::Unauthenticated)?;
        let id = SessionId::of(secret.hash());
        let session = self.living_session(id).await?;
        let (who, role, scope) = match &session.api_key {
            Some(key) => standing(key)?,
            None => (Who::Owner, Role::Admin, Scope::ALL),
        };
        let now = self.now();
        if now.since(session.used_at).as_secs() >= NOTED_EVERY_SECONDS {
            let expires_at = now.after(IDLE).min(session.ends_at);
            if let Err(error) = self.store().note_session_use(id.hash(), now, expires_at).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the use of a session was not noted");
            }
        }
        Ok(Caller { who, role, scope, via: Via::Session(id) })
    }

    /// A session that has not ended.
    pub(super) async fn living_session(&self, id: SessionId) -> Result<SessionRow, AccessError> {
        let session = self.store().session(id.hash()).await?.ok_or(AccessError::Unauthenticated)?;
        if self.now() < session.expires_at.min(session.ends_at) {
            return Ok(session);
        }
        self.store().end_session(id.hash()).await?;
        Err(AccessError::Expired { what: "session" })
    }

    /// Ends the session with which a caller came, if they came with one. Whether they did.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn log_out(&self, caller: &Caller, source: Source) -> Result<bool, AccessError> {
        let Some(id) = caller.session() else { return Ok(false) };
        let ended = self.store().end_session(id.hash()).await?;
        self.note(caller, source, Note::of("auth.log-out", Outcome::Done)).await?;
        Ok(ended)
    }

    /// What a page shows with every request that changes something, so that no other page can make one. None for whoever came otherwise.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub async fn csrf_token(&self, caller: &Caller) -> Result<Option<String>, AccessError> {
        let Some(id) = caller.session() else { return Ok(None) };
        Ok(Some(self.signer().await?.tag(Purpose::Csrf, &id.hash())))
    }

    /// Checks that a request which changes something shows what the session's page knows. Whoever came with no cookie needs none: nothing is
    /// sent along by itself then.
    ///
    /// # Errors
    /// [`AccessError::Csrf`].
    pub async fn check_csrf(&self, caller: &Caller, shown: Option<&str>) -> Result<(), AccessError> {
        let Some(id) = caller.session() else { return Ok(()) };
        let signer = self.signer().await?;
        if shown.is_some_and(|shown| signer.is_tag(Purpose::Csrf, &id.hash(), shown)) { Ok(()) } else { Err(AccessError::Csrf) }
    }
}
