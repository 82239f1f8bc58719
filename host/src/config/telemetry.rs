//! `[telemetry]` in `kitaru.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// Where events of executions go. Nowhere, unless that is said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The folder in which each execution has a file of ATOF lines.
    pub atof: Option<PathBuf>,
    /// The collector of OpenTelemetry: the address before `/v1/traces` and `/v1/metrics`.
    pub otlp_endpoint: Option<String>,
    /// What this host is called there.
    pub service_name: Option<String>,
    /// What else is said of it there.
    pub resource: BTreeMap<String, String>,
    /// Whether spans have the sanitised messages of model calls in them.
    pub content: bool,
}
