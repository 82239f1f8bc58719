//! Where the events of a stream come from.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{broadcast, watch};

use super::event::Told;
use super::news::New;
use super::watched::Seen;
use crate::access::Scope;
use crate::ids::ExecutionId;
use crate::service::{Follow, FollowEvent, ServiceError};

/// Gives events one after the other. A call that is not waited for to its end loses none.
#[async_trait]
pub(super) trait Source: Send {
    /// The next; none after the last.
    async fn next(&mut self) -> Result<Option<Told>, ServiceError>;
}

/// What an execution writes: `log` with the number of the line, `waiting`, `terminal`.
pub(super) struct LogSource(Follow);

impl LogSource {
    pub(super) fn new(follow: Follow) -> Self {
        Self(follow)
    }
}

#[async_trait]
impl Source for LogSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        let Some(event) = self.0.next().await? else { return Ok(None) };
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

/// Changes of one execution: `execution` whenever anything of it changed, `end`.
pub(super) struct ChangeSource {
    id: ExecutionId,
    marks: watch::Receiver<Option<Seen>>,
    /// What the listener knows already.
    known: Option<String>,
    over: Option<Told>,
}

impl ChangeSource {
    pub(super) fn new(id: ExecutionId, mut marks: watch::Receiver<Option<Seen>>, known: Option<String>) -> Self {
        // What is there already is news for whoever has just come.
        marks.mark_changed();
        Self { id, marks, known, over: None }
    }
}

#[async_trait]
impl Source for ChangeSource {
    async fn next(&mut self) -> Result<Option<Told>, ServiceError> {
        if let Some(end) = self.over.take() {
            return Ok(Some(end));
        }
        loop {
            if self.marks.changed().await.is_err() {
                return Ok(None);
            }
            let Some(seen) = self.marks.borrow_and_update().clone() else { continue };
            let data = json!({ "exec_id": self.id.to_string(), "status": seen.status.as_str() });
            let end = seen.status.is_terminal().then(|| Told::new("end", Some(&seen.text), &data).last());
            if self.known.as_deref() == Some(&seen.text) {
                match end {
                    Some(end) => return Ok(Some(end)),
                    None => continue,
                }
            }
            let told = Told::new("execution", Some(&seen.text), &data);
            (self.known, self.over) = (Some(seen.text), end);
            return Ok(Some(told));
        }
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
