//! The questions of an execution that another host drives: that one stays with them, and tells nobody here.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::drive::of_children;
use super::error::CliError;
use super::signals::Asked;
use crate::engine::{DriveOptions, Event, WaitPolicy};
use crate::ids::{CallId, ExecutionId};
use crate::service::{PendingWaitView, Service, ServiceError};

/// How often they are looked for where nobody tells of them.
const LOOK: Duration = Duration::from_millis(250);
/// Where somebody is asked, how often it is looked whether anything still runs beside that: nobody tells of steps. Whoever has taken it up has begun
/// after that time.
const BESIDE: Duration = Duration::from_millis(100);
/// How long nobody looks who is told, for what may have been lost on the way.
const NET: Duration = Duration::from_secs(30);
/// Between two looks is so many times what one took, so that a folder where much happens costs little; and no more than this.
const REST: u32 = 10;
const LONGEST_REST: Duration = Duration::from_secs(2);
/// How long somebody is kept who wants to leave.
const MOMENT: Duration = Duration::from_secs(2);

/// Tells whoever watches what is asked, and what is not any more, as if it were driven here. Returns where driving here would: it waits for
/// somebody, and nobody here stays for that.
pub(super) async fn questions(service: &dyn Service, id: ExecutionId, options: &DriveOptions) -> Result<(), ServiceError> {
    let (mut told, mut stood): (Vec<CallId>, bool) = (Vec::new(), false);
    // Before the first look: whatever is asked after it is told.
    let mut news = service.news().await?;
    loop {
        let began = Instant::now();
        let own = service.pending_waits(Some(id)).await?;
        let childrens = of_children(service, id).await?;
        let is_asked = !(own.is_empty() && childrens.is_empty());
        if options.wait == WaitPolicy::Return {
            let stands = is_asked && stands(service, id, !childrens.is_empty()).await?;
            // Twice: whoever has only just taken it up may not have begun.
            if stands && stood {
                return Ok(());
            }
            stood = stands;
        } else {
            let open: Vec<CallId> = own.iter().chain(&childrens).filter_map(call).collect();
            for id in open.iter().copied().filter(|id| !told.contains(id)) {
                options.observer.tell(|| Event::Waiting { id });
            }
            for id in told.iter().copied().filter(|id| !open.contains(id)) {
                options.observer.tell(|| Event::Answered { id });
            }
            told = open;
        }
        let rest = rest_after(began.elapsed());
        match &mut news {
            _ if is_asked && options.wait == WaitPolicy::Return => tokio::time::sleep(BESIDE).await,
            Some(news) => changed(news).await,
            None => tokio::time::sleep(LOOK).await,
        }
        tokio::time::sleep_until(began + rest).await;
    }
}

/// Whether an execution in which somebody is asked waits for that.
async fn stands(service: &dyn Service, id: ExecutionId, a_child_asks: bool) -> Result<bool, ServiceError> {
    let view = service.get(id).await?;
    // While it drives a child that waits, a parent counts as running. It waits where nothing runs in it.
    let runs = view.checkpoints.iter().any(|checkpoint| checkpoint.status == "running");
    Ok(view.summary.status == "waiting" || (a_child_asks && !runs))
}

/// How long nobody looks again after a look that took so long, counted from its beginning.
fn rest_after(look: Duration) -> Duration {
    look.saturating_mul(REST).min(LONGEST_REST)
}

/// Returns when something may have happened since it was last looked at, or when that may have been lost.
async fn changed(news: &mut watch::Receiver<u64>) {
    let told = async {
        if news.changed().await.is_err() {
            // Nobody can tell any more.
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(NET, told).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_lost_on_the_way_is_found_all_the_same() {
        let (teller, mut news) = watch::channel(0);
        let began = Instant::now();
        teller.send_replace(1);
        changed(&mut news).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        changed(&mut news).await;
        assert!(began.elapsed() >= NET && began.elapsed() < 2 * NET);
        drop(teller);
        changed(&mut news).await;
        assert!(began.elapsed() >= 2 * NET && began.elapsed() < 3 * NET);
    }

    #[test]
    fn a_look_that_took_long_is_not_the_last_for_long() {
        assert_eq!(rest_after(Duration::from_millis(3)), Duration::from_millis(30));
        assert_eq!(rest_after(Duration::from_secs(60)), LONGEST_REST);
        assert_eq!(rest_after(Duration::MAX), LONGEST_REST);
    }
}
