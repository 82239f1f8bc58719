//! News of all executions, found once for all who listen, and only while somebody does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{broadcast, watch};

use super::event::Told;
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::mutex::lock;
use crate::service::{LocalService, OpenExecution, ServiceError};

/// News that are kept for those who come again.
const KEPT: usize = 1_024;
/// Many changes at once are looked at once.
const GATHERS: Duration = Duration::from_millis(100);
/// What wakes nobody is found after this: that another process begins an execution, which would cost each of them, and that one goes on whose time came.
const LOOKS: Duration = Duration::from_secs(2);

/// Something that has happened.
#[derive(Clone, Debug)]
pub(super) struct New {
    number: u64,
    /// Whose: not everybody may know.
    pub(super) flow: String,
    pub(super) told: Told,
}

/// News of all executions.
#[derive(Clone, Debug)]
pub(in crate::api) struct News {
    sender: broadcast::Sender<Arc<New>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody looks.
    looks: bool,
    /// Which run of looking it is: numbers of another one mean nothing here.
    run: String,
    next: u64,
    kept: VecDeque<Arc<New>>,
}

impl News {
    pub(in crate::api) fn new() -> Self {
        Self { sender: broadcast::Sender::new(KEPT), state: Arc::default() }
    }

    /// Listens; with what has happened since `last`, where that is still known.
    pub(super) async fn listen(
        &self,
        service: &LocalService,
        last: Option<&str>,
    ) -> Result<(Vec<Arc<New>>, broadcast::Receiver<Arc<New>>), ServiceError> {
        // What happens from here on is news.
        let wakeups = service.watch_all().await?;
        let is_first = !lock(&self.state).looks;
        let known = if is_first { Some(by_id(service.open_executions().await?)) } else { None };
        let mut state = lock(&self.state);
        let receiver = self.sender.subscribe();
        if !state.looks {
            *state = State { looks: true, run: SystemIds.execution().to_string().replace('-', ""), ..State::default() };
            tokio::spawn(look(self.clone(), service.clone(), wakeups, known));
        }
        let after = last.and_then(|last| last.split_once('-')).filter(|(run, _)| *run == state.run);
        let after: Option<u64> = after.and_then(|(_, number)| number.parse().ok());
        let missed = after.map(|after| state.kept.iter().filter(|new| new.number > after).cloned().collect());
        Ok((missed.unwrap_or_default(), receiver))
    }

    fn tell(&self, event: &str, execution: &OpenExecution) {
        let data = match event {
            "waits" => json!({ "exec_id": execution.id.to_string(), "flow_name": execution.flow, "open": execution.waits.len() }),
            _ => json!({ "exec_id": execution.id.to_string(), "flow_name": execution.flow, "status": execution.status.as_str() }),
        };
        let mut state = lock(&self.state);
        state.next += 1;
        let number = state.next;
        let told = Told::new(event, Some(&format!("{}-{number}", state.run)), &data);
        let new = Arc::new(New { number, flow: execution.flow.clone(), told });
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(new.clone());
        // Under the lock, so that whoever begins to listen gets each exactly once.
        let _ = self.sender.send(new);
    }

    /// Whether nobody listens any more: then nobody looks from here on.
    fn is_over(&self) -> bool {
        let mut state = lock(&self.state);
        let is_over = self.sender.receiver_count() == 0;
        if is_over {
            *state = State::default();
        }
        is_over
    }
}

type Known = BTreeMap<ExecutionId, OpenExecution>;

fn by_id(open: Vec<OpenExecution>) -> Known {
    open.into_iter().map(|one| (one.id, one)).collect()
}

async fn look(news: News, service: LocalService, mut wakeups: watch::Receiver<u64>, mut known: Option<Known>) {
    while !news.is_over() {
        match service.open_executions().await {
            Ok(open) => known = Some(compare(&news, &service, known, open).await),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "executions could not be looked at"),
        }
        let _ = tokio::time::timeout(LOOKS, wakeups.changed()).await;
        tokio::time::sleep(GATHERS).await;
    }
}

/// Tells what is another than it was.
async fn compare(news: &News, service: &LocalService, known: Option<Known>, open: Vec<OpenExecution>) -> Known {
    let mut now = by_id(open);
    let Some(known) = known else { return now };
    for (id, before) in &known {
        if !now.contains_key(id) && !before.status.is_terminal() {
            // It has ended, and is not among the newest.
            match service.open_execution(*id).await {
                Ok(Some(ended)) => drop(now.insert(*id, ended)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be looked at");
                    now.insert(*id, before.clone());
                }
            }
        }
    }
    for (id, one) in &now {
        let before = known.get(id);
        if before.map(|before| before.status) != Some(one.status) {
            news.tell("execution", one);
        }
        if before.map_or(&[] as &[String], |before| before.waits.as_slice()) != one.waits.as_slice() {
            news.tell("waits", one);
        }
    }
    now
}
