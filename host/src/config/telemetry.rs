//! `[telemetry]` in `kitaru.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::LogFormat;

/// Where events of executions go, nowhere unless that is said, and how the host writes its own log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The folder in which each execution has a file of events, as lines of ATOF. Relative to the file that names it.
    pub atof: Option<PathBuf>,
    /// The collector of OpenTelemetry: the address before `/v1/traces` and `/v1/metrics`.
    pub otlp_endpoint: Option<String>,
    /// What this host is called there.
    pub service_name: Option<String>,
    /// What else is said of it there.
    pub resource: BTreeMap<String, String>,
    /// Whether spans have the sanitised messages of model calls in them.
    pub content: bool,
    /// How the host writes its own log on standard error. Where this is said, a host that serves logs requests and executions.
    pub log_format: Option<LogFormat>,
}
