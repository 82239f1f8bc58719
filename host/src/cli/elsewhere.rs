//! The questions of an execution that another host drives: that one stays with them, and tells nobody here.

use std::time::Duration;

use super::drive::of_children;
use super::error::CliError;
use super::signals::Asked;
use crate::engine::{DriveOptions, Event, WaitPolicy};
use crate::ids::{CallId, ExecutionId};
use crate::service::{PendingWaitView, Service, ServiceError};

/// How often they are looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long somebody is kept who wants to leave.
const MOMENT: Duration = Duration::from_secs(2);

/// Tells whoever watches what is asked, and what is not any more, as if it were driven here. Returns where driving here would: it waits for
/// somebody, and nobody here stays for that.
pub(super) async fn questions(service: &dyn Service, id: ExecutionId, options: &DriveOptions) -> Result<(), ServiceError> {
    let mut told: Vec<CallId> = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let own = service.pending_waits(Some(id)).await?;
        let childrens = of_children(service, id).await?;
        if options.wait == WaitPolicy::Return {
            if own.is_empty() && childrens.is_empty() {
                continue;
            }
            let view = service.get(id).await?;
            // While it drives a child that waits, a parent counts as running. It waits where nothing runs in it.
            let runs = view.checkpoints.iter().any(|checkpoint| checkpoint.status == "running");
            if view.summary.status == "waiting" || (!childrens.is_empty() && !runs) {
                return Ok(());
            }
            continue;
        }
        let open: Vec<CallId> = own.iter().chain(&childrens).filter_map(call).collect();
        for id in open.iter().copied().filter(|id| !told.contains(id)) {
            options.observer.tell(|| Event::Waiting { id });
        }
        for id in told.iter().copied().filter(|id| !open.contains(id)) {
            options.observer.tell(|| Event::Answered { id });
        }
        told = open;
    }
}

/// What a person is told who stops watching an execution that a server drives. They have waited long enough: the server is asked for no longer than a
/// moment whether it came to its end all the same.
pub(super) async fn left(service: &dyn Service, id: ExecutionId, url: &str, asked: &mut Asked) -> Result<(), CliError> {
    let has_ended = tokio::select! {
        view = tokio::time::timeout(MOMENT, service.get(id)) => matches!(view, Ok(Ok(view)) if view.summary.ended_at.is_some()),
        () = asked.ends() => false,
    };
    if has_ended {
        return Ok(());
    }
    Err(CliError::new(format!("interrupted; execution {id} goes on at {url}"))
        .hint(format!("follow it: kitaru-host executions logs {id} --follow; end it: kitaru-host executions cancel {id}"))
        .about(Some(id)))
}

/// The call that a question is.
fn call(wait: &PendingWaitView) -> Option<CallId> {
    let (execution, index) = wait.wait_id.rsplit_once(':')?;
    Some(CallId { execution: execution.parse().ok()?, index: index.parse().ok()? })
}
