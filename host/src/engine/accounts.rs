//! What one attempt used and was denied, on its way to the store: with the step that ends the attempt, and now and then before that, so that a
//! crash loses little of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::recorder::Step;
use super::run::Run;
use crate::sandbox::{Access, AccessKind, Audit, together};
use crate::store::{AccessRow, Durability};

/// How long after an attempt began what it does is written first, and how long after that it is written again: bodies use much at a time, and each
/// time is a step.
const FIRST: Duration = Duration::from_millis(20);
const AGAIN: Duration = Duration::from_secs(1);

/// Records of accesses of one kind that name their target, of one execution. Kinds have room of their own: who reads many files does not hide where it connects
/// to. Whoever reaches for more is known well enough by then, and does not fill the store.
const MOST_ROWS: usize = 2_000;

/// The room that an execution has for such records.
#[derive(Debug)]
pub(super) struct AccessRoom([AtomicUsize; AccessKind::ALL.len()]);

impl AccessRoom {
    /// The room of an execution that has records of these kinds already.
    pub(super) fn beside<'a>(kept: impl Iterator<Item = &'a str>) -> Self {
        let room = Self(AccessKind::ALL.map(|_| AtomicUsize::new(MOST_ROWS)));
        for word in kept {
            if let Some(kind) = AccessKind::ALL.into_iter().find(|kind| kind.as_str() == word) {
                room.takes(kind);
            }
        }
        room
    }

    /// Takes room for one more; false where there is none.
    fn takes(&self, kind: AccessKind) -> bool {
        let place = AccessKind::ALL.iter().position(|known| *known == kind).and_then(|at| self.0.get(at));
        let taken = place.map(|left| left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)));
        matches!(taken, Some(Ok(_)))
    }

    fn is_used_up(&self) -> bool {
        self.0.iter().all(|left| left.load(Ordering::Acquire) == 0)
    }
}

/// The accounts of one attempt. What they have when they are dropped is recorded by somebody else's step.
pub(super) struct Accounts {
    run: Arc<Run>,
    call: u32,
    attempt: u32,
    checkpoint: String,
    audit: Audit,
    /// The attempt has a record. Before that it could be forgotten, and what it did with it: another one would have its number.
    is_recorded: AtomicBool,
}

impl Accounts {
    pub(super) fn new(run: Arc<Run>, call: u32, attempt: u32, checkpoint: &str) -> Self {
        let audit = Audit::new(run.clock.clone());
        Self { run, call, attempt, checkpoint: checkpoint.to_owned(), audit, is_recorded: AtomicBool::new(false) }
    }

    /// Where it is noted what happens.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// The attempt has a record already.
    pub(super) fn has_record(&self) {
        self.is_recorded.store(true, Ordering::Release);
    }

    /// What is new, to be recorded with a step of the attempt: that gives it a record, or it has one. What an execution does beyond its room is only
    /// counted by kind.
    pub(super) fn let_out(&self) -> Vec<AccessRow> {
        self.has_record();
        let room = &self.run.access_room;
        let (named, others): (Vec<_>, Vec<_>) = self.audit.news().into_iter().partition(|access| room.takes(access.kind));
        named.into_iter().chain(together(others)).map(|access| self.row(access)).collect()
    }

    fn row(&self, access: Access) -> AccessRow {
        let Access { kind, target, allowed, count, first_at, detail } = access;
        AccessRow {
            execution: self.run.id(),
            call: self.call,
            attempt: self.attempt,
            checkpoint: self.checkpoint.clone(),
            kind: kind.as_str().to_owned(),
            target,
            allowed,
            count,
            first_at,
            detail,
        }
    }

    /// Waits for a body whose attempt has a record, and lets out what it does meanwhile. Nobody waits for that to be written.
    pub(super) async fn during<T>(&self, body: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            ended = body => ended,
            never = self.keep_up() => match never {},
        }
    }

    async fn keep_up(&self) -> Infallible {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = AGAIN;
            // A body that only computes, or waits, is left alone.
            self.audit.has_news().await;
            if self.run.access_room.is_used_up() {
                // Where only sums are left, one at the end does.
                return std::future::pending().await;
            }
            self.write();
        }
    }

    fn write(&self) {
        let accesses = self.let_out();
        if accesses.is_empty() {
            return;
        }
        let step = Step { accesses, ..Step::default() };
        if let Err(error) = self.run.recorder.cork(step, Durability::Relaxed) {
            tracing::debug!(error = &error as &dyn std::error::Error, "what an attempt used was not recorded");
        }
    }
}

impl Drop for Accounts {
    /// The attempt was cut short, with its call or its flow: what it did happened all the same.
    fn drop(&mut self) {
        if self.is_recorded.load(Ordering::Acquire) {
            self.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_names_so_many_targets_and_no_more() {
        let room = AccessRoom::beside(std::iter::empty());
        assert_eq!((0..2 * MOST_ROWS).filter(|_| room.takes(AccessKind::Read)).count(), MOST_ROWS);
        assert!(room.takes(AccessKind::Net) && !room.is_used_up(), "one kind hides nothing of another");
        let room = AccessRoom::beside(std::iter::repeat_n("net", MOST_ROWS - 1));
        assert_eq!((room.takes(AccessKind::Net), room.takes(AccessKind::Net)), (true, false), "what was kept before counts");
        let all = AccessKind::ALL.iter().flat_map(|kind| std::iter::repeat_n(kind.as_str(), MOST_ROWS));
        assert!(AccessRoom::beside(all).is_used_up());
    }
}
