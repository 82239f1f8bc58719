//! `kitaru:flow/log`.

use super::json;
use crate::journal::{Failure, LogLevel};
use crate::sandbox::bindings::kitaru::flow::log::{Host, Level as WitLevel};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn record(&mut self, entries: Vec<(String, String)>) -> wasmtime::Result<Result<(), types::Failure>> {
        let bytes = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        // An entry costs the host more than its text, and a call without any costs its time.
        self.budget.take_lines(entries.len().max(1), bytes)?;
        let decoded: Result<Vec<_>, Failure> = self.limits.check_value("the metadata", bytes).and_then(|()| {
            entries
                .into_iter()
                .map(|(key, text)| json(&self.limits, &format!("the metadata `{key}`"), &text).map(|value| (key, value)))
                .collect()
        });
        let entries = match decoded {
            Ok(entries) => entries,
            Err(failure) => return Ok(Err(failure.into())),
        };
        match &mut self.port {
            Port::Flow(port) => port.record(entries),
            Port::Checkpoint(port) => port.record(entries),
            Port::Middleware(_) | Port::Describe => {
                return Ok(Err(Failure::context("log() can only be called inside a flow.").into()));
            }
        }
        Ok(Ok(()))
    }

    async fn line(&mut self, level: WitLevel, message: String) -> wasmtime::Result<()> {
        self.budget.take_lines(1, message.len())?;
        let level = match level {
            WitLevel::Trace => LogLevel::Trace,
            WitLevel::Debug => LogLevel::Debug,
            WitLevel::Info => LogLevel::Info,
            WitLevel::Warn => LogLevel::Warn,
            WitLevel::Error => LogLevel::Error,
        };
        self.log.line(level, "log", message);
        if self.log.is_behind() {
            let log = self.log.clone();
            log.catch_up().await;
        }
        Ok(())
    }

    async fn progress(&mut self, message: String, fraction: Option<f64>) -> wasmtime::Result<()> {
        self.budget.take_lines(1, message.len())?;
        self.log.progress(message, fraction);
        Ok(())
    }
}
