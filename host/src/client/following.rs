//! Those who follow an execution at a server: told every line and every event once and in order, whatever becomes of their connections.

use std::collections::BTreeSet;

use async_trait::async_trait;
use kitaru_llm::event::{Event, atof};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::RemoteService;
use super::events::{Events, Sent};
use super::log_places::before_last;
use super::pages::LINES;
use super::request::Ask;
use crate::engine::LiveChunk;
use crate::ids::ExecutionId;
use crate::service::verbs::{self, ChangesParams, LogsParams};
use crate::service::{
    ChunkFollow, EventFollow, ExecutionChangesView, Follow, FollowEvent, Following, FollowingChunks, FollowingEvents, LiveVerbs,
    LogEntry, LogQuery, ServiceError,
};
use crate::store::Status;

/// Follows what an execution writes.
struct RemoteFollow {
    events: Events,
    /// The last line that was told.
    after: Option<u64>,
    /// Questions that were told: each connection begins with those that are open.
    asked: BTreeSet<String>,
    is_over: bool,
}

#[derive(Deserialize)]
struct Waiting {
    wait_id: String,
    name: String,
    question: Option<String>,
}

#[derive(Deserialize)]
struct Terminal {
    status: String,
    message: String,
}

pub(super) async fn logs(remote: &RemoteService, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError> {
    // Whoever goes on after a line is told all that follow.
    let limit = query.limit.filter(|_| query.after.is_none());
    let mut query = LogQuery { limit, ..query.clone() };
    if let Some(many) = limit.filter(|limit| *limit > LINES) {
        // More than a stream begins with: whichever they are, they come after a line.
        (query.after, query.limit) = (Some(before_last(remote, id, &query, many).await?), None);
    }
    let events = lines(remote, id, &query).await?;
    Ok(Box::new(RemoteFollow { events, after: query.after, asked: BTreeSet::new(), is_over: false }))
}

/// What the server sends of a log.
pub(super) async fn lines(remote: &RemoteService, id: ExecutionId, query: &LogQuery) -> Result<Events, ServiceError> {
    let LogsParams { checkpoint, source, limit, after, .. } = LogsParams::of(id.to_string(), query);
    let mut ask = Ask::named("executions.logs.stream", &[("execution", &id.to_string())])?;
    let numbers = [("limit", limit), ("after", after)].map(|(name, number)| (name, number.map(|number| number.to_string())));
    for (name, value) in [("checkpoint", checkpoint), ("source", source)].into_iter().chain(numbers) {
        if let Some(value) = value {
            ask = ask.with(name, &value);
        }
    }
    Events::open(&remote.wire, ask).await
}

#[async_trait]
impl Following for RemoteFollow {
    async fn next(&mut self) -> Result<Option<FollowEvent>, ServiceError> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let sent = self.events.next().await?;
            match sent.name.as_str() {
                "log" => {
                    let Some(line) = sent.id.as_deref().and_then(|id| id.parse().ok()) else { continue };
                    if self.after.is_some_and(|after| line <= after) {
                        continue;
                    }
                    let entry = LogEntry { line, ..read(&self.events, &sent)? };
                    self.after = Some(line);
                    return Ok(Some(FollowEvent::Log { line, entry }));
                }
                "waiting" => {
                    let Waiting { wait_id, name, question } = read(&self.events, &sent)?;
                    if self.asked.insert(wait_id.clone()) {
                        return Ok(Some(FollowEvent::Waiting { wait_id, name, question }));
                    }
                }
                "terminal" => {
                    let Terminal { status, message } = read(&self.events, &sent)?;
                    self.is_over = true;
                    return Ok(Some(FollowEvent::Terminal { status: known(&status)?, message }));
                }
                // Of a later version.
                _ => {}
            }
        }
    }
}

/// Follows an execution as events.
struct RemoteEvents {
    events: Events,
    is_over: bool,
}

#[derive(Deserialize)]
struct Batch {
    items: Vec<Value>,
    is_last: bool,
}

pub(super) async fn events(remote: &RemoteService, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError> {
    let ask = Ask::named("executions.events.stream", &[("execution", &id.to_string())])?;
    let events = Events::open(&remote.wire, ask.with("content", if content { "true" } else { "false" })).await?;
    Ok(Box::new(RemoteEvents { events, is_over: false }))
}

#[async_trait]
impl FollowingEvents for RemoteEvents {
    async fn next(&mut self) -> Result<Option<Vec<Event>>, ServiceError> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let sent = self.events.next().await?;
            if sent.name != "events" {
                continue;
            }
            let Batch { items, is_last } = read(&self.events, &sent)?;
            self.is_over = is_last;
            return event_list(items).map(Some);
        }
    }
}

/// Events, of what they are written as.
pub(super) fn event_list(items: Vec<Value>) -> Result<Vec<Event>, ServiceError> {
    let read: Result<Vec<Event>, _> = items.into_iter().map(atof::from_json).collect();
    read.map_err(|error| ServiceError::state(format!("the server's events cannot be read: {error}")))
}

fn read<T: DeserializeOwned>(events: &Events, sent: &Sent) -> Result<T, ServiceError> {
    serde_json::from_str(&sent.data).map_err(|error| events.unreadable(&error))
}

/// Is told how an execution stands whenever anything of it has changed, to its end.
pub(super) struct Changes(Events);

#[derive(Deserialize)]
struct Change {
    status: String,
}

impl Changes {
    pub(super) async fn of(remote: &RemoteService, id: ExecutionId) -> Result<Self, ServiceError> {
        Ok(Self(of_execution(remote, id).await?))
    }

    pub(super) async fn next(&mut self) -> Result<Status, ServiceError> {
        loop {
            let sent = self.0.next().await?;
            // What models say meanwhile is no change.
            if matches!(sent.name.as_str(), "execution" | "end") {
                return known(&read::<Change>(&self.0, &sent)?.status);
            }
        }
    }
}

/// Follows what models say.
struct RemoteChunks {
    events: Events,
    is_over: bool,
}

#[async_trait]
impl LiveVerbs for RemoteService {
    async fn follow_chunks(&self, id: ExecutionId) -> Result<ChunkFollow, ServiceError> {
        Ok(Box::new(RemoteChunks { events: of_execution(self, id).await?, is_over: false }))
    }

    async fn changes(&self, id: ExecutionId, cursor: Option<&str>) -> Result<ExecutionChangesView, ServiceError> {
        let params = ChangesParams { execution: id.to_string(), since: cursor.map(str::to_owned) };
        self.call::<verbs::Changes>(params).await
    }

    async fn news(&self) -> Result<Option<watch::Receiver<u64>>, ServiceError> {
        Ok(None)
    }
}

#[async_trait]
impl FollowingChunks for RemoteChunks {
    async fn next(&mut self) -> Result<Option<LiveChunk>, ServiceError> {
        while !self.is_over {
            let sent = self.events.next().await?;
            match sent.name.as_str() {
                "chunk" => return read(&self.events, &sent).map(Some),
                "end" => self.is_over = true,
                _ => {}
            }
        }
        Ok(None)
    }
}

/// What happens in an execution, as it happens.
async fn of_execution(remote: &RemoteService, id: ExecutionId) -> Result<Events, ServiceError> {
    Events::open(&remote.wire, Ask::named("executions.stream", &[("execution", &id.to_string())])?).await
}

/// A status that a server named.
pub(super) fn known(word: &str) -> Result<Status, ServiceError> {
    Status::parse(word).ok_or_else(|| ServiceError::state("the server names a status that is not known here"))
}
