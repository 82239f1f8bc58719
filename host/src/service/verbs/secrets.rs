//! Secrets: their names come out, their values only go in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::listing::{Nothing, Plain};
use super::verb;
use crate::engine::SecretChange;
use crate::secrets::SecretString;
use crate::service::{SecretChangedView, SecretDetailView, SecretView};

verb! {
    /// Lists secrets, without their values.
    SecretList = "secrets.list", Get "/secrets", Author, Reads, Ok("kitaru_secrets_list"), 200;
    |service, _params: Nothing| -> Plain<SecretView> { Ok(service.secrets().await?.into()) }
}

/// A secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretParams {
    /// Its name or ID.
    #[serde(alias = "name")]
    pub secret: String,
}

verb! {
    /// Shows a secret, without its values.
    SecretShow = "secrets.show", Get "/secrets/{secret}", Author, Reads, Ok("kitaru_secrets_show"), 200;
    |service, params: SecretParams| -> SecretDetailView { service.secret(&params.secret, false).await }
}

/// What a secret is to hold.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretSetParams {
    /// Its name; made if it is not there.
    #[serde(alias = "name")]
    pub secret: String,
    /// Values to add or replace, by their keys.
    #[schemars(extend("writeOnly" = true))]
    pub values: BTreeMap<String, String>,
    /// Metadata to add or replace; null takes away.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

// Values are not for anybody who looks at what was asked for.
impl std::fmt::Debug for SecretSetParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.values.keys().collect();
        f.debug_struct("SecretSetParams").field("secret", &self.secret).field("keys", &keys).finish_non_exhaustive()
    }
}

verb! {
    /// Makes a secret, or its next version: values are added to those that it has, or replace them.
    SecretSet = "secrets.set", Put "/secrets/{secret}", Admin, Changes, Ok("kitaru_secrets_create"), 200;
    |service, params: SecretSetParams| -> SecretChangedView {
        let values = params.values.into_iter().map(|(key, value)| (key, SecretString::from(value))).collect();
        service.set_secret(SecretChange { name: params.secret, values, metadata: params.metadata }).await
    }
}

verb! {
    /// Removes a secret with all of its values.
    SecretDelete = "secrets.delete", Delete "/secrets/{secret}", Admin, Destroys,
    Err("a person removes secrets: flows that wait may need them"), 200;
    |service, params: SecretParams| -> SecretChangedView { service.delete_secret(&params.secret).await }
}
