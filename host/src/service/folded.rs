//! Journals that are read part by part, kept folded for a while: whoever asks for the next part pays for what is new, and not for all again.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::ServiceError;
use crate::engine::JournalRead;
use crate::ids::ExecutionId;
use crate::journal::CallRecord;
use crate::mutex::lock;
use crate::store::Store;

/// They take so much memory altogether, in bytes. What takes more by itself is not kept.
const MOST: u64 = 64 << 20;
/// For so long one is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(60);

/// Journals that are kept, those that were asked for last at the end.
#[derive(Debug, Default)]
pub(super) struct FoldedJournals(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    execution: ExecutionId,
    journal: Arc<tokio::sync::Mutex<JournalRead>>,
    bytes: u64,
    used_at: Instant,
}

/// A journal as it is now. Until it is dropped, others who ask for the same wait.
pub(super) struct Folded(OwnedMutexGuard<JournalRead>);

impl Deref for Folded {
    type Target = JournalRead;

    fn deref(&self) -> &JournalRead {
        &self.0
    }
}

impl FoldedJournals {
    /// The journal of an execution, with all that it has by now.
    pub(super) async fn up_to_date(&self, store: &dyn Store, execution: ExecutionId) -> Result<Folded, ServiceError> {
        let known = lock(&self.0).iter().find(|kept| kept.execution == execution).map(|kept| kept.journal.clone());
        let cell = known.unwrap_or_default();
        let mut journal = cell.clone().lock_owned().await;
        if let Err(error) = journal.go_on(store, execution).await {
            *journal = JournalRead::default();
            return Err(error.into());
        }
        let bytes = weight(&journal);
        self.keep(Kept { execution, journal: cell, bytes, used_at: Instant::now() }, MOST);
        Ok(Folded(journal))
    }

    fn keep(&self, one: Kept, most: u64) {
        let now = one.used_at;
        let mut all = lock(&self.0);
        all.retain(|kept| kept.execution != one.execution && now.duration_since(kept.used_at) < IDLE);
        all.push_back(one);
        while all.iter().map(|kept| kept.bytes).sum::<u64>() > most {
            all.pop_front();
        }
    }
}

/// About what a journal takes in memory, in bytes.
fn weight(journal: &JournalRead) -> u64 {
    let calls = u64::from(journal.history.len()).saturating_mul(size_of::<CallRecord>() as u64);
    journal.record_bytes.saturating_mul(2).saturating_add(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    fn kept(execution: ExecutionId, bytes: u64, used_at: Instant) -> Kept {
        Kept { execution, journal: Arc::default(), bytes, used_at }
    }

    #[test]
    fn the_oldest_make_room_and_what_is_too_large_is_not_kept() {
        let (journals, now) = (FoldedJournals::default(), Instant::now());
        let [a, b, c] = [(); 3].map(|()| SystemIds.execution());
        let there = || lock(&journals.0).iter().map(|kept| kept.execution).collect::<Vec<_>>();
        for (execution, bytes) in [(a, 4), (b, 4), (a, 5)] {
            journals.keep(kept(execution, bytes, now), 10);
        }
        assert_eq!(there(), [b, a], "each once, the latest last");
        journals.keep(kept(c, 3, now), 10);
        assert_eq!(there(), [a, c], "the one that was asked for least lately makes room");
        journals.keep(kept(b, 11, now), 10);
        assert_eq!(there(), [], "one that takes more than there is");
        journals.keep(kept(a, 1, now), 10);
        journals.keep(kept(b, 1, now + IDLE), 10);
        assert_eq!(there(), [b], "nobody asked for the other");
    }
}
