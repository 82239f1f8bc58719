//! Executions as events, for whoever asks.

use std::time::Duration;

use kitaru_llm::event::{Event, atif};
use tokio::sync::watch;

use super::{LocalService, ServiceError};
use crate::ids::ExecutionId;
use crate::telemetry::{Feed, sort};

/// Steps do not wake those who watch, so that making them costs nothing; a follower looks this often while an execution runs.
const LOOK: Duration = Duration::from_millis(200);

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
    service.engine().execution(id).await?;
    let wakeups = service.store().watch(id).await?;
    Ok(Box::new(LocalEvents { feed: Feed::new(service.store().clone(), id, content), wakeups }))
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

/// Follows the events of an execution of this data folder.
struct LocalEvents {
    feed: Feed,
    wakeups: watch::Receiver<u64>,
}

#[async_trait::async_trait]
impl FollowingEvents for LocalEvents {
    async fn next(&mut self) -> Result<Option<Vec<Event>>, ServiceError> {
        loop {
            if self.feed.is_over() {
                return Ok(None);
            }
            let look = self.feed.look().await?;
            let mut events: Vec<Event> = look.events.into_iter().map(|(_, event)| event).collect();
            if !events.is_empty() {
                sort(&mut events);
                return Ok(Some(events));
            }
            let _ = tokio::time::timeout(LOOK, self.wakeups.changed()).await;
        }
    }
}
