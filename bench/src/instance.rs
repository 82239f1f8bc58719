//! One checkpoint attempt in the host's own sandbox, with nothing behind it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use kitaru_host::journal::{Failure, LogLevel};
use kitaru_host::sandbox::{
    ArtifactValue, Audit, Ceiling, CheckpointPort, CheckpointRun, Current, Grants, Limits, LogSink, Program, Ran, Stop,
};
use serde_json::Value;

/// Nobody listens.
pub(crate) struct Nobody;

impl LogSink for Nobody {
    fn line(&self, _: LogLevel, _: &'static str, _: String) {}
    fn progress(&self, _: String, _: Option<f64>) {}
}

#[async_trait]
impl CheckpointPort for Nobody {
    async fn save(&mut self, _: String, _: ArtifactValue, _: String, _: Vec<String>) -> Result<Result<String, Failure>, Stop> {
        Ok(Err(Failure::usage("nobody keeps anything here")))
    }

    async fn load(&mut self, _: String, _: String) -> Result<Result<ArtifactValue, Failure>, Stop> {
        Ok(Err(Failure::usage("nobody keeps anything here")))
    }

    fn record(&mut self, _: Vec<(String, Value)>) {}

    fn current(&mut self) -> Current {
        Current { execution: String::new(), flow: String::new(), attempt: 1, is_replay: false, idempotency_key: None }
    }
}

/// Microseconds to run the checkpoint `add` in an instance of its own.
pub(crate) async fn checkpoint(program: &Arc<Program>) -> Result<f64> {
    let (name, input) = ("add".to_owned(), r#"{"total":1,"step":2}"#.to_owned());
    let started = Instant::now();
    let ran = program
        .run_checkpoint(CheckpointRun {
            name: &name,
            input: &input,
            grants: &Grants::default(),
            port: Box::new(Nobody),
            log: Arc::new(Nobody),
            limits: Limits::default(),
            timeout: None,
            audit: Audit::default(),
            seat: Ceiling::default().exempt(),
        })
        .await;
    let time = crate::samples::micros(started.elapsed());
    ensure!(matches!(&ran, Ran::Returned(value) if value == "3"), "{ran:?}");
    Ok(time)
}
