//! What lists say of executions, without reading their journals.
//!
//! A brief is what an execution's journal and its records of model calls come to, up to a place in both, and is kept beside it. A list asks how long
//! they are by now, which the ends of two indexes tell; where a brief counts less than that, it is carried on by what came since. So lists read every
//! record once in its life, however often and by however many they are asked for.
//!
//! One thing in it can change without a record: what a call took over from another execution, a replay's source or whoever filled the cache, is shown
//! as long as that execution is there. So it is counted by whom it is from, and a list looks who is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kitaru_llm::usage::UsageSummary;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use super::costs::{Used, lost, records_of, reused_by};
use crate::engine::{EngineError, SaveType, artifacts_of, read_journal};
use crate::ids::{CallId, ExecutionId};
use crate::journal::{AttemptStatus, CallKind, Descriptor, EntryBody, History, Outcome, decode};
use crate::store::{BriefRow, ExecutionRow, NewBrief, SavedBy, Status, Store, StoreError};

/// Of what is counted, and how: another number makes briefs anew.
const VERSION: u32 = 3;
/// Records read at a time.
const PAGE: u64 = 512;
/// While an execution runs, its brief is kept anew when so many records came: to read fewer again and again costs less than to write.
const WORTH: u64 = 64;

/// What an execution's records come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Brief {
    version: u32,
    /// How many records of the journal are counted.
    records: u64,
    /// The position of the last record of a model call that is.
    model_calls: u64,
    /// How many durable calls there are.
    calls: u32,
    /// How many of them are checkpoints.
    pub(super) checkpoints: usize,
    /// How many artifacts there are, but for those that other executions saved.
    artifacts: usize,
    /// How many others saved that calls were served from, by who that is. None: it was gone when this was counted. Who saved none is not named.
    reused: BTreeMap<ExecutionId, Option<usize>>,
    /// How many of these there are now.
    #[serde(skip)]
    still: usize,
    used: UsageSummary,
    /// Calls that have not ended: few. What their ends mean depends on what they are.
    open: BTreeMap<u32, Open>,
    /// The attempts of these, and of calls that are not counted yet, of which it is counted already what they used.
    recorded: BTreeSet<(u32, u32)>,
    /// Attempts that are over with their execution, and left no record of whom they asked.
    #[serde(skip)]
    cut_off: usize,
}

/// A call that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    is_checkpoint: bool,
    /// It asks a model.
    is_model: bool,
    /// Its last attempt; 0 where none began.
    attempt: u32,
}

impl Open {
    fn of(descriptor: &Descriptor) -> Self {
        let kind = descriptor.kind;
        Self { is_checkpoint: kind.is_checkpoint(), is_model: kind == CallKind::Llm, attempt: 0 }
    }
}

/// The briefs of these, in order.
pub(super) async fn of(store: &dyn Store, rows: &[ExecutionRow]) -> Result<Vec<Brief>, ServiceError> {
    let ids: Vec<ExecutionId> = rows.iter().map(|row| row.new.id).collect();
    let known = store.briefs(&ids).await?.into_iter().map(|found| (found.execution, (Brief::kept_in(&found), found)));
    let mut known: HashMap<ExecutionId, (Option<Brief>, BriefRow)> = known.collect();
    let sources = known.values().flat_map(|(kept, _)| kept).flat_map(|kept| kept.reused.keys().copied());
    let there = there(store, sources.collect()).await?;
    let (mut briefs, mut keep) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let Some((kept, found)) = known.remove(&row.new.id).filter(|(_, found)| (found.records, found.model_calls) != (0, 0))
        else {
            briefs.push(Brief::default());
            continue;
        };
        let kept = kept.and_then(|kept| kept.beside(&there));
        let counted = kept.as_ref().map_or(0, |kept| kept.records);
        let brief = match kept {
            Some(kept) if (kept.records, kept.model_calls) == (found.records, found.model_calls) => kept,
            kept => {
                let (brief, is_sound) = Brief::carried_on(store, row.new.id, kept).await?;
                if is_sound && (row.status != Status::Running || brief.records >= counted.saturating_add(WORTH)) {
                    keep.extend(brief.to_keep(row.new.id));
                }
                brief
            }
        };
        briefs.push(brief.with_status(row.status));
    }
    if !keep.is_empty() {
        // Who only looks neither waits for the disk nor is refused because nothing can be written: the next one counts again.
        drop(store.keep_briefs(keep));
    }
    Ok(briefs)
}

/// Those of these executions that are there.
async fn there(store: &dyn Store, executions: BTreeSet<ExecutionId>) -> Result<HashSet<ExecutionId>, ServiceError> {
    if executions.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(store.known(executions.into_iter().collect()).await?.into_iter().collect())
}

impl Brief {
    /// The brief that is kept of an execution, if it can be read.
    fn kept_in(found: &BriefRow) -> Option<Self> {
        let kept = found.kept.as_ref().and_then(|text| serde_json::from_str::<Self>(text).ok());
        kept.filter(|kept| kept.version == VERSION)
    }

    /// The same, where of its sources these are there. None where one is back that was gone: what that saved was not counted.
    fn beside(mut self, there: &HashSet<ExecutionId>) -> Option<Self> {
        self.still = 0;
        for (source, saved) in &self.reused {
            match (saved, there.contains(source)) {
                (None, true) => return None,
                (Some(saved), true) => self.still += saved,
                (_, false) => {}
            }
        }
        Some(self)
    }

    /// The same of an execution that has this status.
    fn with_status(mut self, status: Status) -> Self {
        let lost = self.open.iter().filter_map(|(call, open)| self.lost(*call, open)).count();
        self.cut_off = if status.is_terminal() { lost } else { 0 };
        self
    }

    /// The last attempt of a call, if it asked a model and left no record that is counted yet.
    fn lost(&self, call: u32, open: &Open) -> Option<(u32, u32)> {
        let attempt = (call, open.attempt);
        (open.is_model && open.attempt > 0 && !self.recorded.contains(&attempt)).then_some(attempt)
    }

    /// How many artifacts there are.
    pub(super) fn artifacts(&self) -> usize {
        self.artifacts + self.still
    }

    /// What the model calls used; nothing where none was made.
    pub(super) fn used(&self) -> Option<UsageSummary> {
        let mut used = self.used.clone();
        (0..self.cut_off).for_each(|_| used.count(&lost()));
        Some(used).filter(|used| used.usage_record_count > 0)
    }

    /// The brief of an execution as it stands now, and whether its journal could be read.
    async fn carried_on(store: &dyn Store, id: ExecutionId, kept: Option<Self>) -> Result<(Self, bool), ServiceError> {
        if let Some(mut brief) = kept
            && brief.go_on(store, id).await?
        {
            return Ok((brief, true));
        }
        Self::whole(store, id).await
    }

    /// Counts everything.
    async fn whole(store: &dyn Store, id: ExecutionId) -> Result<(Self, bool), ServiceError> {
        let (history, is_sound) = match read_journal(store, id).await {
            Ok(journal) => (journal.history, true),
            // One damaged journal must not hide other executions (E13), nor one that was deleted meanwhile.
            Err(EngineError::Record { .. } | EngineError::History { .. }) => (History::default(), false),
            Err(EngineError::Store(StoreError::NotFound { .. })) => return Ok((Self::default(), false)),
            Err(error) => return Err(error.into()),
        };
        let calls = history.calls();
        let rows = store.model_usage_after(id, 0).await?;
        let checkpoints = || calls.iter().filter(|call| call.descriptor.kind.is_checkpoint());
        let sources = checkpoints().filter_map(|call| call.end.as_ref()?.provenance.source());
        let sources: BTreeSet<ExecutionId> = sources.map(|call| call.execution).collect();
        // Before their artifacts are read: what comes back or goes in between is noticed by whoever reads this brief next.
        let there = there(store, sources.clone()).await?;
        let gone = sources.into_iter().filter(|source| !there.contains(source));
        let mut reused: BTreeMap<ExecutionId, Option<usize>> = gone.map(|source| (source, None)).collect();
        let mut artifacts = 0;
        let shown = if history.is_empty() { Vec::new() } else { artifacts_of(store, id, &history).await? };
        for entry in shown {
            // Outputs stand in this journal too.
            if entry.save_type == SaveType::StepOutput || entry.origin == id {
                artifacts += 1;
            } else if let Some(saved) = reused.entry(entry.origin).or_insert(Some(0)) {
                *saved += 1;
            }
        }
        let open = (0..).zip(calls).filter(|(_, call)| call.end.is_none()).map(|(index, call)| {
            let attempt = call.attempts.last().map_or(0, |attempt| attempt.number);
            (index, Open { attempt, ..Open::of(&call.descriptor) })
        });
        let open: BTreeMap<u32, Open> = open.collect();
        let recorded = rows.iter().filter(|row| open.contains_key(&row.call) || row.call >= history.len());
        let recorded = recorded.map(|row| (row.call, row.attempt));
        // A call that was reopened has attempts that are over.
        let over = (0..).zip(calls).filter(|(index, _)| open.contains_key(index)).flat_map(|(index, call)| {
            let over = call.attempts.iter().filter(|attempt| attempt.status != AttemptStatus::Running);
            over.map(move |attempt| (index, attempt.number))
        });
        let brief = Self {
            version: VERSION,
            records: history.next_seq,
            model_calls: rows.last().map_or(0, |row| row.position),
            calls: history.len(),
            checkpoints: checkpoints().count(),
            artifacts,
            still: reused.values().flatten().sum(),
            reused,
            // Whoever shows it says whether the execution has ended.
            used: Used::of(&rows, calls, Status::Running).total().unwrap_or_default(),
            recorded: recorded.chain(over).collect(),
            cut_off: 0,
            open,
        };
        Ok((brief, is_sound))
    }

    /// Counts what came since. False where that can be told from everything only: then what is counted is of no use.
    async fn go_on(&mut self, store: &dyn Store, id: ExecutionId) -> Result<bool, ServiceError> {
        let (mut here, mut elsewhere, mut over) = (Vec::new(), Vec::new(), BTreeSet::new());
        loop {
            let records = match store.entries(id, self.records, PAGE).await {
                Ok(records) => records,
                Err(StoreError::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            for record in &records {
                let Ok(entry) = decode(&record.bytes) else { return Ok(false) };
                if entry.seq != self.records {
                    return Ok(false);
                }
                match self.take(id, entry.body, &mut over) {
                    Taken::No => return Ok(false),
                    Taken::Yes => {}
                    Taken::Saved(by) if by.attempt.is_some() => here.push(by),
                    Taken::Saved(by) => elsewhere.push(by),
                }
                self.records += 1;
            }
            if (records.len() as u64) < PAGE {
                break;
            }
        }
        // Which attempt decided a call that was served, only the other journal tells; and who is gone is to be named.
        let sources: BTreeSet<ExecutionId> = elsewhere.iter().map(|by| by.execution).collect();
        if there(store, sources.clone()).await?.len() < sources.len() || store.count_saved(elsewhere).await? > 0 {
            return Ok(false);
        }
        self.artifacts += usize::try_from(store.count_saved(here).await?).unwrap_or(usize::MAX);
        for row in store.model_usage_after(id, self.model_calls).await? {
            records_of(&row).iter().for_each(|record| self.used.count(record));
            self.model_calls = row.position;
            let attempt = (row.call, row.attempt);
            over.remove(&attempt);
            if self.open.contains_key(&row.call) || row.call >= self.calls {
                self.recorded.insert(attempt);
            }
        }
        // Their records would have come before what tells that they are over.
        over.iter().for_each(|_| self.used.count(&lost()));
        Ok(true)
    }

    /// Counts a record of the journal. Attempts that are over with it, and that may have left no record of whom they asked, go to `over`.
    fn take(&mut self, id: ExecutionId, body: EntryBody, over: &mut BTreeSet<(u32, u32)>) -> Taken {
        let known = match body {
            EntryBody::CallIssued { call, descriptor } => self.call(call, Some(&descriptor)).is_some(),
            EntryBody::CallStarted { call, attempt, descriptor, .. } => {
                let Some(open) = self.call(call, descriptor.as_ref()) else { return Taken::No };
                let before = std::mem::replace(&mut open.attempt, attempt);
                let before = Open { attempt: before, ..open.clone() };
                over.extend(self.lost(call, &before));
                true
            }
            EntryBody::AttemptFailed { call, .. } => self.open.contains_key(&call),
            EntryBody::CallEnded { call, attempt, descriptor, outcome, provenance, metadata, started_at } => {
                let Some(open) = self.call(call, descriptor.as_ref()) else { return Taken::No };
                let last = if started_at.is_some() { attempt } else { open.attempt };
                let ended = Open { attempt: last, ..open.clone() };
                let is_checkpoint = ended.is_checkpoint;
                over.extend(self.lost(call, &ended));
                self.open.remove(&call);
                self.recorded.retain(|(of, _)| *of != call);
                reused_by(&provenance, metadata.as_ref()).iter().for_each(|record| self.used.count(record));
                if !is_checkpoint {
                    return Taken::Yes;
                }
                self.artifacts += usize::from(matches!(outcome, Outcome::Success(_)));
                return Taken::Saved(match provenance.source() {
                    Some(CallId { execution, index }) => SavedBy { execution, call: index, attempt: None },
                    None => SavedBy { execution: id, call, attempt: Some(last) },
                });
            }
            EntryBody::Finished { .. } | EntryBody::Upgraded { .. } => true,
            // Calls are dropped, and what they came to with them.
            EntryBody::Reopened { .. } => false,
        };
        if known { Taken::Yes } else { Taken::No }
    }

    /// The open call at this index, which may be a new one.
    fn call(&mut self, index: u32, descriptor: Option<&Descriptor>) -> Option<&mut Open> {
        if index == self.calls {
            let open = Open::of(descriptor?);
            self.calls = self.calls.saturating_add(1);
            self.checkpoints += usize::from(open.is_checkpoint);
            self.open.insert(index, open);
        }
        self.open.get_mut(&index)
    }

    fn to_keep(&self, execution: ExecutionId) -> Option<NewBrief> {
        let brief = serde_json::to_string(self).ok()?;
        Some(NewBrief { execution, records: self.records, model_calls: self.model_calls, brief })
    }
}

/// What became of a record.
enum Taken {
    /// It is counted.
    Yes,
    /// So it is, but for the artifacts that these saved.
    Saved(SavedBy),
    /// It cannot be counted by itself.
    No,
}
