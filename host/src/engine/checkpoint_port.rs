//! What a checkpoint body asks for: artifacts, metadata, where it runs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::EngineError;
use super::artifacts::{self, Found};
use super::call::Call;
use super::log_lines::LogLines;
use super::metadata::Metadata;
use super::models::BodyCalls;
use super::run::Run;
use crate::ids::{CallId, ExecutionId};
use crate::journal::Failure;
use crate::mutex::lock;
use crate::sandbox::{AccessKind, ArtifactValue, Audit, CheckpointPort, Current, ModelSpan, ModelStream, OpenedSecret, Stop};
use crate::store::{ArtifactRow, StoreError, get_bytes, put_bytes};

/// The calls of one checkpoint attempt.
pub(super) struct CheckpointCalls {
    run: Arc<Run>,
    call: CallId,
    attempt: u32,
    saved: Arc<AtomicU32>,
    models: Arc<BodyCalls>,
    metadata: Arc<Mutex<Metadata>>,
    lines: Arc<LogLines>,
    /// Where it is noted what it loads of other executions.
    audit: Audit,
}

impl CheckpointCalls {
    pub(super) fn new(
        run: Arc<Run>,
        call: &Call,
        attempt: u32,
        metadata: Arc<Mutex<Metadata>>,
        lines: Arc<LogLines>,
        audit: Audit,
    ) -> Self {
        let checkpoint = call.descriptor.name.clone();
        let call = CallId { execution: run.id(), index: call.index };
        let (kept, log) = (metadata.clone(), lines.clone());
        let models = BodyCalls::new(run.clone(), call, attempt, checkpoint, kept, log, audit.clone());
        Self { run, call, attempt, saved: models.saved(), models: Arc::new(models), metadata, lines, audit }
    }

    /// Its model calls.
    pub(super) fn models(&self) -> Arc<BodyCalls> {
        self.models.clone()
    }

    async fn keep(&mut self, name: String, value: ArtifactValue, kind: String, tags: Vec<String>) -> Result<String, EngineError> {
        let (media_type, is_blob, bytes) = match value {
            ArtifactValue::Json(text) => ("application/json".to_owned(), false, text.into_bytes()),
            ArtifactValue::Blob { media_type, bytes } => (media_type, true, bytes),
        };
        let payload = put_bytes(self.run.store.as_ref(), bytes).await?;
        let ordinal = self.saved.fetch_add(1, Ordering::Relaxed);
        let artifact = ArtifactRow {
            execution: self.call.execution,
            call: self.call.index,
            attempt: self.attempt,
            ordinal,
            name,
            kind,
            media_type,
            is_blob,
            tags,
            payload,
            at: self.run.clock.now(),
        };
        self.run.store.save(self.run.recorder.lease(), artifact).await?;
        Ok(artifacts::saved_id(self.call, ordinal))
    }

    /// Whether there is such an execution, and whoever started this one over the network may see it: it is of a flow of theirs, or was started for the
    /// same execution as this one, or as one that this is a replay of. Whoever has the data folder may see all.
    async fn may_load_from(&self, execution: ExecutionId) -> Result<bool, EngineError> {
        let other = match self.run.store.execution(execution).await {
            Err(StoreError::NotFound { .. }) => return Ok(false),
            other => other?.new,
        };
        let Some(starter) = &self.run.spec.starter else { return Ok(true) };
        let own = &self.run.row.new;
        let tree = other.root.unwrap_or(other.id);
        let is_of_the_same = tree == own.root.unwrap_or(own.id) || starter.trees.contains(&tree);
        Ok(is_of_the_same || starter.flows.covers(&other.flow))
    }

    async fn fetch(&self, execution: &str, name: &str) -> Result<Result<ArtifactValue, Failure>, EngineError> {
        let Ok(execution) = execution.parse::<ExecutionId>() else {
            return Ok(Err(Failure::usage(format!("load() expected `execution_id` to be a UUID, got {execution:?}"))));
        };
        // One answer for what is not there and for what is not theirs, and one record of it: neither tells the two apart.
        if execution != self.run.id() {
            let may = self.may_load_from(execution).await?;
            self.audit.noted(AccessKind::Load, &format!("{execution}/{name}"), may, None);
            if !may {
                return Ok(Err(unknown(execution)));
            }
        }
        let entries = match artifacts::list_artifacts(self.run.store.as_ref(), execution).await {
            // Somebody has deleted it since.
            Err(EngineError::Store(StoreError::NotFound { .. })) => return Ok(Err(unknown(execution))),
            entries => entries?,
        };
        match artifacts::find(&entries, name) {
            Found::None => {
                Ok(Err(Failure::runtime("not-found", format!("No artifact named '{name}' was found in execution {execution}"))))
            }
            Found::Several(matches) => Ok(Err(Failure::runtime(
                "ambiguous",
                format!(
                    "Multiple artifacts named '{name}' were found in execution {execution}. Please disambiguate by a unique name. \
                     Matches: {matches}"
                ),
            ))),
            Found::One(entry) => {
                let bytes = get_bytes(self.run.store.as_ref(), &entry.payload).await?;
                if entry.is_blob {
                    return Ok(Ok(ArtifactValue::Blob { media_type: entry.media_type.clone(), bytes }));
                }
                let text = String::from_utf8(bytes)
                    .map_err(|error| StoreError::Damaged { what: "a stored artifact".into(), source: Some(Box::new(error)) })?;
                Ok(Ok(ArtifactValue::Json(text)))
            }
        }
    }
}

fn unknown(execution: ExecutionId) -> Failure {
    Failure::runtime("not-found", format!("execution {execution} does not exist"))
}

#[async_trait]
impl CheckpointPort for CheckpointCalls {
    async fn save(
        &mut self,
        name: String,
        value: ArtifactValue,
        kind: String,
        tags: Vec<String>,
    ) -> Result<Result<String, Failure>, Stop> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return Ok(Err(Failure::usage("an artifact's name must have 1 to 200 bytes and no control characters")));
        }
        if let Err(failure) =
            artifacts::check_labels(&value, &tags).and_then(|()| artifacts::check_count(self.saved.load(Ordering::Relaxed)))
        {
            return Ok(Err(failure));
        }
        let kind = match artifacts::parse_kind(&kind) {
            Ok(kind) => kind,
            Err(failure) => return Ok(Err(failure)),
        };
        let bytes = match &value {
            ArtifactValue::Json(text) => text.len(),
            ArtifactValue::Blob { bytes, .. } => bytes.len(),
        };
        if !self.run.take_artifact(bytes as u64).await? {
            let mib = self.run.spec.limits.artifacts_mib;
            let message = format!(
                "the artifacts of the execution have no room for {bytes} bytes more (limit `artifacts_mib` of {mib} MiB)"
            );
            return Ok(Err(Failure::runtime("limit", message)));
        }
        // It outlives the attempt, whatever becomes of that: the attempt's number must not be used again.
        self.lines.recorded().await;
        Ok(Ok(self.keep(name, value, kind, tags).await?))
    }

    async fn load(&mut self, execution: String, name: String) -> Result<Result<ArtifactValue, Failure>, Stop> {
        // It may be one of this execution's own.
        self.run.recorder.settle().await?;
        Ok(self.fetch(&execution, &name).await?)
    }

    fn record(&mut self, entries: Vec<(String, Value)>) {
        lock(&self.metadata).record(entries);
    }

    fn current(&mut self) -> Current {
        Current {
            execution: self.call.execution.to_string(),
            flow: self.run.row.new.flow.clone(),
            attempt: self.attempt,
            is_replay: self.run.row.new.original.is_some(),
            idempotency_key: Some(self.run.idempotency_key(self.call)),
        }
    }

    async fn open_secret(&mut self, name: String, key: Option<String>) -> Result<Result<OpenedSecret, Failure>, Stop> {
        Ok(self.run.engine.open_secret(&name, key.as_deref()).await?)
    }

    async fn ask_model(&mut self, request: Value) -> Result<Result<String, Failure>, Stop> {
        self.models.ask(&request).await
    }

    async fn open_stream(&mut self, request: Value) -> Result<Result<Box<dyn ModelStream>, Failure>, Stop> {
        self.models.open(&request).await
    }

    async fn check_model(&mut self, request: Value) -> Result<Result<(), Failure>, Stop> {
        Ok(self.models.check(&request).await)
    }

    async fn preview_model(&mut self, request: Value) -> Result<Result<String, Failure>, Stop> {
        Ok(self.models.preview(&request).await)
    }

    async fn begin_span(&mut self, request: Value) -> Result<Result<Box<dyn ModelSpan>, Failure>, Stop> {
        self.models.begin_span(&request).await
    }
}
