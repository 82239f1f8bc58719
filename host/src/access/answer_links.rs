//! Links that answer one question, for whoever has them: in a mail, in a chat. Each works once, and only while who made it may answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::authenticate::standing;
use super::signed::Purpose;
use super::{Access, AccessError, Caller, Invalid, LinkProblem, Needs, Role, Scope, Via, Who};
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, CallId, ExecutionId};
use crate::secrets::SecretString;
use crate::store::{SecretHash, StoreError, WaitRow};

/// How long a link works if nobody says, in seconds.
const DEFAULT_SECONDS: u64 = 24 * 60 * 60;
/// How long one may work at most.
const LONGEST_SECONDS: u64 = 30 * 24 * 60 * 60;

/// A link that was just made.
#[derive(Debug)]
pub struct MadeLink {
    /// Its last part, after `/answer/`.
    pub token: SecretString,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A link that somebody came with, and that can be used now.
#[derive(Clone, Debug)]
pub struct AnswerLink {
    /// Which question it answers.
    pub wait: CallId,
    /// Of which flow.
    pub flow: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whoever comes with it: in the name of who made it, for this question and nothing else.
    pub caller: Caller,
    used: SecretHash,
}

/// What a link says of itself. Whoever has one can read this.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// The key with which it was made; none where the owner did.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    execution: ExecutionId,
    call: u32,
    /// Which question: a call that runs again asks another.
    asked_at: Timestamp,
    expires_at: Timestamp,
    /// Another in each link, so that each works once.
    nonce: String,
}

impl Access {
    /// Makes a link that answers a question, in the name of a caller. It outlives the session in which it was made, but not the key.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for whoever came with a link; [`AccessError::Link`] when the question is settled; [`AccessError::Invalid`].
    pub async fn make_answer_link(&self, caller: &Caller, wait: &WaitRow, seconds: Option<u64>) -> Result<MadeLink, AccessError> {
        if caller.credential().is_none() {
            return Err(AccessError::Forbidden { needs: Needs::MoreThanALink });
        }
        if wait.resolution.is_some() {
            return Err(LinkProblem::Settled.into());
        }
        let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
        if !(1..=LONGEST_SECONDS).contains(&seconds) {
            return Err(Invalid::Span { what: "the seconds of a link", least: 1, most: LONGEST_SECONDS }.into());
        }
        let expires_at = self.now().after(Duration::from_secs(seconds));
        let [a, b, c, d, e, f, g, h, ..] = self.shared.ids.credential();
        let claims = Claims {
            by: caller.who.key().map(|key| key.to_string()),
            execution: wait.id.execution,
            call: wait.id.index,
            asked_at: wait.entered_at,
            expires_at,
            nonce: ApiKeyId::from_bytes([a, b, c, d, e, f, g, h]).to_string(),
        };
        let token = self.signer().await?.sign(Purpose::Answer, &claims)?;
        Ok(MadeLink { token: SecretString::from(token), expires_at })
    }

    /// What a link is good for now. It is not used by that: see [`Access::use_link`].
    ///
    /// # Errors
    /// [`AccessError::Link`].
    pub async fn answer_link(&self, token: &str) -> Result<AnswerLink, AccessError> {
        let claims: Option<Claims> = self.signer().await?.open(Purpose::Answer, token);
        let claims = claims.ok_or(LinkProblem::NotValid)?;
        if self.now() >= claims.expires_at {
            return Err(LinkProblem::Expired.into());
        }
        let used: SecretHash = Sha256::digest(token.as_bytes()).into();
        if self.store().is_spent(used).await? {
            return Err(LinkProblem::Used.into());
        }
        let wait = CallId { execution: claims.execution, index: claims.call };
        let flow = self.open_question(wait, claims.asked_at).await?;
        let (who, scope) = self.maker(claims.by.as_deref()).await?;
        if !scope.covers(&flow) {
            return Err(LinkProblem::NotValid.into());
        }
        let caller = Caller { who, role: Role::Operator, scope, via: Via::AnswerLink(wait) };
        Ok(AnswerLink { wait, flow, expires_at: claims.expires_at, caller, used })
    }

    /// The flow of a question that is still open, and still the one that was asked then.
    async fn open_question(&self, wait: CallId, asked_at: Timestamp) -> Result<String, AccessError> {
        let gone = |error| match error {
            StoreError::NotFound { .. } => AccessError::Link(LinkProblem::Settled),
            error => error.into(),
        };
        let row = self.store().wait(wait).await.map_err(gone)?;
        if row.resolution.is_some() || row.entered_at != asked_at {
            return Err(LinkProblem::Settled.into());
        }
        Ok(self.store().execution(wait.execution).await.map_err(gone)?.new.flow)
    }

    /// Whoever made a link, as far as they may answer now.
    async fn maker(&self, by: Option<&str>) -> Result<(Who, Scope), AccessError> {
        let Some(key) = by else { return Ok((Who::Owner, Scope::ALL)) };
        let not_valid = AccessError::Link(LinkProblem::NotValid);
        let Ok(key) = key.parse() else { return Err(not_valid) };
        let Some(row) = self.store().api_key(key).await? else { return Err(not_valid) };
        match standing(&row) {
            Ok((who, role, scope)) if role.may(Role::Operator) => Ok((who, scope)),
            Ok(_) | Err(AccessError::Unauthenticated) => Err(not_valid),
            Err(error) => Err(error),
        }
    }

    /// Uses a link up, before the answer is given. If that is refused, [`Access::give_link_back`].
    ///
    /// # Errors
    /// [`AccessError::Link`] when somebody else was faster.
    pub async fn use_link(&self, link: &AnswerLink) -> Result<(), AccessError> {
        let first = self.store().spend(link.used, self.now(), link.expires_at).await?;
        if first { Ok(()) } else { Err(LinkProblem::Used.into()) }
    }

    /// Lets a link be used again whose answer was refused: it did not fit, or could not be written.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn give_link_back(&self, link: &AnswerLink) -> Result<(), AccessError> {
        Ok(self.store().unspend(link.used).await?)
    }
}
