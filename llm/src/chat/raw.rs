//! A request exactly as a provider gets it, before credentials are added.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What goes to a provider: the body, and the headers that the caller sets. Credentials are not among them, they are added when the
/// request is sent; should a caller set one anyway, `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RawRequest {
    /// Headers by name.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body.
    pub content: Value,
}

impl RawRequest {
    /// A request with this body and no headers.
    pub fn new(content: Value) -> Self {
        Self { headers: Map::new(), content }
    }

    /// The request without the headers that carry credentials: what records and events may show.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        let shown = self.headers.iter().filter(|(name, _)| !is_credential_header(name));
        Self { headers: shown.map(|(name, value)| (name.clone(), value.clone())).collect(), content: self.content.clone() }
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawRequest { headers, content } = self.without_credentials();
        f.debug_struct("RawRequest").field("headers", &headers).field("content", &content).finish()
    }
}

/// Whether a header of this name carries a credential. Rather too many than too few: a header that is not shown is no loss.
pub fn is_credential_header(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    // `helicone-auth`, `x-auth-key`; an `x-author` is no credential.
    if name.split('-').any(|word| word == "auth") {
        return true;
    }
    [
        "authorization",
        "cookie",
        "api-key",
        "apikey",
        "token",
        "secret",
        "password",
        "credential",
        "signature",
        "access-key",
        "subscription-key",
        "functions-key",
    ]
    .iter()
    .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_are_neither_shown_nor_recorded() {
        let mut request = RawRequest::new(json!({}));
        for name in [
            "Authorization",
            "X-Api-Key",
            "x-goog-api-key",
            "proxy-authorization",
            "Cookie",
            "x_auth_token",
            "Helicone-Auth",
            "X-Auth-Key",
            "Ocp-Apim-Subscription-Key",
        ] {
            request.headers.insert(name.to_owned(), json!("sk-marker"));
        }
        request.headers.insert("anthropic-version".to_owned(), json!("2023-06-01"));
        assert!(!format!("{request:?}").contains("sk-marker"));
        assert_eq!(request.without_credentials().headers.len(), 1);
        assert!(!is_credential_header("x-author") && !is_credential_header("idempotency-key"));
    }
}
