//! What makes two calls the same call.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::canonical::{canonical_json, python_json};
use crate::chat::{ChatRequest, RawRequest, Tool, is_credential_header};
use crate::codec::Api;

/// What the answer does not depend on, or only the provider's books.
const IRRELEVANT: [&str; 5] = ["stream", "stream_options", "user", "metadata", "store"];
/// What makes an answer depend on something that is not in the request: what the provider keeps, or what it finds elsewhere.
const STATEFUL: [&str; 6] = ["conversation", "container", "prompt", "mcp_servers", "web_search_options", "plugins"];

/// SHA-256 of what makes a call the call that it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of the simple executor: messages, model and limit alone. For calls that have nothing else, and for caches that others filled.
pub fn prompt_key(messages: &[Value], model: &str, max_tokens: u64) -> CacheKey {
    CacheKey::of(&python_json(&json!({ "messages": messages, "model": model, "max_tokens": max_tokens })))
}

/// What a key is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyOf {
    /// Everything that the answer can depend on: the model, where it is asked, by which protocol, and the whole request.
    #[default]
    Canonical,
    /// Messages, model and `max_tokens` alone, as the simple executor has it: so the same model has the same answers wherever it is asked. A call that
    /// says more than that has no key.
    Prompt,
}

/// What keys are made of, and which calls have none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRules {
    /// Keeps the answers of one user or project from another's.
    pub namespace: String,
    /// What a key is made of.
    #[serde(default)]
    pub key: KeyOf,
    /// Headers that belong to the key, in any case of letters.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Also calls that do not ask for `temperature` 0 have a key.
    #[serde(default)]
    pub cache_nondeterministic: bool,
    /// The share of calls, 0 to 1, that have no key by chance, so that answers are looked at anew from time to time.
    #[serde(default)]
    pub bypass_rate: f64,
}

/// Rules that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KeyRulesError {
    /// No namespace.
    #[error("the cache of answers needs a namespace")]
    EmptyNamespace,
    /// A header that carries a credential.
    #[error("header `{name}` carries a credential and cannot be part of a cache key")]
    CredentialHeader {
        /// The header.
        name: String,
    },
    /// Headers, where the key is the prompt.
    #[error("`headers` are no part of a cache key that is the prompt alone")]
    HeadersBesidePrompt,
    /// No share.
    #[error("the bypass rate is {rate}, and must be from 0 to 1")]
    BypassRate {
        /// What it is.
        rate: f64,
    },
}

/// Why a call has no key, so that it is neither looked up nor kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// Its answer may be another every time: it does not ask for `temperature` 0.
    Nondeterministic,
    /// Its answer depends on something that the provider keeps.
    Stateful {
        /// The request's key that says so.
        key: String,
    },
    /// It says more than messages, model and limit, or no limit, and only those are to be its key.
    MoreThanPrompt {
        /// The request's key that says so.
        key: String,
    },
    /// By chance.
    Sampled,
    /// The cache is not for calls of this alias.
    Alias,
}

impl Bypass {
    /// The reason in one word, for marks.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Nondeterministic => "nondeterministic",
            Self::Stateful { .. } => "stateful",
            Self::MoreThanPrompt { .. } => "more_than_prompt",
            Self::Sampled => "sampled",
            Self::Alias => "alias",
        }
    }
}

impl KeyRules {
    /// Rules of this namespace, with everything else as usual.
    pub fn of(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            key: KeyOf::default(),
            headers: Vec::new(),
            cache_nondeterministic: false,
            bypass_rate: 0.0,
        }
    }

    /// Checks the rules.
    ///
    /// # Errors
    /// When there is no namespace, a header carries a credential, or the rate is no share.
    pub fn check(&self) -> Result<(), KeyRulesError> {
        if self.namespace.trim().is_empty() {
            return Err(KeyRulesError::EmptyNamespace);
        }
        if let Some(name) = self.headers.iter().find(|name| is_credential_header(name)) {
            return Err(KeyRulesError::CredentialHeader { name: name.clone() });
        }
        if self.key == KeyOf::Prompt && !self.headers.is_empty() {
            return Err(KeyRulesError::HeadersBesidePrompt);
        }
        if !(0.0..=1.0).contains(&self.bypass_rate) {
            return Err(KeyRulesError::BypassRate { rate: self.bypass_rate });
        }
        Ok(())
    }

    /// The key of a call of `resolved_model` at `endpoint` (the provider's address, so that one server's answers are not taken for another's) by
    /// the protocol `api`: kept answers are raw, and one that asks the same by another protocol cannot read them. `chance` is a number from 0 up to
    /// 1 that the caller draws.
    ///
    /// # Errors
    /// The reason why the call has none.
    pub fn key(
        &self,
        resolved_model: &str,
        endpoint: &str,
        api: Option<Api>,
        request: &ChatRequest,
        raw: &RawRequest,
        chance: f64,
    ) -> Result<CacheKey, Bypass> {
        if let Some(key) = stateful(request) {
            return Err(Bypass::Stateful { key });
        }
        if !self.cache_nondeterministic && request.params.temperature != Some(0.0) {
            return Err(Bypass::Nondeterministic);
        }
        if chance < self.bypass_rate {
            return Err(Bypass::Sampled);
        }
        if self.key == KeyOf::Prompt {
            let prompt = prompt_of(resolved_model, request).map_err(|key| Bypass::MoreThanPrompt { key })?;
            let text = json!({ "version": 1, "api": api, "namespace": self.namespace, "prompt": prompt.to_string() });
            return Ok(CacheKey::of(&canonical_json(&text)));
        }
        let wanted = |name: &str| self.headers.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let headers: Map<String, Value> = raw
            .headers
            .iter()
            .filter(|(name, _)| wanted(name) && !is_credential_header(name))
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect();
        let text = canonical_json(&json!({
            "version": 2,
            "api": api,
            "namespace": self.namespace,
            "model": resolved_model,
            "endpoint": endpoint,
            "headers": headers,
            "request": relevant(request),
        }));
        Ok(CacheKey::of(&text))
    }
}

/// The key of a request that has messages, a model and a limit; or what it has besides, or lacks.
fn prompt_of(resolved_model: &str, request: &ChatRequest) -> Result<CacheKey, String> {
    let relevant = relevant(request);
    let members = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let top = members(Some(&relevant)).into_iter().filter(|(key, _)| !matches!(key.as_str(), "messages" | "model" | "params"));
    let params = members(relevant.get("params")).into_iter();
    let params = params.filter(|(key, _)| !matches!(key.as_str(), "max_tokens" | "temperature"));
    if let Some((key, _)) = top.chain(params).find(|(_, value)| !value.is_null()) {
        return Err(key);
    }
    if request.params.temperature.is_some_and(|temperature| temperature != 0.0) {
        return Err("temperature".into());
    }
    let max_tokens = request.params.max_tokens.ok_or("max_tokens")?;
    let messages = serde_json::to_value(&request.messages).unwrap_or_default();
    Ok(prompt_key(messages.as_array().map(Vec::as_slice).unwrap_or_default(), resolved_model, max_tokens))
}

fn stateful(request: &ChatRequest) -> Option<String> {
    if request.store == Some(true) {
        return Some("store".into());
    }
    if request.previous_response_id.is_some() {
        return Some("previous_response_id".into());
    }
    // What a provider's own tool does is not in the request, and the container that it does it in is in its description.
    if request.tools.iter().any(Tool::is_run_by_provider) {
        return Some("tools".into());
    }
    STATEFUL.iter().find(|key| request.extra.get(**key).is_some_and(|value| !value.is_null())).map(|key| (*key).to_owned())
}

/// The request without what does not matter, its tool calls named by their order: providers name them anew each time.
fn relevant(request: &ChatRequest) -> Value {
    let mut json = serde_json::to_value(request).unwrap_or_default();
    if let Some(map) = json.as_object_mut() {
        map.retain(|key, _| !IRRELEVANT.contains(&key.as_str()));
        if let Some(messages) = map.get_mut("messages") {
            let mut names = Vec::new();
            rename_tool_calls(messages, &mut names, false);
        }
    }
    json
}

/// Replaces identifiers of tool calls by `call_<n>`, in the order in which they first occur. `arguments` and what tools said stay as they are.
fn rename_tool_calls(value: &mut Value, names: &mut Vec<String>, in_call: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename_tool_calls(item, names, in_call)),
        Value::Object(map) => {
            let is_call = in_call || map.get("type").and_then(Value::as_str) == Some("tool_use");
            for (key, inner) in map.iter_mut() {
                let names_a_call = matches!(key.as_str(), "tool_call_id" | "tool_use_id" | "call_id") || (is_call && key == "id");
                match inner {
                    Value::String(id) if names_a_call => {
                        let index = names.iter().position(|name| name == id).unwrap_or_else(|| {
                            names.push(id.clone());
                            names.len().saturating_sub(1)
                        });
                        *id = format!("call_{index}");
                    }
                    // What the model wrote and what a tool takes are data, whatever they look like.
                    _ if matches!(key.as_str(), "input" | "arguments" | "function") => {}
                    _ => rename_tool_calls(inner, names, key == "tool_calls"),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "cache_key_tests.rs"]
mod tests;
