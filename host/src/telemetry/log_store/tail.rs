//! The lines of one execution, from where the last request that was taken ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::engine::EngineError;
use crate::ids::ExecutionId;
use crate::journal::{EntryBody, decode};
use crate::store::{LogFilter, LogSource, Store, StoredLog};
use crate::telemetry::Feed;
use crate::telemetry::feed::Lineage;
use crate::telemetry::identity::{call_scope, flow_scope, span_id};
use crate::telemetry::otlp::Place;

/// Records of the journal read at a time.
const PAGE: u64 = 1024;

/// The lines of one execution that is driven here.
pub(super) struct Tail {
    execution: ExecutionId,
    /// Lines before this moment were sent by whoever drove it then.
    since: Timestamp,
    /// The last line that needs not be sent; none before the first look.
    after: Option<u64>,
    lineage: Option<(Lineage, String)>,
    scopes: Scopes,
    /// It is not driven here any more.
    pub(super) is_stopped: bool,
}

/// Where a tail is when lines of it were taken.
pub(super) struct Head {
    pub(super) execution: ExecutionId,
    after: u64,
}

/// Lines of a tail.
pub(super) struct Piece {
    head: Head,
    lines: Vec<(StoredLog, Place)>,
}

impl Piece {
    /// As much of it as has no more than so many bytes of text; with `at_least_one` its first line in any case. Whether that is all.
    pub(super) fn within(mut self, most: usize, at_least_one: bool) -> (Self, bool) {
        let mut bytes = 0_usize;
        let fits = |(at, (line, _)): &(usize, &(StoredLog, Place))| {
            bytes = bytes.saturating_add(line.row.message.len());
            bytes <= most || (*at == 0 && at_least_one)
        };
        let kept = self.lines.iter().enumerate().take_while(fits).count();
        let is_all = kept == self.lines.len();
        if !is_all {
            self.lines.truncate(kept);
            self.head.after = self.lines.last().map_or(0, |(line, _)| line.id);
        }
        (self, is_all)
    }

    pub(super) fn lines(&self) -> &[(StoredLog, Place)] {
        &self.lines
    }

    pub(super) fn split(self) -> (Head, Vec<(StoredLog, Place)>) {
        (self.head, self.lines)
    }
}

impl Tail {
    pub(super) fn new(execution: ExecutionId, since: Timestamp) -> Self {
        let (after, lineage, scopes) = Default::default();
        Self { execution, since, after, lineage, scopes, is_stopped: false }
    }

    /// It is driven here again: what came meanwhile was sent by whoever drove it.
    pub(super) fn resume(&mut self, since: Timestamp) {
        if std::mem::take(&mut self.is_stopped) {
            self.since = since;
        }
    }

    /// The next lines, at most so many; none where there are none yet.
    ///
    /// # Errors
    /// When the store cannot be read, or the journal in it.
    pub(super) async fn next(&mut self, store: &Arc<dyn Store>, most: u64) -> Result<Option<Piece>, EngineError> {
        let mut after = match self.after {
            Some(after) => after,
            None => self.first(store).await?,
        };
        self.after = Some(after);
        loop {
            let filter = LogFilter { after: Some(after), limit: Some(most), ..LogFilter::default() };
            let read = store.logs(self.execution, &filter).await?;
            let Some(last) = read.last().map(|line| line.id) else { return Ok(None) };
            let ours: Vec<_> = read.into_iter().filter(|line| line.row.at >= self.since).collect();
            if ours.is_empty() {
                // Others' alone: a later look need not read them again.
                (after, self.after) = (last, Some(last));
                continue;
            }
            self.scopes.read(store, self.execution).await?;
            let (lineage, flow) = self.lineage(store).await?;
            let placed = |line: StoredLog| {
                let span = self.scopes.span(self.execution, &line);
                (line, Place { trace: lineage.trace, span, flow: flow.clone() })
            };
            let lines = ours.into_iter().map(placed).collect();
            return Ok(Some(Piece { head: Head { execution: self.execution, after: last }, lines }));
        }
    }

    /// Lines up to there need not be sent again.
    pub(super) fn is_done_with(&mut self, head: &Head) {
        self.after = Some(head.after);
    }

    /// Where to begin. Mostly nothing has come yet, and then what was there before need not be read.
    async fn first(&self, store: &Arc<dyn Store>) -> Result<u64, EngineError> {
        let last = LogFilter { limit: Some(1), ..LogFilter::default() };
        let last = store.logs(self.execution, &last).await?.pop();
        Ok(last.filter(|line| line.row.at < self.since).map_or(0, |line| line.id))
    }

    async fn lineage(&mut self, store: &Arc<dyn Store>) -> Result<(Lineage, String), EngineError> {
        if let Some(known) = &self.lineage {
            return Ok(known.clone());
        }
        let found = Feed::new(store.clone(), self.execution, false).lineage().await?;
        let flow = store.execution(self.execution).await?.new.flow;
        Ok(self.lineage.insert((found, flow)).clone())
    }
}

/// Which scopes of an execution's events began when: the spans that its lines belong to. As the events have them: a call that is run again has
/// another one, and so has the flow when it is reopened.
#[derive(Debug, Default)]
struct Scopes {
    next_seq: u64,
    rounds: Vec<Timestamp>,
    calls: HashMap<u32, Vec<Timestamp>>,
    open: HashSet<u32>,
    /// Attempts that are known, by call, and the scope that they ran in.
    attempts: BTreeMap<(u32, u32), Timestamp>,
}

impl Scopes {
    async fn read(&mut self, store: &Arc<dyn Store>, execution: ExecutionId) -> Result<(), EngineError> {
        loop {
            let page = store.entries(execution, self.next_seq, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for record in &page {
                let seq = record.seq;
                let entry = decode(&record.bytes).map_err(|source| EngineError::Record { execution, seq, source })?;
                self.take(entry.at, &entry.body);
                self.next_seq = seq.saturating_add(1);
            }
        }
    }

    fn take(&mut self, at: Timestamp, body: &EntryBody) {
        match body {
            EntryBody::CallIssued { call, .. } => self.begin(*call, at),
            EntryBody::CallStarted { call, attempt, .. } => {
                self.begin(*call, at);
                self.attempts.insert((*call, *attempt), at);
            }
            EntryBody::AttemptFailed { call, .. } => self.begin(*call, at),
            EntryBody::CallEnded { call, started_at, .. } => {
                self.begin(*call, started_at.unwrap_or(at));
                self.open.remove(call);
            }
            EntryBody::Reopened { .. } => {
                self.open.clear();
                self.rounds.push(at);
            }
            EntryBody::Finished { .. } | EntryBody::Upgraded { .. } => {}
        }
    }

    fn begin(&mut self, call: u32, at: Timestamp) {
        if self.open.insert(call) {
            self.calls.entry(call).or_default().push(at);
        }
    }

    /// The span that a line was written in.
    fn span(&self, execution: ExecutionId, line: &StoredLog) -> [u8; 8] {
        let row = &line.row;
        let before = |moments: &[Timestamp], moment: Timestamp| {
            u32::try_from(moments.iter().filter(|began| **began <= moment).count()).unwrap_or(u32::MAX)
        };
        span_id(match row.source {
            LogSource::Runner => flow_scope(execution, before(&self.rounds, row.at)),
            LogSource::Step => {
                let began = self.attempts.get(&(row.call, row.attempt)).copied().unwrap_or(row.at);
                let scopes = self.calls.get(&row.call).map(Vec::as_slice).unwrap_or_default();
                call_scope(execution, row.call, before(scopes, began).saturating_sub(1))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{CallKind, LogLevel};
    use crate::store::LogRow;
    use crate::telemetry::stage::{at, called, ended, execution_id, started, success};

    fn line(source: LogSource, call: u32, attempt: u32, millis: i64) -> StoredLog {
        let row = LogRow {
            execution: execution_id(1),
            call,
            attempt,
            ordinal: 0,
            at: at(millis),
            level: LogLevel::Info,
            source,
            checkpoint: None,
            module: "log",
            message: String::new(),
        };
        StoredLog { id: 1, row }
    }

    #[test]
    fn a_line_belongs_to_the_scope_that_ran_when_it_was_written() {
        let (id, mut scopes) = (execution_id(1), Scopes::default());
        let checkpoint = called(CallKind::Checkpoint, "a", "a", None);
        scopes.take(at(10), &started(0, 1, Some(checkpoint)));
        scopes.take(at(20), &ended(0, 1, success(), crate::journal::Provenance::Ran));
        scopes.take(at(30), &EntryBody::Reopened { rerun: vec![0], component: None, automatic: false });
        scopes.take(at(40), &started(0, 2, None));
        let of = |source, call, attempt, millis| scopes.span(id, &line(source, call, attempt, millis));
        assert_eq!(of(LogSource::Step, 0, 1, 15), span_id(call_scope(id, 0, 0)));
        assert_eq!(of(LogSource::Step, 0, 2, 45), span_id(call_scope(id, 0, 1)));
        assert_eq!(of(LogSource::Runner, 0, 0, 5), span_id(flow_scope(id, 0)));
        assert_eq!(of(LogSource::Runner, 1, 0, 35), span_id(flow_scope(id, 1)));
        assert_eq!(of(LogSource::Step, 7, 1, 50), span_id(call_scope(id, 7, 0)), "its record is not there yet");
    }
}
