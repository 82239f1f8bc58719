//! Verbs about who may come over the network, and on whose behalf this service works.
//!
//! Whatever changes here is noted in the audit with the caller's name, by these verbs themselves. What a caller may not is refused here too, and not
//! by the surface's guard alone: no way leads past it.

mod audit;
mod changes;
mod views;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use views::{
    ApiKeyMadeView, ApiKeyView, AuditEntryView, AuditListing, DeletedApiKeyView, DeletedServiceAccountView, ServiceAccountView,
    ShownOnce, TokenView, WaitLinkView, WhoAmIView,
};

use super::ServiceError;
use crate::access::{Access, Caller, Role, Source, Who};
use crate::engine::Starter;

/// Makes a token.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenParams {
    /// How long it counts, in seconds; an hour if absent, and a day at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub seconds: Option<u64>,
    /// What it allows; as much as the caller may if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// For which flows, by name or by the beginning of names before a `*`; as many as the caller has if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Vec<String>>,
}

/// Makes a service account.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccountParams {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it may do; `viewer` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// For which flows, by name or by the beginning of names before a `*`; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Vec<String>>,
}

/// Lists service accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListServiceAccountsParams {
    /// Only those that are active, or that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only the one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names a service account.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountParams {
    /// Its name or ID.
    pub account: String,
}

/// Changes a service account. What is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateServiceAccountParams {
    /// Its name or ID.
    pub account: String,
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Another role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Other flows, by name or by the beginning of names before a `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Vec<String>>,
    /// All flows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_flows: bool,
    /// Whether its keys count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// Makes an API key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKeyParams {
    /// The service account's name or ID.
    pub account: String,
    /// The key's name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// Lists the API keys of a service account.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListApiKeysParams {
    /// The service account's name or ID.
    pub account: String,
    /// Only those that are active, or that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only the one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names an API key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyParams {
    /// The service account's name or ID.
    pub account: String,
    /// The key's name or ID.
    pub key: String,
}

/// Changes an API key. What is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKeyParams {
    /// The service account's name or ID.
    pub account: String,
    /// The key's name or ID.
    pub key: String,
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// Gives an API key another secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKeyParams {
    /// The service account's name or ID.
    pub account: String,
    /// The key's name or ID.
    pub key: String,
    /// For so many minutes the secret before counts too; a week at most.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10080))]
    pub retain_minutes: u64,
}

/// Lists what callers did.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditParams {
    /// Only of this service account, or of `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Only of this verb, or of all that begin with it: `auth`, `executions.cancel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// Only about this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only what was `done`, `refused` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Go on after the page that gave this cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// How many to give; 20 if absent, and 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u64>,
}

/// Makes a link that answers a question.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitLinkParams {
    /// The wait's ID, `<execution>:<call>`; or `<execution>:<name>`, or the execution alone where only one of its questions is open.
    pub wait: String,
    /// How long the link works, in seconds; a day if absent, and 30 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2592000))]
    pub seconds: Option<u64>,
}

/// Verbs about who may come over the network. All but the first two and the last are for admins of all flows.
#[async_trait]
pub trait AccessVerbs: Send + Sync {
    /// `auth.whoami`: who calls, and what they may.
    async fn who_am_i(&self) -> Result<WhoAmIView, ServiceError>;
    /// `auth.token`: makes a short-lived token for the caller.
    async fn make_token(&self, params: TokenParams) -> Result<TokenView, ServiceError>;
    /// `auth.service-accounts.create`.
    async fn create_service_account(&self, params: CreateServiceAccountParams) -> Result<ServiceAccountView, ServiceError>;
    /// `auth.service-accounts.list`: by name.
    async fn service_accounts(&self, params: ListServiceAccountsParams) -> Result<Vec<ServiceAccountView>, ServiceError>;
    /// `auth.service-accounts.show`.
    async fn service_account(&self, params: ServiceAccountParams) -> Result<ServiceAccountView, ServiceError>;
    /// `auth.service-accounts.update`.
    async fn update_service_account(&self, params: UpdateServiceAccountParams) -> Result<ServiceAccountView, ServiceError>;
    /// `auth.service-accounts.delete`: with its keys, and all that rests on them.
    async fn delete_service_account(&self, params: ServiceAccountParams) -> Result<DeletedServiceAccountView, ServiceError>;
    /// `auth.api-keys.create`: the only time that its text is shown.
    async fn create_api_key(&self, params: CreateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError>;
    /// `auth.api-keys.list`: by name.
    async fn api_keys(&self, params: ListApiKeysParams) -> Result<Vec<ApiKeyView>, ServiceError>;
    /// `auth.api-keys.show`.
    async fn api_key(&self, params: ApiKeyParams) -> Result<ApiKeyView, ServiceError>;
    /// `auth.api-keys.update`.
    async fn update_api_key(&self, params: UpdateApiKeyParams) -> Result<ApiKeyView, ServiceError>;
    /// `auth.api-keys.rotate`: the only time that its new text is shown.
    async fn rotate_api_key(&self, params: RotateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError>;
    /// `auth.api-keys.delete`: with all that rests on it.
    async fn delete_api_key(&self, params: ApiKeyParams) -> Result<DeletedApiKeyView, ServiceError>;
    /// `auth.audit`: who did what, the newest first.
    async fn audit(&self, params: AuditParams) -> Result<AuditListing, ServiceError>;
    /// `waits.link`: makes a link that answers a question once.
    async fn make_wait_link(&self, params: WaitLinkParams) -> Result<WaitLinkView, ServiceError>;
}

/// On whose behalf a service works, and where it is reached.
#[derive(Clone, Debug)]
pub(super) struct Behalf {
    access: Option<Access>,
    caller: Caller,
    source: Source,
    address: Option<String>,
}

impl Default for Behalf {
    /// Of whoever has the data folder.
    fn default() -> Self {
        Self { access: None, caller: Caller::owner(), source: Source::HERE, address: None }
    }
}

impl Behalf {
    fn access(&self) -> Result<&Access, ServiceError> {
        self.access.as_ref().ok_or_else(|| ServiceError::state("this service serves nobody over the network"))
    }

    /// Who starts an execution, where an account does.
    pub(super) fn starter(&self) -> Option<Starter> {
        match &self.caller.who {
            Who::Owner => None,
            Who::Account { id, .. } => {
                Some(Starter { account: Some(id.to_string()), flows: self.caller.scope.clone(), trees: Vec::new() })
            }
        }
    }

    /// What an admin of all flows may use.
    fn as_admin(&self) -> Result<&Access, ServiceError> {
        self.caller.require(Role::Admin)?;
        self.caller.require_all_flows()?;
        self.access()
    }
}

impl super::LocalService {
    /// The same service, which knows who may come over the network.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.behalf.access = Some(access);
        self
    }

    /// Who asks, for what is to be known of them later.
    pub(super) fn caller_name(&self) -> String {
        self.behalf.caller.who.name().to_owned()
    }

    /// The same service, on behalf of this caller. It still does whatever it is asked, but for the verbs of [`AccessVerbs`]: whoever offers it to
    /// others checks first what they may.
    #[must_use]
    pub fn on_behalf_of(mut self, caller: Caller, source: Source) -> Self {
        (self.behalf.caller, self.behalf.source) = (caller, source);
        self
    }

    /// The same service, which is reached at this address: `https://flows.example.com`.
    #[must_use]
    pub fn reached_at(mut self, address: impl Into<String>) -> Self {
        self.behalf.address = Some(address.into());
        self
    }

    /// Where it is reached, where it serves.
    pub(super) fn address(&self) -> Option<&str> {
        self.behalf.address.as_deref()
    }

    /// Who may come over the network, for whoever authenticates them.
    pub fn access(&self) -> Option<&Access> {
        self.behalf.access.as_ref()
    }

    /// On whose behalf it works.
    pub fn caller(&self) -> &Caller {
        &self.behalf.caller
    }
}
