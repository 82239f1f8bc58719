//! Short-lived tokens, made with another credential, for what should not have that one: a script, a shell's history, a link in a terminal.
//!
//! A token is signed, and not stored. It ends with what it was made with, and is never worth more than that is at the moment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::authenticate::{TOKEN, standing};
use super::signed::Purpose;
use super::{Access, AccessError, Caller, Credential, Invalid, Needs, Role, Scope, Via, Who};
use crate::clock::Timestamp;
use crate::secrets::SecretString;

/// How long a token counts if nobody says, in seconds.
const DEFAULT_SECONDS: u64 = 60 * 60;
/// How long one may count at most.
const LONGEST_SECONDS: u64 = 24 * 60 * 60;

/// What a token is to be.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// How long it counts, in seconds; an hour if absent, and a day at most.
    pub seconds: Option<u64>,
    /// What it allows; as much as the caller may if absent.
    pub role: Option<Role>,
    /// For which flows; as many as the caller has if absent.
    pub scope: Option<Scope>,
}

/// A token that was just made.
#[derive(Debug)]
pub struct MadeToken {
    /// Its text.
    pub token: SecretString,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it allows.
    pub role: Role,
    /// For which flows.
    pub scope: Scope,
}

/// What a token says of itself. Whoever has one can read this.
#[derive(Serialize, Deserialize)]
struct Claims {
    of: Credential,
    role: Role,
    flows: Scope,
    expires_at: Timestamp,
}

impl Access {
    /// Makes a token for a caller.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for whoever came with a link; [`AccessError::Invalid`] when it would allow more than the caller may.
    pub async fn make_token(&self, caller: &Caller, request: TokenRequest) -> Result<MadeToken, AccessError> {
        let of = caller.credential().ok_or(AccessError::Forbidden { needs: Needs::MoreThanALink })?;
        let role = request.role.unwrap_or(caller.role);
        if !caller.role.may(role) {
            return Err(Invalid::MoreThanIts(format!("its role is {}", caller.role)).into());
        }
        let scope = request.scope.unwrap_or_else(|| caller.scope.clone());
        if !caller.scope.includes(&scope) {
            return Err(Invalid::MoreThanIts(format!("it is for {}", caller.scope)).into());
        }
        let seconds = request.seconds.unwrap_or(DEFAULT_SECONDS);
        if !(1..=LONGEST_SECONDS).contains(&seconds) {
            return Err(Invalid::Span { what: "the seconds of a token", least: 1, most: LONGEST_SECONDS }.into());
        }
        let mut expires_at = self.now().after(Duration::from_secs(seconds));
        if let Via::Token { expires_at: until, .. } = caller.via {
            // Nobody goes on for ever by making tokens with tokens.
            expires_at = expires_at.min(until);
        }
        let claims = Claims { of, role, flows: scope.clone(), expires_at };
        let text = self.signer().await?.sign(Purpose::Token, &claims)?;
        Ok(MadeToken { token: SecretString::from(format!("{TOKEN}{text}")), expires_at, role, scope })
    }

    /// Who comes with a token, whose text this is after its beginning.
    pub(super) async fn by_token(&self, text: &str) -> Result<Caller, AccessError> {
        let claims: Option<Claims> = self.signer().await?.open(Purpose::Token, text);
        let Claims { of, role, flows, expires_at } = claims.ok_or(AccessError::Unauthenticated)?;
        if self.now() >= expires_at {
            return Err(AccessError::Expired { what: "token" });
        }
        let (who, most, widest) = self.standing_of(of).await?;
        let via = Via::Token { of, expires_at };
        Ok(Caller { who, role: role.min(most), scope: flows.within(&widest), via })
    }

    /// What a credential is worth now.
    async fn standing_of(&self, credential: Credential) -> Result<(Who, Role, Scope), AccessError> {
        match credential {
            Credential::Owner => Ok((Who::Owner, Role::Admin, Scope::ALL)),
            Credential::ApiKey(id) => {
                let key = self.store().api_key(id).await?.ok_or(AccessError::Unauthenticated)?;
                standing(&key)
            }
            Credential::Session(id) => {
                let session = self.living_session(id).await?;
                session.api_key.as_ref().map_or(Ok((Who::Owner, Role::Admin, Scope::ALL)), standing)
            }
        }
    }
}
