//! Journals that are read part by part, kept folded for a while: whoever asks for the next part pays for what is new, and not for all again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// Journals that are kept.
#[derive(Debug, Default)]
pub(super) struct FoldedJournals(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    /// Those that were asked for last at the end.
    kept: VecDeque<Kept>,
    /// Somebody is to come who takes away what nobody asks for.
    is_swept: bool,
}

/// A journal as it was at the last look. Whoever reads on has the lock, and whoever shows it has it as it was.
type Cell = Arc<tokio::sync::Mutex<Arc<JournalRead>>>;

#[derive(Debug)]
struct Kept {
    execution: ExecutionId,
    journal: Cell,
    bytes: u64,
    used_at: Instant,
}

impl FoldedJournals {
    /// The journal of an execution, with all that it has by now.
    pub(super) async fn up_to_date(&self, store: &dyn Store, execution: ExecutionId) -> Result<Arc<JournalRead>, ServiceError> {
        let known = lock(&self.0).kept.iter().find(|kept| kept.execution == execution).map(|kept| kept.journal.clone());
        let cell = known.unwrap_or_default();
        let mut journal = cell.lock().await;
        // Somebody may still be showing it: then this is a copy.
        if let Err(error) = Arc::make_mut(&mut journal).go_on(store, execution).await {
            *journal = Arc::default();
            return Err(error.into());
        }
        let now = journal.clone();
        drop(journal);
        lock(&self.0).keep(Kept { execution, journal: cell, bytes: weight(&now), used_at: Instant::now() }, MOST);
        self.see_to_the_idle();
        Ok(now)
    }

    /// Takes away, in time, what nobody asks for.
    fn see_to_the_idle(&self) {
        let mut shelf = lock(&self.0);
        if shelf.kept.is_empty() || std::mem::replace(&mut shelf.is_swept, true) {
            return;
        }
        let shelf = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                let Some(shelf) = shelf.upgrade() else { return };
                if !lock(&shelf).sweep(Instant::now()) {
                    return;
                }
            }
        });
    }
}

impl Shelf {
    fn keep(&mut self, one: Kept, most: u64) {
        self.kept.retain(|kept| kept.execution != one.execution);
        // It would take the room of all others, and not be there in the end.
        if one.bytes > most {
            return;
        }
        self.kept.push_back(one);
        while self.kept.iter().map(|kept| kept.bytes).sum::<u64>() > most {
            self.kept.pop_front();
        }
    }

    /// Takes away what nobody asked for. Whether it is to be done again.
    fn sweep(&mut self, now: Instant) -> bool {
        self.kept.retain(|kept| now.duration_since(kept.used_at) < IDLE);
        self.is_swept = !self.kept.is_empty();
        self.is_swept
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
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let [a, b, c] = [(); 3].map(|()| SystemIds.execution());
        let there = |shelf: &Shelf| shelf.kept.iter().map(|kept| kept.execution).collect::<Vec<_>>();
        for (execution, bytes) in [(a, 4), (b, 4), (a, 5)] {
            shelf.keep(kept(execution, bytes, now), 10);
        }
        assert_eq!(there(&shelf), [b, a], "each once, the latest last");
        shelf.keep(kept(c, 3, now), 10);
        assert_eq!(there(&shelf), [a, c], "the one that was asked for least lately makes room");
        shelf.keep(kept(b, 11, now), 10);
        assert_eq!(there(&shelf), [a, c], "one that takes more than there is takes nobody's place");
        shelf.keep(kept(a, 11, now), 10);
        shelf.keep(kept(b, 1, now + IDLE), 10);
        assert_eq!(there(&shelf), [c, b]);
        assert!(shelf.sweep(now + IDLE));
        assert_eq!(there(&shelf), [b], "nobody asked for the other");
        assert!(!shelf.sweep(now + 2 * IDLE) && there(&shelf).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_goes() {
        let journals = FoldedJournals::default();
        let there = || lock(&journals.0).kept.len();
        for _ in 0..2 {
            lock(&journals.0).keep(kept(SystemIds.execution(), 1, Instant::now()), 10);
            journals.see_to_the_idle();
            tokio::time::sleep(IDLE / 2).await;
            assert_eq!(there(), 1);
            tokio::time::sleep(2 * IDLE).await;
            assert_eq!(there(), 0);
        }
    }
}
