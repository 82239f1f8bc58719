//! Answers of models that outlive the process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kitaru_llm::policy::{CacheEntry, CacheKey, CacheStoreError, ResponseStore};

use crate::clock::Clock;
use crate::store::{AnswerBounds, ModelAnswer, Store, StoreError, get_bytes, put_bytes};

/// The answers that a store keeps, for all processes of its data folder.
pub struct StoredAnswers {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bounds: AnswerBounds,
    keep_for: Duration,
}

impl std::fmt::Debug for StoredAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswers").field("bounds", &self.bounds).field("keep_for", &self.keep_for).finish_non_exhaustive()
    }
}

impl StoredAnswers {
    /// 4096 answers of 256 MiB altogether.
    pub const BOUNDS: AnswerBounds = AnswerBounds { entries: 4096, bytes: 256 << 20 };

    /// The answers of this store: within these bounds, and each for as long as `keep_for`, which is to be at least as long as the cache's policy
    /// takes an answer for fresh.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, bounds: AnswerBounds, keep_for: Duration) -> Self {
        Self { store, clock, bounds, keep_for }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CacheStoreError {
    CacheStoreError(error.into())
}

#[async_trait]
impl ResponseStore for StoredAnswers {
    async fn get(&self, key: &CacheKey) -> Result<Option<CacheEntry>, CacheStoreError> {
        let Some(payload) = self.store.answer(*key.as_bytes(), self.clock.now()).await.map_err(failed)? else { return Ok(None) };
        match get_bytes(&*self.store, &payload).await {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(failed),
            // It made room, and its value was swept, since it was found.
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn put(&self, key: &CacheKey, entry: CacheEntry) -> Result<(), CacheStoreError> {
        let bytes = serde_json::to_vec(&entry).map_err(failed)?;
        if bytes.len() as u64 > self.bounds.bytes {
            return Ok(());
        }
        let now = self.clock.now();
        let answer = put_bytes(&*self.store, bytes).await.map_err(failed)?;
        let answer = ModelAnswer { key: *key.as_bytes(), answer, expires_at: Some(now.after(self.keep_for)) };
        self.store.keep_answer(answer, self.bounds, now).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::SystemTime;

    use kitaru_llm::policy::prompt_key;
    use kitaru_llm::price::NanoUsd;
    use kitaru_llm::usage::TokenCounts;
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::sqlite::SqliteStore;

    #[derive(Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    fn answers(folder: &Path, bytes: u64) -> (StoredAnswers, Arc<Hands>) {
        let clock = Arc::new(Hands::default());
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder).unwrap());
        let bounds = AnswerBounds { entries: 10, bytes };
        (StoredAnswers::new(store, Arc::clone(&clock) as Arc<dyn Clock>, bounds, Duration::from_secs(60)), clock)
    }

    fn key(text: &str) -> CacheKey {
        prompt_key(&[json!({ "role": "user", "content": text })], "m", 10)
    }

    fn entry(text: &str) -> CacheEntry {
        let stored_at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_790_000_000_123_456_789);
        let cost = Some(NanoUsd::from_nanos(2_800_001));
        CacheEntry { stored_at, response: json!({ "text": text }), model: Some("m".into()), tokens: TokenCounts::of(10, 5), cost }
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_was_small_or_large() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 10_000, 300_000] {
            let text = "é".repeat(size);
            let (first, _) = answers(folder.path(), 1 << 20);
            assert_eq!(first.get(&key(&text)).await.unwrap(), None);
            first.put(&key(&text), entry(&text)).await.unwrap();
            drop(first);
            let (second, clock) = answers(folder.path(), 1 << 20);
            assert_eq!(second.get(&key(&text)).await.unwrap(), Some(entry(&text)), "{size}");
            clock.0.store(60_000_000, Ordering::Relaxed);
            assert_eq!(second.get(&key(&text)).await.unwrap(), None, "too old");
        }
    }

    #[tokio::test]
    async fn an_answer_that_fits_nowhere_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (answers, _) = answers(folder.path(), 5_000);
        answers.put(&key("a"), entry("a")).await.unwrap();
        answers.put(&key("b"), entry(&"b".repeat(6_000))).await.unwrap();
        assert_eq!(answers.get(&key("b")).await.unwrap(), None);
        assert_eq!(answers.get(&key("a")).await.unwrap(), Some(entry("a")), "and nothing made room for it");
        assert_eq!(answers.store.sweep(Duration::ZERO).await.unwrap(), 0, "nor is it in the folder");
    }
}
