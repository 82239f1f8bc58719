//! Who calls, and what they may.

use super::{AccessError, Credential, Needs, Role, Scope, SessionId};
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId, CallId};

/// Who calls a verb, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub who: Who,
    /// What they may do.
    pub role: Role,
    /// To which flows.
    pub scope: Scope,
    /// How they showed who they are.
    pub via: Via,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever owns the data folder.
    Owner,
    /// A service account.
    Account {
        /// Its identifier.
        id: AccountId,
        /// Its name.
        name: String,
        /// The key on which all rests that it came with.
        key: ApiKeyId,
    },
}

impl Who {
    /// The word of the owner, which no account is named.
    pub const OWNER: &'static str = "owner";

    /// The name, for people and for the record.
    pub fn name(&self) -> &str {
        match self {
            Self::Owner => Self::OWNER,
            Self::Account { name, .. } => name,
        }
    }

    /// The key on which all rests; none for the owner.
    pub fn key(&self) -> Option<ApiKeyId> {
        match self {
            Self::Owner => None,
            Self::Account { key, .. } => Some(*key),
        }
    }
}

/// How a caller showed who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// By using the data folder itself.
    DataFolder,
    /// With an API key.
    ApiKey(ApiKeyId),
    /// With a token.
    Token {
        /// What it was made with, and ends with.
        of: Credential,
        /// When it ends by itself.
        expires_at: Timestamp,
    },
    /// With the cookie of a browser that is logged in.
    Session(SessionId),
    /// With a link that answers this question, and does nothing else.
    AnswerLink(CallId),
}

impl Via {
    /// Its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::DataFolder => "data-folder",
            Self::ApiKey(_) => "api-key",
            Self::Token { .. } => "token",
            Self::Session(_) => "session",
            Self::AnswerLink(_) => "answer-link",
        }
    }
}

impl Caller {
    /// Whoever owns the data folder and uses it on this machine.
    pub fn owner() -> Self {
        Self { who: Who::Owner, role: Role::Admin, scope: Scope::ALL, via: Via::DataFolder }
    }

    /// Whether the caller may do what needs this role. Whoever has no more than a link may nothing that a role allows.
    pub fn may(&self, needed: Role) -> bool {
        self.require(needed).is_ok()
    }

    /// The same, with what it would take.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub fn require(&self, needed: Role) -> Result<(), AccessError> {
        let needs = match &self.via {
            Via::AnswerLink(_) => Needs::MoreThanALink,
            _ if self.role.may(needed) => return Ok(()),
            _ => Needs::Role { needed, has: self.role },
        };
        Err(AccessError::Forbidden { needs })
    }

    /// Checks that the caller may do something with this flow.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub fn require_flow(&self, flow: &str) -> Result<(), AccessError> {
        if self.scope.covers(flow) {
            return Ok(());
        }
        Err(AccessError::Forbidden { needs: Needs::Flow(flow.chars().take(100).collect()) })
    }

    /// Checks that the caller may do what belongs to no flow, or to all.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub fn require_all_flows(&self) -> Result<(), AccessError> {
        if self.scope.is_all() { Ok(()) } else { Err(AccessError::Forbidden { needs: Needs::AllFlows }) }
    }

    /// Whether the caller came with a link that answers this question. It allows that, whatever [`Caller::may`] says.
    pub fn has_link_for(&self, wait: CallId) -> bool {
        self.via == Via::AnswerLink(wait)
    }

    /// What something rests on that is made for the caller now.
    pub(super) fn credential(&self) -> Option<Credential> {
        match &self.via {
            Via::DataFolder => Some(Credential::Owner),
            Via::ApiKey(id) => Some(Credential::ApiKey(*id)),
            Via::Token { of, .. } => Some(*of),
            Via::Session(id) => Some(Credential::Session(*id)),
            Via::AnswerLink(_) => None,
        }
    }

    /// As whom what they take is counted: all that rests on one key counts together.
    pub fn counted_as(&self) -> String {
        match (&self.via, &self.who) {
            (Via::AnswerLink(wait), _) => format!("link {wait}"),
            (_, Who::Owner) => Who::OWNER.to_owned(),
            (_, Who::Account { key, .. }) => format!("key {key}"),
        }
    }

    /// The session, for whoever came with its cookie.
    pub fn session(&self) -> Option<SessionId> {
        match self.via {
            Via::Session(id) => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    fn caller(role: Role, scope: Scope) -> Caller {
        Caller { role, scope, via: Via::ApiKey(ApiKeyId::from_bytes([1; 8])), ..Caller::owner() }
    }

    #[test]
    fn roles_and_scopes_are_asked_for_each() {
        let operator = caller(Role::Operator, Scope::of(["team-*"]).unwrap());
        assert!(operator.may(Role::Viewer) && operator.may(Role::Operator) && !operator.may(Role::Author));
        let refused = operator.require(Role::Admin).unwrap_err();
        assert_eq!(refused.to_string(), "this needs the role `admin`, and the caller has `operator`");
        assert!(refused.hint().unwrap().contains("--role admin"));
        assert!(operator.require_flow("team-a").is_ok() && operator.require_flow("other").is_err());
        assert!(operator.require_all_flows().is_err() && Caller::owner().require_all_flows().is_ok());
        assert!(Role::ALL.into_iter().all(|role| Caller::owner().may(role)));
    }

    #[test]
    fn a_link_answers_its_question_and_does_nothing_else() {
        let execution = SystemIds.execution();
        let wait = CallId { execution, index: 3 };
        let link = Caller { via: Via::AnswerLink(wait), ..Caller::owner() };
        assert!(link.has_link_for(wait) && !link.has_link_for(CallId { execution, index: 4 }));
        assert!(!Role::ALL.into_iter().any(|role| link.may(role)));
        assert_eq!(link.credential(), None);
        assert!(!Caller::owner().has_link_for(wait));
    }
}
