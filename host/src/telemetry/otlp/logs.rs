//! Log lines for a collector of OpenTelemetry, over OTLP/HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use kitaru_llm::event::otel::{Attribute, Attributes};
use prost::Message;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::http::Collector;
use super::message::{Any, AnyValue, InstrumentationScope, KeyValue, Resource};
use super::{resource, scope, spans};
use crate::config::LogCollector;
use crate::ids::CallId;
use crate::journal::LogLevel;
use crate::store::{LogRow, LogSource, StoredLog};

/// The body of a request with log lines.
#[derive(Clone, PartialEq, Message)]
struct Logs {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    /// 1 trace, 5 debug, 9 info, 13 warn, 17 error.
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    /// 1: sampled.
    #[prost(fixed32, tag = "8")]
    flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
}

/// Where a line belongs: what a collector shows it beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Place {
    /// The trace of the execution at the top.
    pub(in crate::telemetry) trace: [u8; 16],
    /// The flow's run or the checkpoint call that it was written in.
    pub(in crate::telemetry) span: [u8; 8],
    /// The flow's name.
    pub(in crate::telemetry) flow: String,
}

/// Lines were not taken.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Refusal {
    /// Why, for people; without keys and addresses.
    pub(in crate::telemetry) why: String,
    /// Whether another try may end differently.
    pub(in crate::telemetry) may_pass: bool,
}

/// Sends log lines.
pub(in crate::telemetry) struct LogSender {
    collector: Collector,
    url: String,
    header: Option<HeaderName>,
    resource: Resource,
}

impl LogSender {
    /// # Errors
    /// Why nothing can be sent, for people.
    pub(in crate::telemetry) fn new(
        to: &LogCollector,
        attributes: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let header = to.header.as_ref().map(|name| HeaderName::from_bytes(name.as_bytes())).transpose();
        let header = header.map_err(|_| "the header of the log store's key is none".to_owned())?;
        Ok(Self { collector: Collector::plain(timeout)?, url: to.url(), header, resource: resource(attributes) })
    }

    /// Sends lines, and tells how many the collector refused. No lines are a question: whether it would take any.
    ///
    /// # Errors
    /// When it took none.
    pub(in crate::telemetry) async fn send(
        &self,
        lines: &[(StoredLog, Place)],
        key: Option<&SecretString>,
    ) -> Result<u64, Refusal> {
        let header = key.map(|key| self.authorization(key)).transpose()?;
        let log_records = lines.iter().map(|(line, place)| record(&line.row, place)).collect::<Vec<_>>();
        let resource_logs = match log_records.is_empty() {
            true => Vec::new(),
            false => {
                let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records }];
                vec![ResourceLogs { resource: Some(self.resource.clone()), scope_logs }]
            }
        };
        let sent = self.collector.send_once(&self.url, &Logs { resource_logs }, header).await;
        sent.map_err(|(why, may_pass)| Refusal { why, may_pass })
    }

    fn authorization(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), Refusal> {
        let (name, text) = match &self.header {
            Some(name) => (name.clone(), key.expose_secret().to_owned()),
            None => (AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
        };
        let why = || Refusal { why: "the log store's key cannot be sent in a header".into(), may_pass: false };
        let mut value = HeaderValue::from_str(&text).map_err(|_| why())?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

fn record(row: &LogRow, place: &Place) -> LogRecord {
    let moment = u64::try_from(row.at.as_micros()).unwrap_or(0).saturating_mul(1_000);
    let mut attributes = Attributes::new();
    let mut say = |name: &str, value: Attribute| attributes.insert(name.to_owned(), value);
    say("kitaru.execution_id", row.execution.to_string().as_str().into());
    say("kitaru.flow.name", place.flow.as_str().into());
    say("kitaru.log.source", row.source.as_str().into());
    if let Some(checkpoint) = &row.checkpoint {
        say("kitaru.checkpoint.name", checkpoint.as_str().into());
    }
    if row.source == LogSource::Step {
        say("kitaru.call_id", CallId { execution: row.execution, index: row.call }.to_string().as_str().into());
        say("kitaru.attempt", Attribute::Integer(row.attempt.into()));
    }
    // In the words of OpenTelemetry's conventions. The name of a line is its own for good, so that one that comes twice is known.
    say("log.record.uid", format!("{}/{}/{}/{}", row.execution, row.call, row.attempt, row.ordinal).as_str().into());
    if matches!(row.module, "stdout" | "stderr") {
        say("log.iostream", row.module.into());
    }
    LogRecord {
        time_unix_nano: moment,
        severity_number: match row.level {
            LogLevel::Trace => 1,
            LogLevel::Debug => 5,
            LogLevel::Info => 9,
            LogLevel::Warn => 13,
            LogLevel::Error => 17,
        },
        severity_text: row.level.as_str().to_owned(),
        body: Some(AnyValue { value: Some(Any::Text(row.message.clone())) }),
        attributes: spans::key_values(attributes),
        flags: 1,
        trace_id: place.trace.to_vec(),
        span_id: place.span.to_vec(),
        observed_time_unix_nano: moment,
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
