//! The cache of answers, from first call to last.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::cache::{
    CacheEntry, CacheOutcome, CachePolicy, CacheStoreError, CachedCall, MemoryCache, ResponseCache, ResponseStore,
};
use super::cache_key::{Bypass, CacheKey, KeyRules};
use crate::chat::{ChatRequest, ChatResponse, FinishReason, Message, RawRequest};
use crate::price::NanoUsd;
use crate::usage::TokenCounts;

fn request(text: &str) -> ChatRequest {
    let mut request = ChatRequest::new("m", vec![Message::user(text)]);
    request.params.temperature = Some(0.0);
    request
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn entry(seconds: u64) -> CacheEntry {
    let cost = Some(NanoUsd::from_nanos(2_000_000));
    CacheEntry { stored_at: at(seconds), response: json!({ "a": 1 }), model: None, tokens: TokenCounts::of(10, 5), cost }
}

fn cache(aliases: &[&str], store: Arc<dyn ResponseStore>) -> ResponseCache {
    let aliases = aliases.iter().map(|alias| (*alias).into()).collect();
    ResponseCache::new(CachePolicy { rules: KeyRules::of("n"), ttl_seconds: 60, aliases }, store).unwrap()
}

async fn look_up(cache: &ResponseCache, alias: Option<&str>, text: &str, now: u64) -> CacheOutcome {
    let (request, raw) = (request(text), RawRequest::default());
    let call = CachedCall {
        alias,
        resolved_model: "openai/m",
        endpoint: "e",
        api: None,
        request: &request,
        raw: &raw,
        chance: 0.5,
        now: at(now),
    };
    cache.look_up(call).await
}

fn whole() -> ChatResponse {
    ChatResponse { finish_reason: Some(FinishReason::Complete), ..ChatResponse::default() }
}

#[tokio::test]
async fn a6_the_second_identical_call_is_answered_and_costs_nothing() {
    let cache = cache(&[], Arc::new(MemoryCache::default()));
    let first = look_up(&cache, None, "q", 100).await;
    let CacheOutcome::Miss { key, failure: None } = first else { panic!("{first:?}") };
    assert_eq!(Value::Object(cache.mark(&first)), json!({ "status": "miss", "key_hash": key.to_string(), "ttl_ms": 60_000 }));
    assert!(cache.keep(&key, &whole(), entry(100)).await.unwrap());

    let second = look_up(&cache, None, "q", 130).await;
    assert!(matches!(&second, CacheOutcome::Hit { entry: found, .. } if **found == entry(100)));
    assert_eq!(
        Value::Object(cache.mark(&second)),
        json!({ "status": "hit", "key_hash": key.to_string(), "age_ms": 30_000, "ttl_ms": 60_000, "saved_tokens": 15, "saved_cost_usd": 0.002 })
    );
    assert!(matches!(look_up(&cache, None, "other", 130).await, CacheOutcome::Miss { .. }));
    assert!(matches!(look_up(&cache, None, "q", 160).await, CacheOutcome::Miss { .. }));
    assert!(matches!(look_up(&cache, None, "q", 1).await, CacheOutcome::Hit { age: Duration::ZERO, .. }));
}

#[tokio::test]
async fn what_was_cut_off_is_not_kept() {
    let cache = cache(&[], Arc::new(MemoryCache::default()));
    let CacheOutcome::Miss { key, .. } = look_up(&cache, None, "q", 0).await else { panic!() };
    for reason in [None, Some(FinishReason::Length), Some(FinishReason::ContentFilter), Some(FinishReason::Unknown("x".into()))] {
        assert!(!cache.keep(&key, &ChatResponse { finish_reason: reason, ..ChatResponse::default() }, entry(0)).await.unwrap());
    }
    assert!(matches!(look_up(&cache, None, "q", 0).await, CacheOutcome::Miss { .. }));
}

#[tokio::test]
async fn other_aliases_are_not_cached() {
    let cache = cache(&["fast"], Arc::new(MemoryCache::default()));
    assert!(matches!(look_up(&cache, Some("fast"), "q", 0).await, CacheOutcome::Miss { .. }));
    let outcome = look_up(&cache, Some("smart"), "q", 0).await;
    assert!(matches!(outcome, CacheOutcome::Bypass(Bypass::Alias)));
    assert_eq!(Value::Object(cache.mark(&outcome)), json!({ "status": "bypass", "reason": "alias" }));
}

struct Broken;

#[async_trait]
impl ResponseStore for Broken {
    async fn get(&self, _: &CacheKey) -> Result<Option<CacheEntry>, CacheStoreError> {
        Err(CacheStoreError("gone".into()))
    }

    async fn put(&self, _: &CacheKey, _: CacheEntry) -> Result<(), CacheStoreError> {
        Err(CacheStoreError("gone".into()))
    }
}

#[tokio::test]
async fn a_store_that_fails_is_a_miss() {
    let cache = cache(&[], Arc::new(Broken));
    let outcome = look_up(&cache, None, "q", 0).await;
    assert!(matches!(outcome, CacheOutcome::Miss { failure: Some(_), .. }));
    assert_eq!(cache.mark(&outcome)["store_failed"], true);
}

#[tokio::test]
async fn the_least_recently_used_makes_room() {
    let (rules, raw) = (KeyRules::of("n"), RawRequest::default());
    let key = |text: &str| rules.key("a/m", "e", None, &request(text), &raw, 0.5).unwrap();
    let store = MemoryCache::new(2);
    for text in ["a", "b"] {
        store.put(&key(text), entry(0)).await.unwrap();
    }
    assert!(store.get(&key("a")).await.unwrap().is_some());
    store.put(&key("c"), entry(0)).await.unwrap();
    assert!(store.get(&key("b")).await.unwrap().is_none());
    assert!(store.get(&key("a")).await.unwrap().is_some());
}
