//! The host itself.

use super::listing::Nothing;
use super::verb;
use crate::service::{InfoParams, InfoView, StoreView, SystemView};

verb! {
    /// Says what this host is and does now: store, models, memory, limits.
    Status = "status", Get "/status", Viewer, Reads, Ok("kitaru_status"), 200;
    |service, _params: Nothing| -> SystemView { service.system().await }
}

verb! {
    /// Says what this host is, for a bug report: versions, machine, data folder and what lies in it, limits.
    Info = "info", Get "/info", Viewer, Reads, Ok("kitaru_info"), 200;
    |service, params: InfoParams| -> InfoView { service.info(&params).await }
}

verb! {
    /// Counts executions by status.
    Summary = "executions.summary", Get "/summary", Viewer, Reads, Err("`kitaru_status` tells it"), 200;
    |service, _params: Nothing| -> StoreView { service.store_summary().await }
}
