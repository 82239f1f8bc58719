//! Batches of replays: many sources, one order, and a report of what became of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{Done, LocalService, ReplayCommand, Service, ServiceError};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{DriveOptions, EngineError};
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::journal::ReplayError;
use crate::service::Word;
use crate::store::StoreError;

/// What became of a batch, in the shape that Kitaru's clients know.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplaySubmission {
    /// `rs-<time>-<8 hexadecimal digits>`.
    pub submission_id: String,
    /// The first label.
    pub tag: Option<String>,
    /// The anchor.
    pub at: Option<String>,
    /// Whether the replays were driven to their end.
    pub wait: bool,
    /// What was asked for.
    pub plan: Value,
    /// The replays that were made.
    pub results: Vec<ReplayResult>,
    /// Sources whose replay was refused.
    pub failures: Vec<ReplayLeft>,
    /// Sources that have no such anchor.
    pub skipped: Vec<ReplayLeft>,
    /// How many there are of each.
    pub summary: Map<String, Value>,
    /// Always null: there is no page to compare them on yet.
    pub compare_url: Option<String>,
}

/// A replay of a batch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplayResult {
    /// The source as it was named.
    pub original_exec_ref: String,
    /// The source.
    pub original_exec_id: String,
    /// The replay.
    pub replay_exec_id: String,
    /// `submitted`, `completed`, `failed`, or how else it stands.
    pub status: Word,
    /// Always null.
    pub compare_url: Option<String>,
}

/// A source of a batch that was not replayed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplayLeft {
    /// The source as it was named.
    pub original_exec_ref: String,
    /// The source, where it exists.
    pub original_exec_id: Option<String>,
    /// Why.
    pub reason: String,
}

impl ReplaySubmission {
    /// The replays that were made.
    pub fn replays(&self) -> Vec<ExecutionId> {
        self.results.iter().filter_map(|result| result.replay_exec_id.parse().ok()).collect()
    }

    /// Counts again how many there are of each.
    pub fn count(&mut self) {
        let with = |status: &str| self.results.iter().filter(|result| result.status == status).count();
        let summary = json!({
            "submitted": self.results.len(),
            "completed": with("completed"),
            "failed": with("failed") + self.failures.len(),
            "skipped": self.skipped.len(),
        });
        self.summary = summary.as_object().cloned().unwrap_or_default();
    }
}

/// Replays several executions with one order. With `collect`, a source that has no such anchor is skipped and one that is refused is
/// reported; otherwise the first refusal ends the batch.
///
/// # Errors
/// The first refusal, unless refusals are collected; with the replays that were made before it.
pub(super) async fn replay(
    service: &LocalService,
    sources: &[String],
    command: ReplayCommand,
    collect: bool,
) -> Result<ReplaySubmission, ServiceError> {
    let mut submission = begin(&command);
    let replayed = replay_each(service, sources, &command, collect, &mut submission).await;
    submission.count();
    match replayed {
        Ok(()) => Ok(submission),
        Err(error) => Err(error.after(Done::Replays(Box::new(submission)))),
    }
}

async fn replay_each(
    service: &LocalService,
    sources: &[String],
    command: &ReplayCommand,
    collect: bool,
    submission: &mut ReplaySubmission,
) -> Result<(), ServiceError> {
    let mut matched: Map<String, Value> = Map::new();
    for source in sources {
        let resolved = service.resolve(source).await;
        let id = resolved.as_ref().ok().copied();
        let replayed = match resolved {
            Ok(id) => service.replay(id, command.clone()).await,
            Err(error) => Err(error),
        };
        let left = |reason: &ServiceError| ReplayLeft {
            original_exec_ref: source.clone(),
            original_exec_id: id.map(|id| id.to_string()),
            reason: reason.to_string(),
        };
        match (replayed, id) {
            (Ok(replay), Some(id)) => {
                submission.results.push(ReplayResult {
                    original_exec_ref: source.clone(),
                    original_exec_id: id.to_string(),
                    replay_exec_id: replay.to_string(),
                    status: "submitted".into(),
                    compare_url: None,
                });
                note_targets(service, replay, &mut matched).await?;
            }
            (Err(error), _) if !collect => return Err(error),
            (Err(error @ ServiceError::Engine(EngineError::Replay(ReplayError::Unknown { .. }))), _) => {
                submission.skipped.push(left(&error));
            }
            (Err(error), _) => submission.failures.push(left(&error)),
            (Ok(_), None) => {}
        }
    }
    if let Some(plan) = submission.plan.as_object_mut() {
        plan.insert("matched_targets".into(), Value::Object(matched));
    }
    Ok(())
}

/// Which calls the selectors of overrides named, over all sources.
async fn note_targets(service: &LocalService, replay: ExecutionId, matched: &mut Map<String, Value>) -> Result<(), ServiceError> {
    let plan = service.get(replay).await?.replay.unwrap_or_default();
    for given in plan.get("overrides").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
        let scope = if text("scope") == "invocation" { "invocation" } else { "checkpoint" };
        let targets = matched.entry(format!("{scope}:{}", text("selector"))).or_insert_with(|| json!([]));
        if let Some(targets) = targets.as_array_mut().filter(|known| !known.contains(&json!(text("invocation")))) {
            targets.push(json!(text("invocation")));
        }
    }
    Ok(())
}

/// Drives the replays of a batch to their next stops, beside each other, wherever they are. What is known then of how they stand is noted in any case.
///
/// # Errors
/// When one cannot be driven or looked at; with the replays.
pub(crate) async fn drive_batch<S: Service + ?Sized>(service: &S, submission: &mut ReplaySubmission) -> Result<(), ServiceError> {
    submission.wait = true;
    let mut driven = service.drive_all(&submission.replays()).await;
    for result in &mut submission.results {
        let Ok(id) = result.replay_exec_id.parse() else { continue };
        match service.get(id).await {
            Ok(view) => result.status = view.summary.status,
            Err(error) => {
                driven = driven.and(Err(error));
                // Whoever cannot be asked about one cannot be asked about any.
                break;
            }
        }
    }
    submission.count();
    driven.map_err(|error| error.after(Done::Replays(Box::new(submission.clone()))))
}

/// Drives executions to their next stops, beside each other.
///
/// # Errors
/// When one cannot be driven; the others are all the same.
pub(super) async fn drive_all(service: &LocalService, ids: &[ExecutionId], options: DriveOptions) -> Result<(), ServiceError> {
    let mut driving = JoinSet::new();
    for id in ids.iter().copied() {
        let (service, options) = (service.clone(), options.clone());
        driving.spawn(async move { service.drive(id, options).await });
    }
    // One that cannot be driven does not keep the others from their ends.
    let mut result = Ok(());
    while let Some(driven) = driving.join_next().await {
        let error = match driven {
            Ok(Ok(_)) | Ok(Err(ServiceError::Engine(EngineError::Store(StoreError::Owned { .. })))) => continue,
            Ok(Err(error)) => error,
            Err(error) => StoreError::Backend(Box::new(error)).into(),
        };
        result = result.and(Err(error));
    }
    result
}

fn begin(command: &ReplayCommand) -> ReplaySubmission {
    let time: String = SystemClock.now().to_rfc3339().chars().filter(|c| c.is_ascii_alphanumeric()).take(15).collect();
    let [a, b, c, d, ..] = SystemIds.seed();
    let overrides: Map<String, Value> = command.overrides.iter().cloned().collect();
    ReplaySubmission {
        submission_id: format!("rs-{time}Z-{a:02x}{b:02x}{c:02x}{d:02x}"),
        tag: command.tags.first().cloned(),
        at: command.from.clone(),
        wait: false,
        plan: json!({
            "flow_overrides": command.inputs,
            "overrides": overrides,
            "checkpoint_overrides": command.checkpoint_overrides,
            "invocation_overrides": command.invocation_overrides,
            "skip": command.skip,
        }),
        results: Vec::new(),
        failures: Vec::new(),
        skipped: Vec::new(),
        summary: Map::new(),
        compare_url: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r24_a_submissions_id_names_its_time() {
        let submission = begin(&ReplayCommand::default());
        let parts: Vec<&str> = submission.submission_id.split('-').collect();
        assert_eq!((parts.len(), parts[0], parts[1].len(), parts[2].len()), (3, "rs", 16, 8), "{}", submission.submission_id);
        assert!(parts[1].ends_with('Z') && parts[1].contains('T'));
    }
}
