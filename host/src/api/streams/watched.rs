//! Executions that somebody watches: each is looked at once, for all who do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::ids::ExecutionId;
use crate::mutex::lock;
use crate::service::{ExecutionMark, LocalService, ServiceError};
use crate::store::Status;

/// Steps wake nobody, so that making them costs nothing: an execution that runs is looked at this often.
const RUNS: Duration = Duration::from_millis(400);
/// One that waits is woken by answers; that its time came, or a child ended, wakes its runner alone.
const WAITS: Duration = Duration::from_secs(5);

/// How far an execution was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: Status,
    /// Another one when anything has changed.
    pub(super) text: String,
}

impl Seen {
    fn of(mark: &ExecutionMark) -> Self {
        Self { status: mark.status, text: mark.to_string() }
    }
}

type Watches = Arc<Mutex<HashMap<ExecutionId, watch::Sender<Option<Seen>>>>>;

/// Executions that somebody watches.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Watched(Watches);

impl Watched {
    /// Watches an execution. There is nothing to see before the first look.
    pub(super) async fn watch(
        &self,
        service: &LocalService,
        id: ExecutionId,
    ) -> Result<watch::Receiver<Option<Seen>>, ServiceError> {
        if let Some(sender) = lock(&self.0).get(&id) {
            return Ok(sender.subscribe());
        }
        let wakeups = service.watch(id).await?;
        let mut watches = lock(&self.0);
        if let Some(sender) = watches.get(&id) {
            return Ok(sender.subscribe());
        }
        let sender = watch::Sender::new(None);
        let receiver = sender.subscribe();
        watches.insert(id, sender);
        drop(watches);
        tokio::spawn(look(self.0.clone(), service.clone(), id, wakeups));
        Ok(receiver)
    }
}

async fn look(watches: Watches, service: LocalService, id: ExecutionId, mut wakeups: watch::Receiver<u64>) {
    let mut before = None;
    loop {
        let mark = match service.mark(id, before).await {
            Ok(mark) => mark,
            Err(error) => {
                // It was removed, or cannot be read: whoever watches comes again, and is told why.
                tracing::debug!(execution = %id, error = &error as &dyn std::error::Error, "an execution is not watched any more");
                break;
            }
        };
        before = Some(mark);
        let seen = Seen::of(&mark);
        {
            let mut all = lock(&watches);
            let Some(sender) = all.get(&id) else { return };
            sender.send_if_modified(|there| {
                let is_new = there.as_ref() != Some(&seen);
                *there = Some(seen.clone());
                is_new
            });
            if sender.is_closed() || seen.status.is_terminal() {
                // Under the lock: whoever comes now begins a watch of their own.
                all.remove(&id);
                return;
            }
        }
        let pause = if mark.status == Status::Running { RUNS } else { WAITS };
        let _ = tokio::time::timeout(pause, wakeups.changed()).await;
    }
    lock(&watches).remove(&id);
}
