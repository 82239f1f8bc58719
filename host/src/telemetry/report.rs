//! What became of what was to be told, at the end of a process.

use super::log_store::LogStoreReport;
use super::otlp::OtlpReport;

/// What became of what was to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetryReport {
    /// Executions that were not followed, because too many began at a time.
    pub unfollowed: u64,
    /// Why files of events are not whole, for people.
    pub file_error: Option<String>,
    /// Why an execution could not be read, for people.
    pub read_error: Option<String>,
    /// What the collector was sent, where there is one.
    pub otlp: Option<OtlpReport>,
    /// What the log store was sent, where there is one beside the data folder.
    pub logs: Option<LogStoreReport>,
}

impl TelemetryReport {
    /// What a person should know: nothing, where everything went well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.unfollowed > 0 {
            problems
                .push(format!("telemetry: {} executions were not followed, because too many began at a time", self.unfollowed));
        }
        problems.extend(self.file_error.as_ref().map(|why| format!("telemetry: events were not written: {why}")));
        problems.extend(self.read_error.as_ref().map(|why| format!("telemetry: events could not be read: {why}")));
        if let Some(otlp) = &self.otlp {
            let lost = otlp.dropped.saturating_add(otlp.refused);
            match &otlp.first_error {
                Some(why) => problems.push(format!("telemetry: {lost} spans were not sent: {why}")),
                None if lost > 0 => {
                    problems.push(format!("telemetry: {lost} spans were not sent: there were more than the collector took"))
                }
                None => {}
            }
        }
        problems.extend(self.logs.as_ref().and_then(LogStoreReport::problem));
        problems
    }
}
