//! Whether the host is well, for whoever starts it again otherwise. Anybody may ask, so asking costs nothing.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::problem::Problem;
use super::{Api, conditional};
use crate::mutex::lock;
use crate::service::Service as _;

/// For how long what was found counts.
const COUNTS_FOR: Duration = Duration::from_secs(1);

/// What was found when somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<(Instant, bool)>>);

/// `/healthz`: the process answers.
pub(super) async fn is_alive() -> Response {
    conditional::json(StatusCode::OK, &json!({ "status": "ok" }), None)
}

/// What everybody is told who comes too late.
pub(super) fn ending() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the host is ending")
}

/// `/readyz`: the store answers too, and nobody has asked the host to end.
pub(super) async fn is_ready(State(api): State<Api>) -> Result<Response, Problem> {
    if *api.shared.closing.borrow() {
        return Err(ending());
    }
    let known = lock(&api.shared.health.0).filter(|(at, _)| at.elapsed() < COUNTS_FOR);
    let is_ready = match known {
        Some((_, found)) => found,
        None => {
            // Whoever asks meanwhile is told the same, without a look of their own.
            let before = lock(&api.shared.health.0).replace((Instant::now(), known.is_none_or(|(_, found)| found)));
            let looked = tokio::time::timeout(COUNTS_FOR * 5, api.shared.service.store_summary()).await;
            let found = matches!(looked, Ok(Ok(_)));
            if !found && before.is_none_or(|(_, found)| found) {
                tracing::error!("the store does not answer");
            }
            *lock(&api.shared.health.0) = Some((Instant::now(), found));
            found
        }
    };
    if is_ready {
        Ok(conditional::json(StatusCode::OK, &json!({ "status": "ready" }), None))
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"))
    }
}
