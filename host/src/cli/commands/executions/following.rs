//! `executions logs --follow`: what an execution writes, and what models say to it, as it comes.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::logs::line;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::signals::Asked;
use crate::cli::speaking::{Heard, Speaking};
use crate::cli::terminal::one_line;
use crate::engine::LiveChunk;
use crate::ids::ExecutionId;
use crate::service::{ChunkFollow, Follow, FollowEvent, LogEntry, ServiceError};
use crate::store::Status;

/// How long the last of an answer is waited for when the execution has ended.
const LAST: Duration = Duration::from_secs(2);

/// What comes by itself.
enum Came {
    Event(Result<Option<FollowEvent>, ServiceError>),
    Chunk(Result<Option<LiveChunk>, ServiceError>),
}

/// Shows what comes, to the end.
pub(super) async fn follow(
    context: &Context,
    id: ExecutionId,
    events: Follow,
    chunks: Option<ChunkFollow>,
) -> Result<ExitCode, CliError> {
    let mut shown = Shown {
        output: &context.output,
        verbosity: context.global.verbose,
        id,
        heard: Heard::default(),
        speaking: Speaking::default(),
    };
    let (sender, mut came) = mpsc::channel(64);
    let mut following = JoinSet::new();
    let mut speaks = chunks.is_some();
    if let Some(chunks) = chunks {
        following.spawn(hear(chunks, sender.clone()));
    }
    following.spawn(read(events, sender));
    let mut asked = Asked::listen();
    let mut end: Option<(Option<FollowEvent>, Instant)> = None;
    loop {
        let until = end.as_ref().map_or_else(Instant::now, |(_, until)| *until);
        tokio::select! {
            came = came.recv() => match came {
                Some(Came::Chunk(Ok(Some(chunk)))) => shown.chunk(chunk)?,
                Some(Came::Chunk(Ok(None))) => speaks = false,
                Some(Came::Event(Ok(last @ (None | Some(FollowEvent::Terminal { .. }))))) => end = Some((last, Instant::now() + LAST)),
                Some(Came::Event(Ok(Some(event)))) => shown.event(event)?,
                Some(Came::Chunk(Err(error)) | Came::Event(Err(error))) => return Err(error.into()),
                None => return Err(CliError::new("the execution is not followed any more")),
            },
            () = sleep_until(until), if end.is_some() => speaks = false,
            () = asked.ends() => {
                following.shutdown().await;
                return shown.interrupted();
            }
        }
        if !speaks && let Some((last, _)) = end.take() {
            // Others see that nobody listens any more.
            following.shutdown().await;
            return match last {
                Some(FollowEvent::Terminal { status, message }) => shown.end(status, &message),
                _ => Ok(ExitCode::SUCCESS),
            };
        }
    }
}

async fn read(mut events: Follow, sender: mpsc::Sender<Came>) {
    loop {
        let event = events.next().await;
        let is_last = matches!(event, Ok(None | Some(FollowEvent::Terminal { .. })) | Err(_));
        if sender.send(Came::Event(event)).await.is_err() || is_last {
            return;
        }
    }
}

async fn hear(mut chunks: ChunkFollow, sender: mpsc::Sender<Came>) {
    loop {
        let chunk = chunks.next().await;
        let is_last = !matches!(chunk, Ok(Some(_)));
        if sender.send(Came::Chunk(chunk)).await.is_err() || is_last {
            return;
        }
    }
}

/// What is shown, and to whom.
struct Shown<'a> {
    output: &'a Output,
    verbosity: u8,
    id: ExecutionId,
    heard: Heard,
    speaking: Speaking,
}

impl Shown<'_> {
    /// A line that is no part of an answer.
    fn line(&mut self, text: &str) {
        let pause = self.speaking.pause();
        self.output.line(&format!("{pause}{text}"));
    }

    fn chunk(&mut self, chunk: LiveChunk) -> Result<(), CliError> {
        let Some(new) = self.heard.take(chunk) else { return Ok(()) };
        if self.output.is_json() {
            return self.output.event("chunk", &value(&new.chunk)?).map(drop);
        }
        self.output.piece(&self.speaking.say(&new));
        Ok(())
    }

    fn event(&mut self, event: FollowEvent) -> Result<(), CliError> {
        match event {
            FollowEvent::Log { entry, .. } if self.output.is_json() => self.output.event("log", &value(&entry)?).map(drop),
            FollowEvent::Log { entry, .. } => {
                self.log(&entry);
                Ok(())
            }
            FollowEvent::Waiting { wait_id, name, question } if self.output.is_json() => {
                let item = json!({ "wait_name": name, "wait_id": wait_id, "question": question });
                self.output.event("waiting", &item).map(drop)
            }
            FollowEvent::Waiting { name, .. } => {
                self.line(&format!("[Execution is waiting for input on: {}]", one_line(&name)));
                Ok(())
            }
            FollowEvent::Terminal { .. } => Ok(()),
        }
    }

    fn log(&mut self, entry: &LogEntry) {
        self.line(&line(entry, self.verbosity, true));
    }

    fn interrupted(&mut self) -> Result<ExitCode, CliError> {
        if self.output.is_json() {
            self.output.event("interrupted", &json!({ "message": "Log follow interrupted" }))?;
        } else {
            self.line("[Log follow interrupted]");
        }
        Ok(ExitCode::FAILURE)
    }

    fn end(&mut self, status: Status, message: &str) -> Result<ExitCode, CliError> {
        let retry = (status == Status::Failed).then(|| format!("kitaru-host executions retry {}", self.id));
        if self.output.is_json() {
            let mut item = json!({ "status": status.as_str(), "message": message });
            if let (Some(retry), Some(map)) = (&retry, item.as_object_mut()) {
                map.insert("recovery_command".into(), retry.as_str().into());
            }
            self.output.event("terminal", &item)?;
        } else {
            self.line(&match status {
                Status::Completed => "[Execution completed successfully]".into(),
                Status::Cancelled => "[Execution cancelled]".into(),
                _ => format!("[Execution failed: {}]", one_line(message)),
            });
            if let Some(retry) = retry {
                self.output.say(&format!("To retry this failed execution, run: {retry}"));
            }
        }
        Ok(if status == Status::Completed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn value(item: &impl serde::Serialize) -> Result<Value, CliError> {
    serde_json::to_value(item).map_err(|error| CliError::new(format!("the output cannot be written as JSON: {error}")))
}
