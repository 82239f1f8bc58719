//! Accounts, keys, tokens, links and the audit, as surfaces show them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::access::{Account, ApiKey, Caller, MadeApiKey, MadeToken, Role, Via, Who};
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::store::AuditRow;

/// A text that whoever asked for it gets to see once. Only writing it out shows it.
#[derive(Clone)]
pub struct ShownOnce(SecretString);

impl ShownOnce {
    /// The text.
    pub fn text(&self) -> &SecretString {
        &self.0
    }
}

impl From<SecretString> for ShownOnce {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce([REDACTED])")
    }
}

impl Serialize for ShownOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for ShownOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

impl JsonSchema for ShownOnce {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Who calls, and what they may.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmIView {
    /// The name of the service account, or `owner`.
    pub who: String,
    /// What they may do.
    pub role: Role,
    /// For which flows; null for all.
    pub flows: Option<Vec<String>>,
    /// How they showed who they are: `data-folder`, `api-key`, `token`, `session` or `answer-link`.
    pub via: String,
    /// The service account's ID.
    pub service_account_id: Option<String>,
    /// The ID of the API key on which all rests.
    pub api_key_id: Option<String>,
    /// When a token ends.
    pub expires_at: Option<String>,
    /// In a browser's session, what each request that changes something has to show.
    pub csrf_token: Option<String>,
}

impl WhoAmIView {
    pub(super) fn of(caller: &Caller, csrf_token: Option<String>) -> Self {
        let account = match &caller.who {
            Who::Owner => None,
            Who::Account { id, .. } => Some(id.to_string()),
        };
        let expires_at = match &caller.via {
            Via::Token { expires_at, .. } => Some(expires_at.to_rfc3339()),
            _ => None,
        };
        Self {
            who: caller.who.name().to_owned(),
            role: caller.role,
            flows: caller.scope.names().map(<[String]>::to_vec),
            via: caller.via.as_str().to_owned(),
            service_account_id: account,
            api_key_id: caller.who.key().map(|key| key.to_string()),
            expires_at,
            csrf_token,
        }
    }
}

/// A token that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Its text, for `Authorization: Bearer`.
    pub token: ShownOnce,
    /// When it ends.
    pub expires_at: String,
    /// What it allows.
    pub role: Role,
    /// For which flows; null for all.
    pub flows: Option<Vec<String>>,
}

impl From<MadeToken> for TokenView {
    fn from(made: MadeToken) -> Self {
        let MadeToken { token, expires_at, role, scope } = made;
        Self { token: token.into(), expires_at: expires_at.to_rfc3339(), role, flows: scope.into() }
    }
}

/// A service account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ServiceAccountView {
    /// Its ID.
    pub service_account_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub role: Role,
    /// For which flows; null for all.
    pub flows: Option<Vec<String>>,
    /// Whether its keys count.
    pub active: bool,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

impl From<Account> for ServiceAccountView {
    fn from(account: Account) -> Self {
        Self {
            service_account_id: account.id.to_string(),
            name: account.name,
            description: account.description,
            role: account.role,
            flows: account.scope.into(),
            active: account.active,
            created_at: account.created_at.to_rfc3339(),
            updated_at: account.updated_at.to_rfc3339(),
        }
    }
}

/// A service account that was removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeletedServiceAccountView {
    /// As it was named.
    pub name_or_id: String,
    /// Always true.
    pub deleted: bool,
}

/// What is known of an API key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyView {
    /// Its ID, which is part of its text.
    pub api_key_id: String,
    /// Its name.
    pub name: String,
    /// The ID of whose it is.
    pub service_account_id: String,
    /// The name of whose it is.
    pub service_account_name: String,
    /// What it is for.
    pub description: String,
    /// Whether it counts.
    pub active: bool,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// When somebody last came with it, to the minute.
    pub last_login: Option<String>,
    /// When it got another secret.
    pub last_rotated: Option<String>,
    /// For how many minutes from then on the secret before counts.
    pub retain_period_minutes: u64,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let retained = key.retained_until.zip(key.rotated_at).map(|(until, from)| until.since(from).as_secs() / 60);
        Self {
            api_key_id: key.id.to_string(),
            name: key.name,
            service_account_id: key.account.to_string(),
            service_account_name: key.account_name,
            description: key.description,
            active: key.active,
            created_at: key.created_at.to_rfc3339(),
            updated_at: key.updated_at.to_rfc3339(),
            last_login: key.used_at.map(|at| at.to_rfc3339()),
            last_rotated: key.rotated_at.map(|at| at.to_rfc3339()),
            retain_period_minutes: retained.unwrap_or(0),
        }
    }
}

/// An API key with its text, which nobody gets to see again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyMadeView {
    /// What is known of it.
    #[serde(flatten)]
    pub api_key: ApiKeyView,
    /// Its text, for `Authorization: Bearer`.
    pub key: ShownOnce,
}

impl From<MadeApiKey> for ApiKeyMadeView {
    fn from(made: MadeApiKey) -> Self {
        Self { api_key: made.key.into(), key: made.text.into() }
    }
}

/// An API key that was removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeletedApiKeyView {
    /// Whose it was, as it was named.
    pub service_account: String,
    /// The key, as it was named.
    pub name_or_id: String,
    /// Always true.
    pub deleted: bool,
}

/// Something that somebody did, or was refused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntryView {
    /// Its place in the order of writing.
    pub number: u64,
    /// When.
    pub at: String,
    /// Who: a service account, or `owner`; `unknown` for whoever could not log in.
    pub who: String,
    /// With which kind of credential.
    pub via: String,
    /// What, by the name of the verb.
    pub verb: String,
    /// To what.
    pub subject: Option<String>,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// From which address; null on the machine itself.
    pub source: Option<String>,
    /// What else is to be said.
    pub detail: Option<String>,
}

impl From<AuditRow> for AuditEntryView {
    fn from(AuditRow { number, entry }: AuditRow) -> Self {
        Self {
            number,
            at: entry.at.to_rfc3339(),
            who: entry.who,
            via: entry.via,
            verb: entry.verb,
            subject: entry.subject,
            outcome: entry.outcome,
            source: entry.source,
            detail: entry.detail,
        }
    }
}

/// A page of the audit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditListing {
    /// The entries, the newest first.
    pub items: Vec<AuditEntryView>,
    /// How many of them.
    pub count: usize,
    /// Where the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u64>,
}

/// A link that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitLinkView {
    /// Where whoever has it answers. Without an address where the host does not know its own.
    pub url: ShownOnce,
    /// When it ends.
    pub expires_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_only_where_it_is_written_out() {
        let view = WaitLinkView { url: SecretString::from("marker").into(), expires_at: "later".into() };
        assert!(!format!("{view:?}").contains("marker"));
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(json, r#"{"url":"marker","expires_at":"later"}"#);
        let read: WaitLinkView = serde_json::from_str(&json).unwrap();
        assert_eq!(read.url.text().expose_secret(), "marker");
        let schema = serde_json::to_value(schemars::schema_for!(WaitLinkView)).unwrap();
        assert_eq!(schema["properties"]["url"]["type"], "string");
    }
}
