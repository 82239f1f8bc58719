//! Answers that were given before: exactly the same call gets exactly the same answer, at no cost, as long as it is fresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cache_key::{Bypass, CacheKey, KeyRules, KeyRulesError};
use super::pattern::Pattern;
use crate::chat::{ChatRequest, ChatResponse, FinishReason, RawRequest};
use crate::codec::Api;
use crate::mutex::lock;
use crate::price::NanoUsd;
use crate::usage::TokenCounts;

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// When it was kept.
    pub stored_at: SystemTime,
    /// The raw response: of a stream, what its chunks make together.
    pub response: Value,
    /// The model that answered.
    pub model: Option<String>,
    /// The tokens that it took.
    pub tokens: TokenCounts,
    /// What it cost; nothing when that is not known.
    pub cost: Option<NanoUsd>,
}

/// Where answers are kept. Its failures never fail a call.
#[async_trait]
pub trait ResponseStore: Send + Sync {
    /// The answer of this key.
    ///
    /// # Errors
    /// When the store fails.
    async fn get(&self, key: &CacheKey) -> Result<Option<CacheEntry>, CacheStoreError>;

    /// Keeps an answer, in place of an older one.
    ///
    /// # Errors
    /// When the store fails.
    async fn put(&self, key: &CacheKey, entry: CacheEntry) -> Result<(), CacheStoreError>;
}

/// A store of answers failed.
#[derive(Debug, thiserror::Error)]
#[error("the cache of answers failed")]
pub struct CacheStoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Which calls are answered from the cache, and how long an answer is fresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePolicy {
    /// What makes calls the same.
    pub rules: KeyRules,
    /// So many seconds an answer is fresh.
    #[serde(default = "an_hour")]
    pub ttl_seconds: u64,
    /// The aliases whose calls are cached, none for all; a call without an alias goes by its model.
    #[serde(default)]
    pub aliases: Vec<Pattern>,
}

fn an_hour() -> u64 {
    3600
}

/// What the cache says of a call.
#[derive(Debug)]
pub enum CacheOutcome {
    /// The answer is there.
    Hit {
        /// Of which key.
        key: CacheKey,
        /// The answer.
        entry: Box<CacheEntry>,
        /// How old it is.
        age: Duration,
    },
    /// It is not there, or too old, or the store failed.
    Miss {
        /// The key to keep the answer under.
        key: CacheKey,
        /// How the store failed, if it did.
        failure: Option<CacheStoreError>,
    },
    /// The call is not for the cache.
    Bypass(Bypass),
}

/// Answers calls from a store.
pub struct ResponseCache {
    policy: CachePolicy,
    store: Arc<dyn ResponseStore>,
}

impl std::fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseCache").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A call, as the cache looks at it.
#[derive(Clone, Copy, Debug)]
pub struct CachedCall<'a> {
    /// The alias, where one was used.
    pub alias: Option<&'a str>,
    /// The model as `provider/model`.
    pub resolved_model: &'a str,
    /// The provider's address.
    pub endpoint: &'a str,
    /// The protocol, which the kept answer is in.
    pub api: Option<Api>,
    /// The request.
    pub request: &'a ChatRequest,
    /// The request as it is sent, for its headers.
    pub raw: &'a RawRequest,
    /// A number from 0 up to 1 that the caller draws.
    pub chance: f64,
    /// When the call is made.
    pub now: SystemTime,
}

impl ResponseCache {
    /// A cache with these rules.
    ///
    /// # Errors
    /// When the rules make no sense.
    pub fn new(policy: CachePolicy, store: Arc<dyn ResponseStore>) -> Result<Self, KeyRulesError> {
        policy.rules.check()?;
        Ok(Self { policy, store })
    }

    /// Whether a call's answer is there.
    pub async fn look_up(&self, call: CachedCall<'_>) -> CacheOutcome {
        let name = call.alias.unwrap_or(call.resolved_model);
        if !self.policy.aliases.is_empty() && !self.policy.aliases.iter().any(|alias| alias.matches(name)) {
            return CacheOutcome::Bypass(Bypass::Alias);
        }
        let CachedCall { resolved_model, endpoint, api, request, raw, chance, .. } = call;
        let key = match self.policy.rules.key(resolved_model, endpoint, api, request, raw, chance) {
            Ok(key) => key,
            Err(bypass) => return CacheOutcome::Bypass(bypass),
        };
        match self.store.get(&key).await {
            Err(failure) => CacheOutcome::Miss { key, failure: Some(failure) },
            Ok(None) => CacheOutcome::Miss { key, failure: None },
            Ok(Some(entry)) => {
                // A clock that was set back makes no answer too old.
                let age = call.now.duration_since(entry.stored_at).unwrap_or_default();
                if age < Duration::from_secs(self.policy.ttl_seconds) {
                    CacheOutcome::Hit { key, entry: Box::new(entry), age }
                } else {
                    CacheOutcome::Miss { key, failure: None }
                }
            }
        }
    }

    /// Keeps an answer, if it is a whole one: what was cut off or filtered is asked for again. Says whether it was kept.
    ///
    /// # Errors
    /// When the store fails, which is nothing to fail the call for.
    pub async fn keep(&self, key: &CacheKey, response: &ChatResponse, entry: CacheEntry) -> Result<bool, CacheStoreError> {
        let whole = matches!(response.finish_reason, Some(FinishReason::Complete | FinishReason::ToolUse));
        if whole {
            self.store.put(key, entry).await?;
        }
        Ok(whole)
    }

    /// What the mark `response_cache` says of an outcome.
    pub fn mark(&self, outcome: &CacheOutcome) -> Map<String, Value> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let ttl = self.policy.ttl_seconds.saturating_mul(1000);
        let mark = match outcome {
            CacheOutcome::Hit { key, entry, age } => json!({
                "status": "hit", "key_hash": key.to_string(), "age_ms": millis(*age), "ttl_ms": ttl,
                "saved_tokens": entry.tokens.total(), "saved_cost_usd": entry.cost,
            }),
            CacheOutcome::Miss { key, failure } => json!({
                "status": "miss", "key_hash": key.to_string(), "ttl_ms": ttl, "store_failed": failure.is_some().then_some(true),
            }),
            CacheOutcome::Bypass(reason) => json!({ "status": "bypass", "reason": reason.as_str() }),
        };
        let Value::Object(mark) = mark else { return Map::new() };
        mark.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

/// Answers in memory, the least recently used makes room.
#[derive(Debug)]
pub struct MemoryCache {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<CacheKey, (u64, CacheEntry)>,
    uses: u64,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new(2048)
    }
}

impl MemoryCache {
    /// Room for so many answers.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }
}

#[async_trait]
impl ResponseStore for MemoryCache {
    async fn get(&self, key: &CacheKey) -> Result<Option<CacheEntry>, CacheStoreError> {
        let mut kept = lock(&self.kept);
        kept.uses = kept.uses.saturating_add(1);
        let now = kept.uses;
        Ok(kept.entries.get_mut(key).map(|(used, entry)| {
            *used = now;
            entry.clone()
        }))
    }

    async fn put(&self, key: &CacheKey, entry: CacheEntry) -> Result<(), CacheStoreError> {
        let mut kept = lock(&self.kept);
        kept.uses = kept.uses.saturating_add(1);
        let now = kept.uses;
        kept.entries.insert(*key, (now, entry));
        while kept.entries.len() > self.capacity {
            let oldest = kept.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            oldest.and_then(|key| kept.entries.remove(&key));
        }
        Ok(())
    }
}
