//! Would this execution still run (E15)? Its hash chain is checked, and its flow is re-executed, with its own or another component, writing
//! nothing. And where the answer is yes, a waiting execution can be moved to that component.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::dry_run::{DryCalls, Frontier, Silent};
use super::events::Observer;
use super::governed::Governed;
use super::journals::read_journal;
use super::lease::LeaseGuard;
use super::models::ModelNames;
use super::recorder::Step;
use super::runners::RunnerNews;
use super::submit::pick_flow;
use super::wanted::Wanted;
use super::{Engine, EngineError, FrozenSpec};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{CanonicalJson, Cursor, EntryBody, Failure, Invocations, chain};
use crate::sandbox::{FlowClock, FlowRun, Program, Ran, Stop};
use crate::store::{Durability, ExecutionRow, Status, StatusChange, StoreError, get_text};

/// How long a drive may take to find out that it only waits; and one of another process, to say so. The machine may be busy.
const TO_SETTLE: Duration = Duration::from_secs(2);
/// How long one may take to leave that was asked to.
const TO_LEAVE: Duration = Duration::from_secs(10);
/// How often it is looked whether a drive of another process has been told to leave, and whether it still lives where the platform does not tell.
const BREATH: Duration = Duration::from_millis(20);

/// What came of checking one execution.
#[derive(Debug)]
pub struct Verification {
    /// Which.
    pub execution: ExecutionId,
    /// As it stands.
    pub row: ExecutionRow,
    /// The component that it was checked against.
    pub component: ComponentDigest,
    /// Records of its journal.
    pub records: u64,
    /// The first record whose link does not follow from those before it.
    pub broken_at: Option<u64>,
    /// Calls that the flow made.
    pub made: u32,
    /// How the re-execution ended.
    pub verdict: Verdict,
}

/// How a re-execution ended.
#[derive(Debug)]
pub enum Verdict {
    /// The flow makes the recorded calls, and comes to the recorded end, or to where it waits.
    Holds,
    /// It does not; the failure says where and how.
    Diverges(Failure),
    /// It could not be tried: the component has no such flow, or the journal cannot be read. Or what stands beside the journal is not what it says.
    Unknown(String),
}

impl Verification {
    /// Whether the execution would go on as it is.
    pub fn holds(&self) -> bool {
        self.broken_at.is_none() && matches!(self.verdict, Verdict::Holds)
    }
}

impl Engine {
    /// Checks an execution against its own component or another. Nothing is written.
    ///
    /// # Errors
    /// When the execution does not exist, the component cannot run here, or the store cannot be read.
    pub async fn verify(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<Verification, EngineError> {
        let row = self.store.execution(id).await?;
        let (records, broken_at) = self.check_chain(id).await?;
        let digest = component.map_or(row.new.component, ComponentDigest::of);
        let program = match component {
            Some(bytes) => self.program(bytes).await?,
            None => self.stored_program(digest).await?,
        };
        let made = Arc::new(AtomicU32::new(0));
        let verdict = match broken_at {
            Some(seq) => Verdict::Unknown(format!("the hash chain is broken at record {seq}")),
            None => self.re_execute(&row, &program, &made).await?,
        };
        let made = made.load(Ordering::Acquire);
        Ok(Verification { execution: id, row, component: digest, records, broken_at, made, verdict })
    }

    /// How many records there are, and the first whose link is not that of its bytes.
    async fn check_chain(&self, id: ExecutionId) -> Result<(u64, Option<u64>), EngineError> {
        let (mut link, mut records, mut broken) = ([0; 32], 0, None);
        let mut journal = self.store.read_ahead(id, 0, u64::MAX).await?;
        while let Some(page) = journal.next().await? {
            for entry in page {
                link = chain(&link, &entry.bytes);
                if broken.is_none() && (entry.seq != records || entry.link != link) {
                    broken = Some(records);
                }
                records = entry.seq.saturating_add(1);
            }
        }
        Ok((records, broken))
    }

    async fn re_execute(
        &self,
        row: &ExecutionRow,
        program: &Arc<Program>,
        made: &Arc<AtomicU32>,
    ) -> Result<Verdict, EngineError> {
        let id = row.new.id;
        let history = match read_journal(self.store.as_ref(), id).await {
            Ok(journal) => journal.history,
            Err(error @ (EngineError::Record { .. } | EngineError::History { .. })) => {
                return Ok(Verdict::Unknown(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        if let Err(error) = pick_flow(program.manifest(), Some(&row.new.flow)) {
            return Ok(Verdict::Unknown(error.to_string()));
        }
        let spec = FrozenSpec::of(&row.new)?;
        let replay = match self.replay_source(row, &history).await {
            Err(EngineError::State { message, .. }) => return Ok(Verdict::Unknown(message)),
            replay => replay?,
        };
        let governed = Governed::of(&history);
        let cursor = Arc::new(Cursor::new(history, replay));
        let clock = FlowClock::new(row.new.flow_epoch);
        let calls = DryCalls {
            store: self.store.clone(),
            row: row.clone(),
            cursor: cursor.clone(),
            clock: clock.clone(),
            manifest: program.manifest().clone(),
            made: made.clone(),
            invocations: Invocations::default(),
            models: ModelNames::default(),
            ends: HashMap::new(),
            shapes: HashMap::new(),
            identity_seen: false,
            calls: spec.limits.calls,
        };
        let ran = program.run_flow(FlowRun {
            name: row.new.flow.clone(),
            input: get_text(self.store.as_ref(), &row.new.input).await?,
            seed: row.new.seed,
            clock,
            port: Box::new(calls),
            log: Arc::new(Silent),
            limits: spec.limits,
            seat: self.sandbox.ceiling().exempt(),
        });
        let ran = ran.await;
        // Calls that the journal has and the flow did not make, however it ended. Where it waits, it has yet to make those of its source.
        let made = made.load(Ordering::Acquire);
        let waits = matches!(&ran, Ran::Stopped(Stop::Engine(_)));
        let missing = if waits { cursor.missing_of_own(made) } else { cursor.missing(made) };
        let missing = missing.map(|divergence| divergence.to_failure());
        let verdict = match (ran, missing) {
            (Ran::Stopped(Stop::Diverged(divergence)), _) => Verdict::Diverges(divergence.to_failure()),
            (_, Some(missing)) => Verdict::Diverges(missing),
            (Ran::Stopped(Stop::Engine(error)), None) => match error.downcast::<Frontier>() {
                Ok(frontier) => at_frontier(row, &frontier),
                Err(error) => return Err(EngineError::Store(crate::store::StoreError::Backend(error))),
            },
            (Ran::Returned(result), None) => self.compare_result(row, &result).await?,
            (Ran::ReturnedFailure(failure) | Ran::Ended(failure), None) => compare_failure(row, failure),
            (Ran::Stopped(Stop::NoRoom(no_room)), None) => Verdict::Unknown(no_room.to_string()),
            (Ran::Stopped(Stop::Limit(text)), None) => compare_failure(row, Failure::runtime("limit", text)),
        };
        match verdict {
            Verdict::Holds => Ok(governed.belied(self.store.as_ref(), id).await?.map_or(Verdict::Holds, Verdict::Unknown)),
            verdict => Ok(verdict),
        }
    }

    async fn compare_result(&self, row: &ExecutionRow, result: &str) -> Result<Verdict, EngineError> {
        let Some(recorded) = &row.result else {
            let ended = matches!(row.status, Status::Failed);
            let failure = || Failure::runtime("divergence", "the flow returns a result now, and failed when it ran");
            return Ok(if ended { Verdict::Diverges(failure()) } else { Verdict::Holds });
        };
        let recorded = get_text(self.store.as_ref(), recorded).await?;
        let same = CanonicalJson::parse(&recorded).ok() == CanonicalJson::parse(result).ok();
        let message = "the flow makes the recorded calls, and returns another result now";
        Ok(if same { Verdict::Holds } else { Verdict::Diverges(Failure::runtime("divergence", message)) })
    }

    /// Moves an execution that has not ended, and that nobody drives, to another component, if that makes the recorded calls.
    ///
    /// # Errors
    /// When it has ended, is being run, or would diverge: then nothing was changed.
    pub async fn upgrade(&self, id: ExecutionId, component: &[u8]) -> Result<Verification, EngineError> {
        self.check_upgradable(id).await?;
        let guard = self.claim_idle(id).await?;
        let upgraded = self.upgrade_leased(&guard, component).await;
        // What its last runner had to do when it died is still to be done.
        let given_back = if guard.lease().inherited { guard.abandon().await } else { guard.release().await };
        given_back.and(upgraded)
    }

    /// Takes the lease of an execution that waits. A drive that has nothing to do but wait for the same leaves first, where somebody looks after
    /// executions, in this process or another.
    async fn claim_idle(&self, id: ExecutionId) -> Result<LeaseGuard, EngineError> {
        let (mut news, mut idle) = (RunnerNews::of(self, id).await?, self.room.news());
        // A drive may be about to find out that it has nothing to do, and one that is to leave may have to end a body first.
        let (mut until, mut is_asked) = (Instant::now() + TO_SETTLE, false);
        let (mut wanted, mut is_wanted): (Option<Wanted>, bool) = (None, false);
        loop {
            match LeaseGuard::claim(self, id).await {
                Err(error @ EngineError::Store(StoreError::Owned { .. })) => {
                    idle.mark_unchanged();
                    let is_heeded = wanted.as_ref().is_some_and(Wanted::is_heeded);
                    let leaves = self.room.ask_for(id) || is_heeded;
                    if leaves && !std::mem::replace(&mut is_asked, true) {
                        until = Instant::now() + TO_LEAVE;
                    }
                    if Instant::now() >= until {
                        return Err(error);
                    }
                    if is_heeded || !(is_asked || is_wanted) {
                        // Again where it was told: it goes on if something came for it meanwhile, and is told anew when it has nothing to do.
                        (wanted, is_wanted) = (self.want(id).await, true);
                        // It may be told, and gone, by now.
                        continue;
                    }
                    tokio::select! {
                        () = news.next(BREATH) => {}
                        _ = idle.changed() => {}
                        // Of a file that goes nobody tells.
                        () = tokio::time::sleep(BREATH), if wanted.is_some() || !is_asked => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }
                claimed => return claimed,
            }
        }
    }

    /// Asks whoever drives an execution in another process to leave it. None where that cannot be said: then it is as if nobody could do so.
    async fn want(&self, id: ExecutionId) -> Option<Wanted> {
        let asked = Wanted::ask(&self.store.relays(), id);
        let asked =
            asked.inspect_err(|error| tracing::debug!(execution = %id, %error, "another process could not be asked to leave"));
        self.tell_of(id).await;
        asked.ok()
    }

    async fn check_upgradable(&self, id: ExecutionId) -> Result<ExecutionRow, EngineError> {
        let row = self.store.execution(id).await?;
        let waits = row.status == Status::Waiting;
        if waits { Ok(row) } else { Err(EngineError::only("waiting", "upgraded", id, row.status)) }
    }

    async fn upgrade_leased(&self, guard: &LeaseGuard, component: &[u8]) -> Result<Verification, EngineError> {
        let id = guard.lease().execution;
        // Somebody may have been quicker.
        let row = self.check_upgradable(id).await?;
        let verification = self.verify(id, Some(component)).await?;
        if verification.holds() && verification.component != row.new.component {
            let digest = self.keep_component(component).await?;
            let journal = read_journal(self.store.as_ref(), id).await?;
            let recorder = guard.recorder(Observer::silent(), journal.history.next_seq, journal.link);
            let entry = EntryBody::Upgraded { component: *digest.as_bytes() };
            let step = Step::entry(entry).with_status(StatusChange::Upgraded { component: digest });
            recorder.write(step, Durability::Full).await?;
        }
        Ok(verification)
    }
}

/// The flow would go on: that is as it should be, unless the execution had ended there.
fn at_frontier(row: &ExecutionRow, frontier: &Frontier) -> Verdict {
    match row.status {
        // Where a limit ended it, another run may come further.
        Status::Completed | Status::Failed
            if row.failure.as_ref().is_none_or(|failure| !matches!(failure.kind.as_str(), "divergence" | "limit")) =>
        {
            let message = format!("the flow ended here when it ran, and now goes on with {}", frontier.0);
            Verdict::Diverges(Failure::runtime("divergence", message))
        }
        _ => Verdict::Holds,
    }
}

fn compare_failure(row: &ExecutionRow, failure: Failure) -> Verdict {
    match &row.failure {
        Some(recorded) if recorded.kind == failure.kind => Verdict::Holds,
        // It came to its end in a world that its journal does not know yet.
        None if !row.status.is_terminal() => Verdict::Holds,
        _ => Verdict::Diverges(failure),
    }
}
