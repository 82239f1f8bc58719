//! The task that sends: one request at a time, of all executions that have lines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::tail::{Piece, Tail};
use super::{LogKey, LogStoreReport, News, PATIENCE};
use crate::engine::EngineError;
use crate::ids::ExecutionId;
use crate::store::{Store, StoreError};
use crate::telemetry::otlp::{LogSender, Refusal};

/// How often running executions are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Lines of one request.
const LINES: usize = 512;
/// A request is not made larger than this, but by a line that is larger itself.
const BYTES: usize = 2 * 1024 * 1024;
/// The pause after a request that was not taken; then twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// At the end of the process, a request that was not taken is made again so often.
const LAST_TRIES: u32 = 3;

pub(super) struct Shipper {
    store: Arc<dyn Store>,
    sender: LogSender,
    key: Arc<dyn LogKey>,
    tails: BTreeMap<ExecutionId, Tail>,
    report: LogStoreReport,
    /// Requests that were not taken in a row, and when the next one may be made.
    failures: u32,
    not_before: Option<Instant>,
}

/// What became of a request.
enum Sent {
    /// There was nothing to send.
    Nothing,
    /// It was taken or refused for good.
    Done,
    /// It may be taken later.
    Later,
}

impl Shipper {
    pub(super) fn new(store: Arc<dyn Store>, sender: LogSender, key: Arc<dyn LogKey>) -> Self {
        let (tails, report, failures) = Default::default();
        Self { store, sender, key, tails, report, failures, not_before: None }
    }

    pub(super) async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                next = news.recv() => match next {
                    None => return,
                    Some(News::Begun(id, since)) => {
                        self.tails.entry(id).or_insert_with(|| Tail::new(id, since)).resume(since);
                    }
                    Some(News::Stopped(id)) => {
                        if let Some(tail) = self.tails.get_mut(&id) {
                            tail.is_stopped = true;
                        }
                    }
                    Some(News::Finish(done)) => {
                        self.finish().await;
                        // Nobody may wait any more.
                        let _ = done.send(self.report.clone());
                    }
                },
                // One request, so that what happens meanwhile is noticed; then at once the next one, while there is any.
                _ = tick.tick(), if !self.tails.is_empty() => {
                    if self.may_send() && matches!(self.send().await, Sent::Done) {
                        tick.reset_immediately();
                    }
                }
            }
        }
    }

    fn may_send(&self) -> bool {
        self.not_before.is_none_or(|moment| Instant::now() >= moment)
    }

    /// Sends all that is left, as long as there is time.
    async fn finish(&mut self) {
        let (end, mut failed) = (Instant::now() + PATIENCE, 0_u32);
        self.tails.values_mut().for_each(|tail| tail.is_stopped = true);
        loop {
            match tokio::time::timeout_at(end, self.send()).await {
                Ok(Sent::Nothing) => break,
                Ok(Sent::Done) => failed = 0,
                Ok(Sent::Later) if failed < LAST_TRIES && Instant::now() + PAUSE < end => {
                    failed = failed.saturating_add(1);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Sent::Later) => break,
                Err(_) => {
                    self.report
                        .first_error
                        .get_or_insert_with(|| format!("the collector took longer than {} s", PATIENCE.as_secs()));
                    break;
                }
            }
        }
        // Those that had nothing more to send are forgotten by now.
        let left = u64::try_from(self.tails.len()).unwrap_or(u64::MAX);
        self.report.unfinished = self.report.unfinished.saturating_add(left);
    }

    /// Makes one request of what there is.
    async fn send(&mut self) -> Sent {
        let pieces = self.gather().await;
        if pieces.is_empty() {
            return Sent::Nothing;
        }
        let (heads, lines): (Vec<_>, Vec<_>) = pieces.into_iter().map(Piece::split).unzip();
        let lines: Vec<_> = lines.into_iter().flatten().collect();
        let sent = match self.key.key().await {
            Ok(key) => self.sender.send(&lines, key.as_ref()).await,
            Err(why) => Err(Refusal { why, may_pass: true }),
        };
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let refused = match sent {
            Ok(refused) => refused.min(count),
            Err(Refusal { why, may_pass }) => {
                self.note(why);
                if may_pass {
                    self.failures = self.failures.saturating_add(1);
                    self.not_before = Some(Instant::now() + pause_after(self.failures));
                    return Sent::Later;
                }
                count
            }
        };
        (self.failures, self.not_before) = (0, None);
        self.report.refused = self.report.refused.saturating_add(refused);
        self.report.sent = self.report.sent.saturating_add(count.saturating_sub(refused));
        for head in &heads {
            if let Some(tail) = self.tails.get_mut(&head.execution) {
                tail.is_done_with(head);
            }
        }
        Sent::Done
    }

    /// Lines of as many executions as go into one request. Those that have none and get no more are forgotten.
    async fn gather(&mut self) -> Vec<Piece> {
        let (mut pieces, mut room, mut bytes) = (Vec::new(), LINES, BYTES);
        for id in self.tails.keys().copied().collect::<Vec<_>>() {
            if room == 0 || bytes == 0 {
                break;
            }
            let Some(tail) = self.tails.get_mut(&id) else { continue };
            match tail.next(&self.store, u64::try_from(room).unwrap_or(u64::MAX)).await {
                Ok(Some(piece)) => {
                    let (piece, is_all) = piece.within(bytes, pieces.is_empty());
                    room = room.saturating_sub(piece.lines().len());
                    let taken: usize = piece.lines().iter().map(|(line, _)| line.row.message.len()).sum();
                    bytes = if is_all { bytes.saturating_sub(taken) } else { 0 };
                    if !piece.lines().is_empty() {
                        pieces.push(piece);
                    }
                }
                // What it came to was stored before it was told to have stopped.
                Ok(None) => {
                    if tail.is_stopped {
                        self.tails.remove(&id);
                    }
                }
                // It is about to be created, or was deleted since.
                Err(EngineError::Store(StoreError::NotFound { .. })) => {
                    if tail.is_stopped {
                        self.tails.remove(&id);
                    }
                }
                Err(error) if error.may_pass() => tracing::debug!(execution = %id, "lines are read again later"),
                Err(error) => {
                    self.note(error.to_string());
                    self.report.unfinished = self.report.unfinished.saturating_add(1);
                    self.tails.remove(&id);
                }
            }
        }
        pieces
    }

    fn note(&mut self, why: String) {
        if self.report.first_error.is_none() {
            tracing::warn!(why, "the log store does not take what is sent");
            self.report.first_error = Some(why);
        }
    }
}

/// How long after so many failed requests in a row the next one waits.
fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let millis: Vec<u128> = [1, 2, 3, 7, u32::MAX].map(|failures| pause_after(failures).as_millis()).into();
        assert_eq!(millis, [500, 1_000, 2_000, 30_000, 30_000]);
    }
}
