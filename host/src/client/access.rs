//! Verbs about who may come to the server, and what they did there.

use async_trait::async_trait;

use super::RemoteService;
use crate::service::verbs::{
    AccountCreate, AccountDelete, AccountList, AccountShow, AccountUpdate, Audit, KeyCreate, KeyDelete, KeyList, KeyRotate,
    KeyShow, KeyUpdate, Nothing, Token, WaitLink, WhoAmI,
};
use crate::service::{
    AccessVerbs, ApiKeyMadeView, ApiKeyParams, ApiKeyView, AuditListing, AuditParams, CreateApiKeyParams,
    CreateServiceAccountParams, DeletedApiKeyView, DeletedServiceAccountView, ListApiKeysParams, ListServiceAccountsParams,
    RotateApiKeyParams, ServiceAccountParams, ServiceAccountView, ServiceError, TokenParams, TokenView, UpdateApiKeyParams,
    UpdateServiceAccountParams, WaitLinkParams, WaitLinkView, WhoAmIView,
};

#[async_trait]
impl AccessVerbs for RemoteService {
    async fn who_am_i(&self) -> Result<WhoAmIView, ServiceError> {
        self.call::<WhoAmI>(Nothing {}).await
    }

    async fn make_token(&self, params: TokenParams) -> Result<TokenView, ServiceError> {
        self.call::<Token>(params).await
    }

    async fn create_service_account(&self, params: CreateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.call::<AccountCreate>(params).await
    }

    async fn service_accounts(&self, params: ListServiceAccountsParams) -> Result<Vec<ServiceAccountView>, ServiceError> {
        Ok(self.call::<AccountList>(params).await?.items)
    }

    async fn service_account(&self, params: ServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.call::<AccountShow>(params).await
    }

    async fn update_service_account(&self, params: UpdateServiceAccountParams) -> Result<ServiceAccountView, ServiceError> {
        self.call::<AccountUpdate>(params).await
    }

    async fn delete_service_account(&self, params: ServiceAccountParams) -> Result<DeletedServiceAccountView, ServiceError> {
        self.call::<AccountDelete>(params).await
    }

    async fn create_api_key(&self, params: CreateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        self.call::<KeyCreate>(params).await
    }

    async fn api_keys(&self, params: ListApiKeysParams) -> Result<Vec<ApiKeyView>, ServiceError> {
        Ok(self.call::<KeyList>(params).await?.items)
    }

    async fn api_key(&self, params: ApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        self.call::<KeyShow>(params).await
    }

    async fn update_api_key(&self, params: UpdateApiKeyParams) -> Result<ApiKeyView, ServiceError> {
        self.call::<KeyUpdate>(params).await
    }

    async fn rotate_api_key(&self, params: RotateApiKeyParams) -> Result<ApiKeyMadeView, ServiceError> {
        self.call::<KeyRotate>(params).await
    }

    async fn delete_api_key(&self, params: ApiKeyParams) -> Result<DeletedApiKeyView, ServiceError> {
        self.call::<KeyDelete>(params).await
    }

    async fn audit(&self, params: AuditParams) -> Result<AuditListing, ServiceError> {
        self.call::<Audit>(params).await
    }

    async fn make_wait_link(&self, params: WaitLinkParams) -> Result<WaitLinkView, ServiceError> {
        self.call::<WaitLink>(params).await
    }
}
