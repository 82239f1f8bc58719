//! What leaves an execution as events: for a person who asks (`executions export`), for files that grow, and for a collector of OpenTelemetry. And
//! log lines, for a log store beside the data folder.
//!
//! All of it is one projection of what is stored: the journal, and the events of model calls that are stored with the steps that ended them.
//! So an export says the same whenever it is made, a crash loses nothing of it, steps need not wait until somebody was told of them, and
//! nobody sees what is not on the disk yet. The journal's inputs and outputs are left out unless they are asked for; payloads of model calls
//! are those of their events, which were sanitised before they were recorded. What goes wrong here is told, and never fails an execution.

mod atof_file;
mod feed;
mod identity;
mod log_store;
pub mod otlp;
mod project;
mod report;
mod settings;
#[cfg(test)]
mod stage;
mod watcher;

pub use feed::{Feed, Look};
pub use identity::{call_scope, flow_scope};
pub use log_store::{LogKey, LogStoreReport, LogStoreSettings, probe};
pub use project::{Projection, Values, sort};
pub use report::TelemetryReport;
pub use settings::{OtlpSettings, TelemetrySettings, resource};
pub use watcher::Watcher;
