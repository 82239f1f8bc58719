//! Who may come over the network, and what they did.

use super::listing::{Nothing, Plain};
use super::verb;
use crate::service::{
    ApiKeyMadeView, ApiKeyParams, ApiKeyView, AuditListing, AuditParams, CreateApiKeyParams, CreateServiceAccountParams,
    DeletedApiKeyView, DeletedServiceAccountView, ListApiKeysParams, ListServiceAccountsParams, RotateApiKeyParams,
    ServiceAccountParams, ServiceAccountView, TokenParams, TokenView, UpdateApiKeyParams, UpdateServiceAccountParams,
    WaitLinkParams, WaitLinkView, WhoAmIView,
};

/// Why no tool gives one.
const CREDENTIAL: &str = "an assistant's messages are no place for credentials";
/// Why no tool does it.
const PEOPLE: &str = "who may what is for people to say";

verb! {
    /// Says who calls, and what they may.
    WhoAmI = "auth.whoami", Get "/session", Viewer, Reads, Ok("kitaru_auth_whoami"), 200;
    |service, _params: Nothing| -> WhoAmIView { service.who_am_i().await }
}

verb! {
    /// Makes a short-lived token for the caller, which allows no more than what the caller came with.
    Token = "auth.token", Post "/tokens", Viewer, Changes, Err(CREDENTIAL), 201;
    |service, params: TokenParams| -> TokenView { service.make_token(params).await }
}

verb! {
    /// Lists service accounts, by name.
    AccountList = "auth.service-accounts.list", Get "/service-accounts", Admin, Reads, Err(PEOPLE), 200;
    |service, params: ListServiceAccountsParams| -> Plain<ServiceAccountView> { Ok(service.service_accounts(params).await?.into()) }
}

verb! {
    /// Makes a service account.
    AccountCreate = "auth.service-accounts.create", Post "/service-accounts", Admin, Changes, Err(PEOPLE), 201;
    |service, params: CreateServiceAccountParams| -> ServiceAccountView { service.create_service_account(params).await }
}

verb! {
    /// Shows a service account.
    AccountShow = "auth.service-accounts.show", Get "/service-accounts/{account}", Admin, Reads, Err(PEOPLE), 200;
    |service, params: ServiceAccountParams| -> ServiceAccountView { service.service_account(params).await }
}

verb! {
    /// Changes a service account, from its next request on.
    AccountUpdate = "auth.service-accounts.update", Patch "/service-accounts/{account}", Admin, Changes, Err(PEOPLE), 200;
    |service, params: UpdateServiceAccountParams| -> ServiceAccountView { service.update_service_account(params).await }
}

verb! {
    /// Removes a service account with its keys, and all that rests on them.
    AccountDelete = "auth.service-accounts.delete", Delete "/service-accounts/{account}", Admin, Destroys, Err(PEOPLE), 200;
    |service, params: ServiceAccountParams| -> DeletedServiceAccountView { service.delete_service_account(params).await }
}

verb! {
    /// Lists the API keys of a service account, by name.
    KeyList = "auth.api-keys.list", Get "/service-accounts/{account}/api-keys", Admin, Reads, Err(PEOPLE), 200;
    |service, params: ListApiKeysParams| -> Plain<ApiKeyView> { Ok(service.api_keys(params).await?.into()) }
}

verb! {
    /// Makes an API key; its text is shown this once.
    KeyCreate = "auth.api-keys.create", Post "/service-accounts/{account}/api-keys", Admin, Changes, Err(CREDENTIAL), 201;
    |service, params: CreateApiKeyParams| -> ApiKeyMadeView { service.create_api_key(params).await }
}

verb! {
    /// Shows what is known of an API key.
    KeyShow = "auth.api-keys.show", Get "/service-accounts/{account}/api-keys/{key}", Admin, Reads, Err(PEOPLE), 200;
    |service, params: ApiKeyParams| -> ApiKeyView { service.api_key(params).await }
}

verb! {
    /// Changes an API key.
    KeyUpdate = "auth.api-keys.update", Patch "/service-accounts/{account}/api-keys/{key}", Admin, Changes, Err(PEOPLE), 200;
    |service, params: UpdateApiKeyParams| -> ApiKeyView { service.update_api_key(params).await }
}

verb! {
    /// Removes an API key with all that rests on it.
    KeyDelete = "auth.api-keys.delete", Delete "/service-accounts/{account}/api-keys/{key}", Admin, Destroys, Err(PEOPLE), 200;
    |service, params: ApiKeyParams| -> DeletedApiKeyView { service.delete_api_key(params).await }
}

verb! {
    /// Gives an API key another secret, which is shown this once; the one before may count for a while.
    KeyRotate = "auth.api-keys.rotate", Post "/service-accounts/{account}/api-keys/{key}/rotate", Admin, Changes, Err(CREDENTIAL), 200;
    |service, params: RotateApiKeyParams| -> ApiKeyMadeView { service.rotate_api_key(params).await }
}

verb! {
    /// Lists who did what, the newest first.
    Audit = "auth.audit", Get "/audit", Admin, Reads, Ok("kitaru_audit"), 200;
    |service, params: AuditParams| -> AuditListing { service.audit(params).await }
}

verb! {
    /// Makes a link that answers a question once, for whoever has it.
    WaitLink = "waits.link", Post "/waits/{wait}/link", Operator, Changes, Err(CREDENTIAL), 201;
    |service, params: WaitLinkParams| -> WaitLinkView { service.make_wait_link(params).await }
}
