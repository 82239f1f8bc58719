//! Drives an execution in the foreground: shows what happens, asks what the flow asks, reports how it ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::connection::Connection;
use super::context::Context;
use super::conversation::Conversation;
use super::elsewhere;
use super::error::CliError;
use super::hearing::Hearing;
use super::limit_flags::{host_limit, limit_flag};
use super::needs::flags_of;
use super::progress::Progress;
use super::prompt::{self, Answer};
use super::signals::Asked;
use super::terminal::{lines, one_line, shell_word};
use crate::engine::{DriveOptions, Driven, EngineError, Event, Observer, SleepPolicy, WaitPolicy};
use crate::ids::ExecutionId;
use crate::service::{CheckpointView, ExecutionView, ListQuery, PendingWaitView, Service, ServiceError};
use crate::store::{Status, StoreError};

/// How a command drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// Asks at a terminal; without one, returns at a wait.
    Person,
    /// Stays at waits for their polling window, for an answer from elsewhere.
    Wait,
    /// Asks at a terminal like [`Attach::Person`], and does not stay through a long sleep: somebody answered, and did not come to drive.
    Answer,
}

/// How long bodies may take to their end when the process is asked to end.
const GRACE: Duration = Duration::from_secs(30);

/// Why driving in the foreground ended.
enum Ended {
    Driven,
    /// The person left a question open.
    Left,
    /// Ctrl-C.
    Interrupted,
}

/// Drives `id` to its next stop.
pub(super) async fn drive(context: &Context, service: &dyn Service, id: ExecutionId, attach: Attach) -> Result<(), CliError> {
    let asks = context.is_interactive() && matches!(attach, Attach::Person | Attach::Answer);
    let wait = match attach {
        Attach::Person | Attach::Answer if asks => WaitPolicy::Stay,
        Attach::Person | Attach::Answer => WaitPolicy::Return,
        Attach::Wait => WaitPolicy::Window,
    };
    let sleep = match attach {
        Attach::Answer => SleepPolicy::Leave { longer_than: Duration::from_secs(10) },
        Attach::Person | Attach::Wait => SleepPolicy::Stay,
    };
    let (send, mut events) = mpsc::unbounded_channel();
    let mut progress = shows_progress(context).then(|| Progress::new(context.is_interactive()));
    // Where nobody wants to know, nothing need be told.
    let observer = if progress.is_some() || asks || attach == Attach::Wait {
        Observer::new(move |event| {
            // Nobody watches any more: the flow goes on all the same.
            let _ = send.send((Instant::now(), event));
        })
    } else {
        Observer::silent()
    };
    let there = match context.connection()? {
        Connection::Server { server, .. } => Some(server.url.as_str()),
        Connection::Local => None,
    };
    let mut conversation = Conversation::new(service);
    let mut hearing = Hearing::of(service, id, progress.is_some() && context.is_interactive()).await;
    let mut asked = Asked::listen();
    let (stop, stopping) = watch::channel(false);
    // What happens while a question stands at the terminal is told when it does no longer.
    let mut untold = Vec::new();
    let ended = {
        let driving = drive_patiently(context, service, id, DriveOptions { wait, sleep, observer, stop: stopping });
        tokio::pin!(driving);
        loop {
            if !conversation.is_asking() {
                untold.drain(..).for_each(|(at, event)| tell(progress.as_mut(), at, &event));
            }
            tokio::select! {
                biased;
                Some((at, event)) = events.recv() => {
                    match &event {
                        Event::Waiting { id } if asks || attach == Attach::Wait => {
                            let pending = tokio::select! {
                                biased;
                                () = asked.ends(), if there.is_some() => break Ended::Interrupted,
                                pending = service.pending_waits(Some(id.execution)) => pending?,
                            };
                            match pending.into_iter().find(|pending| pending.wait_id == id.to_string()) {
                                Some(pending) if asks => {
                                    // The moving line makes room for the question.
                                    tell(progress.as_mut(), at, &event);
                                    conversation.ask(pending);
                                }
                                Some(pending) => tell_waiting(context, &pending, false),
                                None => {}
                            }
                        }
                        Event::Answered { id } => conversation.settled(&id.to_string()).await,
                        _ => {}
                    }
                    untold.push((at, event));
                }
                driven = &mut driving => {
                    driven.map_err(|error| CliError::from(error).about(there.and(Some(id))))?;
                    break Ended::Driven;
                }
                () = asked.ends() => match there {
                    // Nothing stops there that would have to come to an end.
                    Some(_) => break Ended::Interrupted,
                    None => break drain(context, &stop, &mut asked, driving).await?,
                },
                chunk = hearing.next() => progress.iter_mut().for_each(|progress| progress.said(&chunk)),
                answer = conversation.answer() => {
                    if answer? == Answer::Leave {
                        anstream::eprintln!();
                        if there.is_some() {
                            break Ended::Left;
                        }
                        drain(context, &stop, &mut asked, driving).await?;
                        break Ended::Left;
                    }
                }
            }
        }
    };
    drop(conversation);
    untold.iter().for_each(|(at, event)| tell(progress.as_mut(), *at, event));
    if let Some(mut progress) = progress {
        while let Ok((at, event)) = events.try_recv() {
            progress.show(at, &event);
        }
        progress.finish();
    }
    if let (Some(url), Ended::Interrupted) = (there, &ended) {
        return elsewhere::left(service, id, url, &mut asked).await;
    }
    match ended {
        Ended::Driven | Ended::Left => Ok(()),
        // It came to its end all the same.
        Ended::Interrupted if service.get(id).await?.summary.ended_at.is_some() => Ok(()),
        Ended::Interrupted => {
            let pending = service.pending_waits(Some(id)).await?;
            let waits = service.get(id).await?.summary.status == "waiting";
            let go_on = match pending.first().filter(|_| waits) {
                Some(wait) => format!("answer its question: {}", answer_command(wait, pending.len() > 1)),
                None => format!("go on with: kitaru-host executions resume {id}"),
            };
            Err(CliError::new(format!("interrupted; execution {id} keeps everything that it has done"))
                .hint(go_on)
                .with("exec_id", id.to_string()))
        }
    }
}

/// Lets bodies that run come to their end, so that they need not run again, until somebody asks a second time.
async fn drain(
    context: &Context,
    stop: &watch::Sender<bool>,
    asked: &mut Asked,
    driving: impl Future<Output = Result<Driven, ServiceError>>,
) -> Result<Ended, CliError> {
    stop.send_replace(true);
    tokio::pin!(driving);
    let said = async {
        // Mostly there is nothing to wait for, and nothing to say.
        tokio::time::sleep(Duration::from_millis(200)).await;
        context.output.say("Stopping: what runs comes to its end first; Ctrl-C again ends it at once, and it runs again later");
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        driven = &mut driving => driven.map(drop)?,
        () = said => {}
        () = asked.ends() => {}
    }
    Ok(Ended::Interrupted)
}

/// Drives, or waits while another host does that was quicker: one that looks after all executions, say.
async fn drive_patiently(
    context: &Context,
    service: &dyn Service,
    id: ExecutionId,
    options: DriveOptions,
) -> Result<Driven, ServiceError> {
    let mut stop = options.stop.clone();
    let mut told = None;
    loop {
        let driven = match service.drive(id, options.clone()).await {
            // It was to go on, and somebody else was quicker.
            Ok(driven) if driven.status == Status::Running && !*stop.borrow() => driven,
            Err(ServiceError::Engine(EngineError::Store(StoreError::Owned { runner, .. }))) => {
                if told.as_ref() != Some(&runner) {
                    context.output.say(&format!("The execution goes on in {runner}"));
                    told = Some(runner);
                }
                Driven { status: Status::Running }
            }
            driven => return driven,
        };
        tokio::select! {
            free = service.free(id) => free?,
            asked = elsewhere::questions(service, id, &options) => {
                asked?;
                return Ok(Driven { status: Status::Waiting });
            }
            _ = stop.wait_for(|stop| *stop) => return Ok(driven),
        }
    }
}

fn tell(progress: Option<&mut Progress>, at: Instant, event: &Event) {
    if let Some(progress) = progress {
        progress.show(at, event);
    }
}

fn shows_progress(context: &Context) -> bool {
    use std::io::IsTerminal as _;
    let watched = std::io::stderr().is_terminal() || context.global.verbose > 0;
    watched && !context.output.is_quiet() && !context.output.is_json()
}

/// Says which command answers a wait.
pub(super) fn tell_waiting(context: &Context, wait: &PendingWaitView, which: bool) {
    let question = wait.question.as_deref().map(|question| format!(": {}", lines(question))).unwrap_or_default();
    context.output.say(&format!("Waiting for `{}`{question}", one_line(&wait.name)));
    context.output.say(&format!("Answer it: {}", answer_command(wait, which)));
}

/// The command that answers a wait, with a value of the right shape to change.
pub(super) fn answer_command(wait: &PendingWaitView, which: bool) -> String {
    let example = wait.schema.as_ref().map_or(serde_json::Value::Null, prompt::example);
    let which = if which { format!(" --wait {}", shell_word(&wait.name)) } else { String::new() };
    format!("kitaru-host executions input {}{which} --value {}", wait.exec_id, shell_word(&example.to_string()))
}

/// Reports how a driven execution stands: result or failure. `strict` makes a failure the command's own.
pub(super) async fn report(
    context: &Context,
    service: &dyn Service,
    id: ExecutionId,
    strict: bool,
) -> Result<ExitCode, CliError> {
    let view = service.get(id).await?;
    if strict && let Some(error) = failure(&view) {
        return Err(error);
    }
    if view.summary.status == "waiting" {
        let mut pending = service.pending_waits(Some(id)).await?;
        if pending.is_empty() {
            pending = of_children(service, id).await?;
        }
        for wait in &pending {
            tell_waiting(context, wait, pending.iter().filter(|other| other.exec_id == wait.exec_id).count() > 1);
        }
        if view.summary.is_due {
            if view.runner.is_none() {
                context.output.say(&format!("It can go on, with: kitaru-host executions resume {id}"));
            }
        } else if let (Some(at), true) = (&view.summary.wakes_at, pending.is_empty()) {
            context.output.say(&format!("Sleeping until {at}"));
            context
                .output
                .say(&format!("It goes on by itself where `kitaru-host serve` runs, or: kitaru-host executions resume {id}"));
        }
    } else if view.summary.status == "running" && view.runner.is_none() {
        context.output.say(&format!("It has more to do; go on with: kitaru-host executions resume {id}"));
    } else if !strict && view.summary.status != "completed" {
        context.output.say(&format!("Status: {}", view.summary.status));
    }
    context.output.item(&view, || if view.has_result { lines(&view.result.to_string()) } else { String::new() })
}

/// The questions of children that an execution waits for, and of theirs.
pub(super) async fn of_children(service: &dyn Service, id: ExecutionId) -> Result<Vec<PendingWaitView>, ServiceError> {
    let mut pending = Vec::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        let query = ListQuery { parent: Some(parent), status: Some(Status::Waiting), limit: 100, ..ListQuery::default() };
        for child in service.list(&query).await?.items {
            let child = service.resolve(&child.exec_id).await?;
            pending.extend(service.pending_waits(Some(child)).await?);
            parents.push(child);
        }
    }
    Ok(pending)
}

/// An execution that ended without a result, as an error.
pub(super) fn failure(view: &ExecutionView) -> Option<CliError> {
    let id = &view.summary.exec_id;
    let status = &*view.summary.status;
    let base = |message: String, class| {
        CliError::new(message).class(class).with("exec_id", id.clone()).with("status", status.to_owned())
    };
    match (status, &view.summary.failure) {
        ("failed", Some(failure)) => {
            let class = match &*failure.origin {
                "user_code" => "KitaruUserCodeError",
                "divergence" => "KitaruDivergenceError",
                _ => "KitaruExecutionError",
            };
            let mut error = base(format!("Execution {id} finished with status 'failed'."), class);
            error.causes.push(match failed_checkpoint(view) {
                Some(call) => format!("checkpoint `{}` (call {}): {}", call.invocation_id, call.call_index, failure.message),
                None => failure.message.clone(),
            });
            error = error.with("origin", failure.origin.to_string()).with("failure_kind", failure.exception_type.clone());
            if let Some(details) = &failure.details {
                error = error.with("details", details.clone());
            }
            let granted = failed_checkpoint(view).and_then(|call| call.capabilities.granted.as_ref());
            let flags = flags_of(failure.details.as_ref(), granted).join(" ");
            let hint = failure.details.as_ref().and_then(|details| details.get("hint")?.as_str());
            let retry = match &*failure.origin {
                "divergence" => format!(
                    "go on with the version that it was started with: kitaru-host executions retry {id} --component <file>"
                ),
                // A retry keeps the grants and limits that the execution was started with; a replay can have more.
                _ if failure.exception_type == "capability" && !failure.message.contains("--allow-") => {
                    format!("declare it in the code, and run on with that: {} --component <file>", replay_from(view))
                }
                _ if !flags.is_empty() => {
                    format!("grant what it declares and run on from there: {} {flags}", replay_from(view))
                }
                _ if failure.exception_type == "capability" => {
                    format!("grant it and run on from there: {} --allow-…", replay_from(view))
                }
                // What belongs to the host is not the execution's.
                _ if failure.exception_type == "limit" && host_limit(&failure.message).is_some() => {
                    let key = host_limit(&failure.message).unwrap_or_default();
                    format!("raise `{key}` of `[host]` in kitaru.toml, and run on: kitaru-host executions retry {id}")
                }
                _ if failure.exception_type == "limit" => match limit_flag(&failure.message) {
                    Some(flag) => {
                        format!("raise the limit and run on from there: {} {flag} …, or run it anew", replay_from(view))
                    }
                    None => "change the code, and run on with it: kitaru-host executions retry … --component <file>".to_owned(),
                },
                // A model, say: a retry has the models that the execution was started with, a replay those of now.
                _ if failure.exception_type == "usage" && hint.is_some() => {
                    format!("{}; then run on from there: {}", hint.unwrap_or_default(), replay_from(view))
                }
                _ => format!("To retry this failed execution, run: kitaru-host executions retry {id}"),
            };
            Some(error.hint(retry))
        }
        ("failed", None) => Some(base(format!("Execution {id} finished with status 'failed'."), "KitaruExecutionError")),
        ("cancelled", _) => Some(base(format!("Execution {id} finished with status 'cancelled'."), "KitaruExecutionError")),
        _ => None,
    }
}

/// The command that replays the execution from the checkpoint that failed, or else from one of the person's choice.
fn replay_from(view: &ExecutionView) -> String {
    let from = failed_checkpoint(view).map_or_else(|| "<checkpoint>".to_owned(), |call| selector(view, call));
    format!("kitaru-host executions replay {} --from {from}", view.summary.exec_id)
}

/// What names this call and no other in a command: its invocation ID, unless that is the name of several calls.
pub(super) fn selector(view: &ExecutionView, call: &CheckpointView) -> String {
    let fits = |other: &&CheckpointView| other.name == call.invocation_id || other.invocation_id == call.invocation_id;
    match view.checkpoints.iter().filter(fits).count() {
        1 => shell_word(&call.invocation_id),
        _ => format!(":{}", call.call_index),
    }
}

/// The checkpoint whose failure ended the execution.
fn failed_checkpoint(view: &ExecutionView) -> Option<&CheckpointView> {
    let failure = view.summary.failure.as_ref()?;
    // A divergence names the call at which the code and the journal part, which has not failed.
    let index = failure.call_index.filter(|_| failure.origin != "divergence")?;
    view.checkpoints.iter().find(|call| call.call_index == index)
}

/// Drives what another command prepared, and reports it. Where a live runner elsewhere has the execution, that one goes on.
pub(super) async fn go_on(context: &Context, service: &dyn Service, id: ExecutionId, strict: bool) -> Result<ExitCode, CliError> {
    let attach = if strict { Attach::Person } else { Attach::Answer };
    let is_elsewhere = matches!(context.connection()?, Connection::Server { .. });
    match service.get(id).await?.runner.filter(|_| !is_elsewhere) {
        None => drive(context, service, id, attach).await?,
        Some(runner) => context
            .output
            .say(&format!("The execution goes on in {runner}; follow it: kitaru-host executions logs {id} --follow")),
    }
    report(context, service, id, strict).await
}
