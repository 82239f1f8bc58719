//! Verbs about access. The service that works on behalf of the caller checks them once more.

use async_trait::async_trait;

use super::GuardedService;
use crate::access::Role;
use crate::service::{
    AccessVerbs, ApiKeyMadeView, ApiKeyParams, ApiKeyView, AuditListing, AuditParams, CreateApiKeyParams,
    CreateServiceAccountParams, DeletedApiKeyView, DeletedServiceAccountView, ListApiKeysParams, ListServiceAccountsParams,
    RotateApiKeyParams, ServiceAccountParams, ServiceAccountView, ServiceError, TokenParams, TokenView, UpdateApiKeyParams,
    UpdateServiceAccountParams, WaitLinkParams, WaitLinkView, WhoAmIView,
};

#[async_trait]
impl AccessVerbs for GuardedService {
    async fn who_am_i(&self) -> Result<WhoAmIView, ServiceError> {
        self.inner.who_am_i().await
    }

    async fn make_token(&self, params: TokenParams) -> Result<TokenView, ServiceError> {
        self.need(Role::Viewer)?;
        self.inner.make_token(params).await
    }

    async fn create_service_account(&self, params: CreateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.create_service_account(params).await
    }

    async fn service_accounts(&self, params: ListServiceAccountsParams) -> Result<Vec<ServiceAccountView>, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.service_accounts(params).await
    }

    async fn service_account(&self, params: ServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.service_account(params).await
    }

    async fn update_service_account(&self, params: UpdateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.update_service_account(params).await
    }

    async fn delete_service_account(&self, params: ServiceAccountParams) -> Result<DeletedServiceAccountView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.delete_service_account(params).await
    }

    async fn create_api_key(&self, params: CreateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.create_api_key(params).await
    }

    async fn api_keys(&self, params: ListApiKeysParams) -> Result<Vec<ApiKeyView>, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.api_keys(params).await
    }

    async fn api_key(&self, params: ApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.api_key(params).await
    }

    async fn update_api_key(&self, params: UpdateApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.update_api_key(params).await
    }

    async fn rotate_api_key(&self, params: RotateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.rotate_api_key(params).await
    }

    async fn delete_api_key(&self, params: ApiKeyParams) -> Result<DeletedApiKeyView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.delete_api_key(params).await
    }

    async fn audit(&self, params: AuditParams) -> Result<AuditListing, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.audit(params).await
    }

    async fn make_wait_link(&self, mut params: WaitLinkParams) -> Result<WaitLinkView, ServiceError> {
        self.need(Role::Operator)?;
        // Whose flow the caller's scope has not, there is not.
        params.wait = match params.wait.trim().split_once(':') {
            Some((execution, question)) => format!("{}:{question}", self.seen(execution).await?),
            None => self.seen(params.wait.trim()).await?.to_string(),
        };
        self.inner.make_wait_link(params).await
    }
}
