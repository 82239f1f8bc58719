//! Watching an execution to its next stop, as whoever drives it here would come to it. The server does the driving.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::RemoteService;
use super::following::{self, Changes, known};
use super::log_places::last_line;
use super::resuming::{asks_for_a_model, resumable, resume};
use super::steps::Steps;
use super::trouble::Trouble;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::engine::{DriveOptions, Driven, Event, SleepPolicy, WaitPolicy};
use crate::ids::{CallId, ExecutionId};
use crate::mutex::lock;
use crate::service::{ExecutionView, FollowEvent, ListQuery, LogEntry, LogQuery, PendingWaitView, Service as _, ServiceError};
use crate::store::Status;

/// What changes nothing of an execution itself, such as a question of a child of it, is looked for this often.
const TICK: Duration = Duration::from_secs(1);
/// Steps are looked at no more often than this; and never for more than a part of the time, however many there are.
const STEPS: Duration = Duration::from_millis(300);
const REST: u32 = 4;
/// Kitaru's polling window: that of the flow is not known here.
const WINDOW: Duration = Duration::from_secs(600);
/// How it stands is asked this often at least: a proxy may hold back what a stream says.
const WHOLE: Duration = Duration::from_secs(15);
/// How long an execution that was let go on may take to begin.
const FRESH: Duration = Duration::from_secs(3);
/// How long the last lines of an execution that has ended are waited for.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Of many that are watched together each is looked at less often, so that the server takes all that is asked.
const SHARE: Duration = Duration::from_millis(100);

/// Watches `id` to its next stop.
pub(super) async fn drive(remote: &RemoteService, id: ExecutionId, options: DriveOptions) -> Result<Driven, ServiceError> {
    drive_every(remote, id, options, TICK).await
}

async fn drive_every(
    remote: &RemoteService,
    id: ExecutionId,
    options: DriveOptions,
    every: Duration,
) -> Result<Driven, ServiceError> {
    let is_new = lock(&remote.started).remove(&id);
    let mut trouble = Trouble::new(remote.wire.settings.reconnect);
    let with_lines = !is_new && options.observer.watches();
    let (view, line) = loop {
        match standing(remote, id, with_lines).await {
            Ok(standing) => break standing,
            Err(error) => trouble.bear(error)?,
        }
        tokio::time::sleep(TICK).await;
    };
    let mut status = known(&view.summary.status)?;
    // What was started from here goes on by itself.
    let is_resumed = !is_new && view.runner.is_none() && resumable(id, &view).is_ok();
    if is_resumed {
        resume(remote, id).await?;
    }
    let mut watching = Watching::begin(remote, id, options, &view, is_new, line);
    watching.resumed_at = is_resumed.then(Instant::now);
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = watching.options.stop.clone();
    loop {
        match watching.look(&mut status, every).await {
            Ok(Some(status)) => {
                watching.finish(status).await;
                return Ok(Driven { status });
            }
            Ok(None) => trouble.is_over(),
            Err(error) => trouble.bear(error)?,
        }
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Ok(Driven { status }),
                Some(heard) = watching.heard.recv() => match heard {
                    Heard::Status(Ok(now)) => { status = now; break; }
                    // It is asked for now and then all the same.
                    Heard::Status(Err(error)) => { trouble.bear(error)?; break; }
                    Heard::Line(entry) => watching.line(*entry),
                    Heard::NoMoreLines => watching.has_lines = false,
                },
                _ = tick.tick() => break,
            }
        }
    }
}

/// How it stands, and, where new lines are to be told from those of before, the last of these: asked for before it is let go on, so that no clock has
/// to tell.
async fn standing(
    remote: &RemoteService,
    id: ExecutionId,
    with_lines: bool,
) -> Result<(ExecutionView, Option<u64>), ServiceError> {
    let view = remote.get(id).await?;
    Ok((view, if with_lines { Some(last_line(remote, id).await?) } else { None }))
}

/// Waits until nobody drives `id`.
pub(super) async fn free(remote: &RemoteService, id: ExecutionId) -> Result<(), ServiceError> {
    while remote.get(id).await?.runner.is_some() {
        tokio::time::sleep(TICK).await;
    }
    Ok(())
}

/// Watches several to their next stops. One that cannot be watched does not keep the others from their ends.
pub(super) async fn drive_all(remote: &RemoteService, ids: &[ExecutionId]) -> Result<(), ServiceError> {
    let mut driving = JoinSet::new();
    let every = TICK.max(SHARE.saturating_mul(u32::try_from(ids.len()).unwrap_or(u32::MAX)));
    for (id, before) in ids.iter().copied().zip(0_u32..) {
        let remote = remote.clone();
        driving.spawn(async move {
            // Each begins with some requests.
            tokio::time::sleep(SHARE.saturating_mul(before)).await;
            drive_every(&remote, id, DriveOptions::default(), every).await
        });
    }
    let mut result = Ok(());
    while let Some(driven) = driving.join_next().await {
        let driven = driven.unwrap_or_else(|error| Err(ServiceError::state(format!("an execution was not watched: {error}"))));
        result = result.and(driven.map(drop));
    }
    result
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody can say it any more.
        std::future::pending::<()>().await;
    }
}

/// What comes by itself.
enum Heard {
    Status(Result<Status, ServiceError>),
    Line(Box<LogEntry>),
    NoMoreLines,
}

/// Somebody who watches an execution.
struct Watching<'a> {
    remote: &'a RemoteService,
    id: ExecutionId,
    options: DriveOptions,
    /// Where every step is to be told.
    steps: Option<Steps>,
    steps_at: Instant,
    /// When it is asked how it stands, whatever the stream of changes says.
    whole_at: Instant,
    /// When it was let go on from here.
    resumed_at: Option<Instant>,
    heard: mpsc::Receiver<Heard>,
    has_lines: bool,
    /// How it stood when questions were looked for, and when they are to be again.
    looked: Option<(Status, Instant)>,
    /// Questions that were told and are open.
    asked: Vec<CallId>,
    /// Since when there is nothing to do but to wait for an answer.
    parked_at: Option<Instant>,
    _listening: JoinSet<()>,
}

impl<'a> Watching<'a> {
    fn begin(
        remote: &'a RemoteService,
        id: ExecutionId,
        options: DriveOptions,
        view: &ExecutionView,
        is_new: bool,
        line: Option<u64>,
    ) -> Self {
        let (sender, heard) = mpsc::channel(64);
        let mut listening = JoinSet::new();
        listening.spawn(listen(remote.clone(), id, sender.clone()));
        let watches = options.observer.watches();
        if watches {
            listening.spawn(read_lines(remote.clone(), id, line, sender));
        }
        let before: &[_] = if is_new { &[] } else { &view.checkpoints };
        let steps = watches.then(|| Steps::new(id, options.observer.clone(), before));
        options.observer.tell(|| Event::Started { execution: id, flow: view.summary.flow_name.clone(), recorded: 0 });
        Self {
            remote,
            id,
            options,
            steps,
            steps_at: Instant::now(),
            whole_at: Instant::now() + WHOLE,
            resumed_at: None,
            heard,
            has_lines: watches,
            looked: None,
            asked: Vec::new(),
            parked_at: None,
            _listening: listening,
        }
    }

    fn line(&self, entry: LogEntry) {
        if let Some(steps) = &self.steps {
            steps.line(entry);
        }
    }

    /// Tells what is new; how it stands, where driving it here would have come back.
    async fn look(&mut self, status: &mut Status, every: Duration) -> Result<Option<Status>, ServiceError> {
        let (began, shows) = (Instant::now(), self.steps.is_some());
        if (shows && (began >= self.steps_at || status.is_terminal())) || began >= self.whole_at {
            let view = self.remote.get(self.id).await?;
            self.steps_at = Instant::now() + STEPS.max(began.elapsed() * REST);
            self.whole_at = Instant::now() + WHOLE;
            *status = known(&view.summary.status)?;
            if let Some(steps) = &mut self.steps {
                steps.look(&view.checkpoints);
            }
        }
        if status.is_terminal() {
            self.tell_questions(&[]);
            return Ok(Some(*status));
        }
        if self.options.wait == WaitPolicy::Stay
            && self.options.sleep == SleepPolicy::Stay
            && !self.options.observer.watches_stops()
        {
            return Ok(None);
        }
        // A step more is no question more.
        if self.looked.is_some_and(|(before, until)| before == *status && Instant::now() < until) {
            return Ok(None);
        }
        // Before the next tick, which is to find it over.
        self.looked = Some((*status, Instant::now() + every / 2));
        let own = self.remote.pending_waits(Some(self.id)).await?;
        let childrens = of_children(self.remote, self.id).await?;
        // A model that was missing may be there: whoever was let go on for that has not said yet that it still is.
        let is_fresh = self.resumed_at.is_some_and(|at| at.elapsed() < FRESH);
        let is_asked = |wait: &&PendingWaitView| !(is_fresh && asks_for_a_model(wait));
        let open: Vec<CallId> = own.iter().chain(&childrens).filter(is_asked).filter_map(call).collect();
        self.tell_questions(&open);
        self.has_stopped(*status, &open, !childrens.is_empty()).await
    }

    fn tell_questions(&mut self, open: &[CallId]) {
        for id in open.iter().copied().filter(|id| !self.asked.contains(id)) {
            self.options.observer.tell(|| Event::Waiting { id });
        }
        for id in self.asked.iter().copied().filter(|id| !open.contains(id)) {
            self.options.observer.tell(|| Event::Answered { id });
        }
        self.asked = open.to_vec();
    }

    /// Whether it waits for what is not waited for here.
    async fn has_stopped(&mut self, status: Status, open: &[CallId], child_asks: bool) -> Result<Option<Status>, ServiceError> {
        let may_wait = status == Status::Waiting || child_asks;
        let stays = self.options.wait == WaitPolicy::Stay && self.options.sleep == SleepPolicy::Stay;
        if !may_wait || stays {
            self.parked_at = None;
            return Ok(None);
        }
        let view = self.remote.get(self.id).await?;
        let now = known(&view.summary.status)?;
        // While it drives a child that waits, a parent counts as running. It waits where nothing runs in it.
        let runs = view.checkpoints.iter().any(|checkpoint| checkpoint.status == "running");
        if now != Status::Waiting && (!child_asks || runs) {
            self.parked_at = None;
            return Ok(None);
        }
        // An answer has come, and the server has not gone on with it yet.
        if view.summary.is_due {
            self.parked_at = None;
            return Ok(None);
        }
        if open.is_empty() {
            self.parked_at = None;
            return Ok(self.sleeps_long(&view).then_some(Status::Waiting));
        }
        let parked_at = *self.parked_at.get_or_insert_with(Instant::now);
        Ok(match self.options.wait {
            WaitPolicy::Return => Some(Status::Waiting),
            WaitPolicy::Window if parked_at.elapsed() >= WINDOW => Some(Status::Waiting),
            WaitPolicy::Window | WaitPolicy::Stay => None,
        })
    }

    fn sleeps_long(&self, view: &ExecutionView) -> bool {
        let SleepPolicy::Leave { longer_than } = self.options.sleep else { return false };
        let now = SystemClock.now();
        let wakes_at = view.summary.wakes_at.as_deref().and_then(|at| Timestamp::parse_moment(at, now).ok());
        wakes_at.is_some_and(|at| at.since(now) > longer_than)
    }

    /// Tells the last lines, and that it has stopped.
    async fn finish(&mut self, status: Status) {
        if status.is_terminal() {
            let lines = async {
                while self.has_lines {
                    match self.heard.recv().await {
                        Some(Heard::Line(entry)) => self.line(*entry),
                        Some(Heard::Status(_)) => {}
                        Some(Heard::NoMoreLines) | None => self.has_lines = false,
                    }
                }
            };
            // Whoever cannot be read any more has said enough.
            let _ = timeout(LAST_LINES, lines).await;
        }
        let execution = self.id;
        self.options.observer.tell(|| Event::Stopped { execution, status });
    }
}

/// Tells whenever anything has changed, to the end.
async fn listen(remote: RemoteService, id: ExecutionId, sender: mpsc::Sender<Heard>) {
    let mut changes = match Changes::of(&remote, id).await {
        Ok(changes) => changes,
        Err(error) => return drop(sender.send(Heard::Status(Err(error))).await),
    };
    loop {
        let status = changes.next().await;
        let is_over = status.as_ref().map_or(true, |status| status.is_terminal());
        if sender.send(Heard::Status(status)).await.is_err() || is_over {
            return;
        }
    }
}

/// Tells every line after this one; all, where there is none.
async fn read_lines(remote: RemoteService, id: ExecutionId, after: Option<u64>, sender: mpsc::Sender<Heard>) {
    let follow = following::logs(&remote, id, &LogQuery { after, ..LogQuery::default() }).await;
    if let Ok(mut follow) = follow {
        while let Ok(Some(event)) = follow.next().await {
            let FollowEvent::Log { entry, .. } = event else { continue };
            if sender.send(Heard::Line(Box::new(entry))).await.is_err() {
                return;
            }
        }
    }
    // Lines are shown and not needed: what could not be read keeps nothing from its end.
    let _ = sender.send(Heard::NoMoreLines).await;
}

/// The questions of children that an execution waits for, and of theirs.
async fn of_children(remote: &RemoteService, id: ExecutionId) -> Result<Vec<PendingWaitView>, ServiceError> {
    let (mut pending, mut parents) = (Vec::new(), vec![id]);
    while let Some(parent) = parents.pop() {
        let query = ListQuery { parent: Some(parent), status: Some(Status::Waiting), limit: 100, ..ListQuery::default() };
        for child in remote.executions(&query).await?.items {
            let child = remote.id(&child.exec_id)?;
            pending.extend(remote.pending_waits(Some(child)).await?);
            parents.push(child);
        }
    }
    Ok(pending)
}

/// The call that a question is.
fn call(wait: &PendingWaitView) -> Option<CallId> {
    let (execution, index) = wait.wait_id.rsplit_once(':')?;
    Some(CallId { execution: execution.parse().ok()?, index: index.parse().ok()? })
}
