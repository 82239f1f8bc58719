//! Where the events of a stream come from.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{broadcast, mpsc};

use super::event::Told;
use super::news::New;
use crate::access::{Scope, Share};
use crate::service::{EventBatch, EventBatches, Follow, FollowEvent, ServiceError};

/// Gives events one after the other. A call that is not waited for to its end loses none.
#[async_trait]
pub(super) trait Source: Send {
    /// The next; none after the last.
    async fn next(&mut self) -> Result<Option<Told>, ServiceError>;
}

/// What an execution writes: `log` with the number of the line, `waiting`, `terminal`.
pub(super) struct LogSource {
    follow: Follow,
    position: Option<u64>,
}

impl LogSource {
    /// With a `position`, that is told first: whoever comes again before the first line goes on after it.
    pub(super) fn new(follow: Follow, position: Option<u64>) -> Self {
        Self { follow, position }
    }
}

#[async_trait]
impl Source for LogSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        if let Some(position) = self.position.take() {
            return Ok(Some(Told::new("position", Some(&position.to_string()), &json!({}))));
        }
        let Some(event) = self.follow.next().await? else { return Ok(None) };
        Ok(Some(match event {
            FollowEvent::Log { line, entry } => {
                let entry = serde_json::to_value(entry).map_err(|error| ServiceError::state(error.to_string()))?;
                Told::new("log", Some(&line.to_string()), &entry)
            }
            FollowEvent::Waiting { wait_id, name, question } => {
                Told::new("waiting", None, &json!({ "wait_id": wait_id, "name": name, "question": question }))
            }
            FollowEvent::Terminal { status, message } => {
                Told::new("terminal", None, &json!({ "status": status.as_str(), "message": message })).last()
            }
        }))
    }
}

/// An execution as events: `events` with the number of records that all so far come from.
pub(super) struct EventSource {
    batches: mpsc::Receiver<Result<EventBatch, ServiceError>>,
    _place: Share<String>,
}

impl EventSource {
    /// Reads in a task of its own: what reads is not to be left in the middle.
    pub(super) fn new(mut batches: EventBatches, place: Share<String>) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let read = tokio::select! {
                    () = sender.closed() => return,
                    read = batches.next() => read,
                };
                let Some(read) = read.transpose() else { return };
                if sender.send(read).await.is_err() {
                    return;
                }
            }
        });
        Self { batches: receiver, _place: place }
    }
}

#[async_trait]
impl Source for EventSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        let Some(batch) = self.batches.recv().await.transpose()? else { return Ok(None) };
        let (items, is_last) = (batch.to_json(), batch.is_last);
        let told = Told::new("events", Some(&batch.records.to_string()), &json!({ "items": items, "is_last": is_last }));
        Ok(Some(if is_last { told.last() } else { told }))
    }
}

/// Changes of all executions that a caller may see.
pub(super) struct NewsSource {
    scope: Scope,
    before: VecDeque<Arc<New>>,
    news: broadcast::Receiver<Arc<New>>,
}

impl NewsSource {
    pub(super) fn new(scope: Scope, before: Vec<Arc<New>>, news: broadcast::Receiver<Arc<New>>) -> Self {
        Self { scope, before: before.into(), news }
    }
}

#[async_trait]
impl Source for NewsSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        loop {
            let new = match self.before.pop_front() {
                Some(new) => new,
                // Whoever fell behind comes again, and goes on after what they had.
                None => match self.news.recv().await {
                    Ok(new) => new,
                    Err(_) => return Ok(None),
                },
            };
            if self.scope.covers(&new.flow) {
                return Ok(Some(new.told.clone()));
            }
        }
    }
}
