//! Executions as events, for whoever asks.

use std::time::Duration;

use kitaru_llm::event::{Event, atif, atof};
use serde_json::Value;
use tokio::sync::watch;

use super::watching::until_due;
use super::{LocalService, ServiceError};
use crate::ids::ExecutionId;
use crate::store::Status;
use crate::telemetry::{Feed, sort};

/// Steps do not wake those who watch, so that making them costs nothing; a follower looks this often while an execution runs.
const LOOK: Duration = Duration::from_millis(200);
/// And this often while it waits: that a child ended, or a call beside a question goes on, wakes its runner alone.
const QUIET: Duration = Duration::from_secs(2);

/// All events of an execution so far, in the order of time. With `content` they show inputs, outputs and messages of failures as they are.
///
/// # Errors
/// When it does not exist or cannot be read.
pub(super) async fn all(service: &LocalService, id: ExecutionId, content: bool) -> Result<Vec<Event>, ServiceError> {
    let look = Feed::new(service.store().clone(), id, content).look().await?;
    let mut events: Vec<Event> = look.events.into_iter().map(|(_, event)| event).collect();
    sort(&mut events);
    Ok(events)
}

/// An execution as a trajectory: what its models were told, said and did.
///
/// # Errors
/// When it does not exist or cannot be read.
pub(super) async fn trajectory(service: &LocalService, id: ExecutionId, content: bool) -> Result<atif::Trajectory, ServiceError> {
    let row = service.engine().execution(id).await?;
    let version = row.new.component.to_string();
    let agent = atif::Agent { name: row.new.flow.clone(), version, ..atif::Agent::default() };
    Ok(atif::trajectory(&all(service, id, content).await?, None, id.to_string(), agent))
}

/// The events of an execution as they are recorded, until it ends.
///
/// # Errors
/// When it does not exist.
pub(super) async fn follow(service: &LocalService, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError> {
    Ok(Box::new(service.event_batches(id, content, None).await?))
}

/// Somebody who follows the events of an execution.
#[async_trait::async_trait]
pub trait FollowingEvents: Send {
    /// Events that are new, at least one; those of a model call come when the step is recorded that it belongs to. None after the end.
    ///
    /// # Errors
    /// When the store cannot be read, or the server not be reached.
    async fn next(&mut self) -> Result<Option<Vec<Event>>, ServiceError>;
}

/// What follows the events of an execution.
pub type EventFollow = Box<dyn FollowingEvents>;

/// Events that are new.
#[derive(Clone, Debug)]
pub struct EventBatch {
    /// The events, at least one, in the order of time.
    pub events: Vec<Event>,
    /// How many records they and those before them come from: whoever comes again goes on after these.
    pub records: u64,
    /// Nothing follows.
    pub is_last: bool,
}

impl EventBatch {
    /// The events as they are written.
    pub fn to_json(&self) -> Vec<Value> {
        self.events.iter().map(atof::to_json).collect()
    }
}

/// Follows the events of an execution of this data folder.
pub struct EventBatches {
    feed: Feed,
    wakeups: watch::Receiver<u64>,
}

impl EventBatches {
    /// Events that are new; none after the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<EventBatch>, ServiceError> {
        loop {
            if self.feed.is_over() {
                return Ok(None);
            }
            let look = self.feed.look().await?;
            let mut events: Vec<Event> = look.events.into_iter().map(|(_, event)| event).collect();
            if !events.is_empty() {
                sort(&mut events);
                return Ok(Some(EventBatch { events, records: self.feed.records(), is_last: self.feed.is_over() }));
            }
            // What waits makes no steps, and answers wake: many can follow it for nothing.
            let pause = if look.status == Status::Waiting { until_due(look.wakes_at, LOOK, QUIET) } else { LOOK };
            let _ = tokio::time::timeout(pause, self.wakeups.changed()).await;
        }
    }
}

#[async_trait::async_trait]
impl FollowingEvents for EventBatches {
    async fn next(&mut self) -> Result<Option<Vec<Event>>, ServiceError> {
        Ok(EventBatches::next(self).await?.map(|batch| batch.events))
    }
}

impl LocalService {
    /// The events of an execution as they are recorded, until it ends; without those that come from its first `after` records.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn event_batches(&self, id: ExecutionId, content: bool, after: Option<u64>) -> Result<EventBatches, ServiceError> {
        self.engine().execution(id).await?;
        let wakeups = self.store().watch(id).await?;
        let feed = Feed::new(self.store().clone(), id, content);
        let feed = match after {
            Some(records) => feed.after(records),
            None => feed,
        };
        Ok(EventBatches { feed, wakeups })
    }
}
