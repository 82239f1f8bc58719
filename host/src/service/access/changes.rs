//! The verbs in process.

use async_trait::async_trait;

use super::{
    AccessVerbs, ApiKeyMadeView, ApiKeyParams, ApiKeyView, AuditListing, AuditParams, CreateApiKeyParams,
    CreateServiceAccountParams, DeletedApiKeyView, DeletedServiceAccountView, ListApiKeysParams, ListServiceAccountsParams,
    RotateApiKeyParams, ServiceAccountParams, ServiceAccountView, TokenParams, TokenView, UpdateApiKeyParams,
    UpdateServiceAccountParams, WaitLinkParams, WaitLinkView, WhoAmIView,
};
use crate::access::{AccessError, AccountUpdate, Invalid, NewAccount, Role, Scope, TokenRequest};
use crate::ids::CallId;
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::{LocalService, ServiceError, resolve, waits};
use crate::store::ApiKeyChange;

#[async_trait]
impl AccessVerbs for LocalService {
    async fn who_am_i(&self) -> Result<WhoAmIView, ServiceError> {
        let caller = &self.behalf.caller;
        let csrf_token = match caller.session() {
            Some(_) => self.behalf.access()?.csrf_token(caller).await?,
            None => None,
        };
        Ok(WhoAmIView::of(caller, csrf_token))
    }

    async fn make_token(&self, params: TokenParams) -> Result<TokenView, ServiceError> {
        let request = TokenRequest { seconds: params.seconds, role: params.role, scope: scope(params.flows)? };
        let made = self.behalf.access()?.make_token(&self.behalf.caller, request).await?;
        self.behalf.done("auth.token", format!("until {}", made.expires_at.to_rfc3339())).await?;
        Ok(made.into())
    }

    async fn create_service_account(&self, params: CreateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        let CreateServiceAccountParams { name, description, role, flows } = params;
        let access = self.behalf.as_admin()?;
        let scope = scope(flows)?.unwrap_or(Scope::ALL);
        let new = NewAccount { name, description, role: role.unwrap_or(Role::Viewer), scope };
        let account = access.create_account(new).await?;
        self.behalf.done("auth.service-accounts.create", &account.name).await?;
        Ok(account.into())
    }

    async fn service_accounts(&self, params: ListServiceAccountsParams) -> Result<Vec<ServiceAccountView>, ServiceError> {
        let ListServiceAccountsParams { active, name } = params;
        let accounts = self.behalf.as_admin()?.accounts().await?.into_iter();
        let wanted = accounts.filter(|account| is_wanted(account.active, &account.name, active, name.as_deref()));
        Ok(wanted.map(ServiceAccountView::from).collect())
    }

    async fn service_account(&self, params: ServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        Ok(self.behalf.as_admin()?.account(&params.account).await?.into())
    }

    async fn update_service_account(&self, params: UpdateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        let UpdateServiceAccountParams { account, name, description, role, flows, all_flows, active } = params;
        let access = self.behalf.as_admin()?;
        if all_flows && flows.is_some() {
            return Err(ServiceError::usage("`flows` and `all_flows` cannot be combined."));
        }
        let scope = if all_flows { Some(Scope::ALL) } else { scope(flows)? };
        let update = AccountUpdate { name, description, role, scope, active };
        let account = access.update_account(&account, update).await?;
        self.behalf.done("auth.service-accounts.update", &account.name).await?;
        Ok(account.into())
    }

    async fn delete_service_account(&self, params: ServiceAccountParams) -> Result<DeletedServiceAccountView, ServiceError> {
        let account = self.behalf.as_admin()?.delete_account(&params.account).await?;
        self.behalf.done("auth.service-accounts.delete", account.name).await?;
        Ok(DeletedServiceAccountView { name_or_id: params.account, deleted: true })
    }

    async fn create_api_key(&self, params: CreateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        let CreateApiKeyParams { account, name, description } = params;
        let made = self.behalf.as_admin()?.create_api_key(&account, &name, &description).await?;
        self.behalf.done("auth.api-keys.create", format!("{}/{}", made.key.account_name, made.key.name)).await?;
        Ok(made.into())
    }

    async fn api_keys(&self, params: ListApiKeysParams) -> Result<Vec<ApiKeyView>, ServiceError> {
        let ListApiKeysParams { account, active, name } = params;
        let keys = self.behalf.as_admin()?.api_keys(&account).await?.into_iter();
        let wanted = keys.filter(|key| is_wanted(key.active, &key.name, active, name.as_deref()));
        Ok(wanted.map(ApiKeyView::from).collect())
    }

    async fn api_key(&self, params: ApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        Ok(self.behalf.as_admin()?.api_key(&params.account, &params.key).await?.into())
    }

    async fn update_api_key(&self, params: UpdateApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        let UpdateApiKeyParams { account, key, name, description, active } = params;
        let change = ApiKeyChange { name, description, active };
        let key = self.behalf.as_admin()?.update_api_key(&account, &key, change).await?;
        self.behalf.done("auth.api-keys.update", format!("{}/{}", key.account_name, key.name)).await?;
        Ok(key.into())
    }

    async fn rotate_api_key(&self, params: RotateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        let RotateApiKeyParams { account, key, retain_minutes } = params;
        let made = self.behalf.as_admin()?.rotate_api_key(&account, &key, retain_minutes).await?;
        self.behalf.done("auth.api-keys.rotate", format!("{}/{}", made.key.account_name, made.key.name)).await?;
        Ok(made.into())
    }

    async fn delete_api_key(&self, params: ApiKeyParams) -> Result<DeletedApiKeyView, ServiceError> {
        let ApiKeyParams { account, key } = params;
        let deleted = self.behalf.as_admin()?.delete_api_key(&account, &key).await?;
        self.behalf.done("auth.api-keys.delete", format!("{}/{}", deleted.account_name, deleted.name)).await?;
        Ok(DeletedApiKeyView { service_account: account, name_or_id: key, deleted: true })
    }

    async fn audit(&self, params: AuditParams) -> Result<AuditListing, ServiceError> {
        self.behalf.audit(params).await
    }

    async fn make_wait_link(&self, params: WaitLinkParams) -> Result<WaitLinkView, ServiceError> {
        let WaitLinkParams { wait, seconds } = params;
        let caller = &self.behalf.caller;
        caller.require(Role::Operator)?;
        let (execution, question) = wait.trim().split_once(':').map_or((wait.trim(), None), |(id, rest)| (id, Some(rest)));
        let execution = resolve::execution(self.store().as_ref(), execution).await?;
        caller.require_flow(&self.store().execution(execution).await?.new.flow)?;
        // The number of its call makes a wait's ID; anything else is its name.
        let id = question.and_then(|text| text.parse().ok()).map(|index| CallId { execution, index }.to_string());
        let question = waits::select(self.engine(), execution, id.as_deref().or(question)).await?;
        let access = self.behalf.access()?;
        let made = access.make_answer_link(caller, &question, seconds).await?;
        self.behalf.done("waits.link", question.id.to_string()).await?;
        let address = self.behalf.address.as_deref().unwrap_or_default().trim_end_matches('/');
        let url = SecretString::from(format!("{address}/answer/{}", made.token.expose_secret()));
        Ok(WaitLinkView { url: url.into(), expires_at: made.expires_at.to_rfc3339() })
    }
}

fn scope(flows: Option<Vec<String>>) -> Result<Option<Scope>, ServiceError> {
    let scope = flows.map(Scope::of).transpose();
    Ok(scope.map_err(|error| AccessError::from(Invalid::from(error)))?)
}

/// Whether something passes the filters of a list.
fn is_wanted(is_active: bool, is_named: &str, active: Option<bool>, name: Option<&str>) -> bool {
    active.is_none_or(|active| active == is_active) && name.is_none_or(|name| name == is_named)
}
