//! Counts for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::identity::Asker;
use super::problem::Problem;
use super::requests::Named;
use crate::mutex::lock;
use crate::service::{Service as _, SystemView};

/// Requests that were answered, by route and status.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(&'static str, u16), Sum>>);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    time: Duration,
}

impl Counters {
    pub(super) fn count(&self, route: &'static str, status: StatusCode, took: Duration) {
        let mut sums = lock(&self.0);
        let sum = sums.entry((route, status.as_u16())).or_default();
        sum.count += 1;
        sum.time = sum.time.saturating_add(took);
    }

    fn write(&self, text: &mut Text) {
        let sums: Vec<_> = lock(&self.0).iter().map(|(key, sum)| (*key, *sum)).collect();
        text.head("kitaru_http_requests_total", "counter", "Requests that were answered.");
        for ((route, status), sum) in &sums {
            text.line("kitaru_http_requests_total", &format!("route=\"{route}\",status=\"{status}\""), sum.count as f64);
        }
        text.head("kitaru_http_request_seconds_total", "counter", "Time until they were answered; of streams, until they began.");
        for ((route, status), sum) in &sums {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            text.line("kitaru_http_request_seconds_total", &labels, sum.time.as_secs_f64());
        }
    }
}

/// The text that Prometheus reads.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }
}

/// `/metrics`.
pub(super) async fn text(State(api): State<Api>, asker: Result<Asker, Problem>) -> Result<Response, Problem> {
    let system =
        if api.shared.settings.open_metrics { api.shared.service.system().await? } else { asker?.service.system().await? };
    let mut text = Text::default();
    write_system(&mut text, &system);
    text.one("kitaru_streams", "gauge", "Streams of events that are open.", api.shared.streams.taken() as f64);
    api.shared.counters.write(&mut text);
    let mut response = ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0).into_response();
    response.extensions_mut().insert(Named("metrics"));
    Ok(response)
}

fn write_system(text: &mut Text, system: &SystemView) {
    text.head("kitaru_info", "gauge", "Always 1.");
    text.line("kitaru_info", &format!("version=\"{}\"", system.version), 1.0);
    text.head("kitaru_executions", "gauge", "Executions in the store, by status.");
    for (status, count) in &system.store.executions {
        text.line("kitaru_executions", &format!("status=\"{status}\""), count.as_f64().unwrap_or_default());
    }
    let process = &system.process;
    text.one("kitaru_instances_bytes", "gauge", "Memory of all instances.", process.instances_bytes as f64);
    let peak = process.instances_peak_bytes as f64;
    text.one("kitaru_instances_peak_bytes", "gauge", "The most that it was since the process began.", peak);
    if let Some(ceiling) = process.instances_ceiling_bytes {
        text.one("kitaru_instances_ceiling_bytes", "gauge", "The most that instances may have together.", ceiling as f64);
    }
    text.one("kitaru_waiting_for_memory", "gauge", "Instances that wait for memory.", process.waiting_for_memory as f64);
    text.one("kitaru_flows", "gauge", "Flows in memory.", process.flows as f64);
    text.one("kitaru_idle_flows", "gauge", "Flows in memory that only wait.", process.idle_flows as f64);
    text.one("kitaru_bodies", "gauge", "Checkpoints that run.", process.bodies as f64);
    text.one("kitaru_bodies_waiting", "gauge", "Checkpoints that wait for a place to run.", process.waiting_bodies as f64);
    text.one(
        "kitaru_bodies_limit",
        "gauge",
        "Checkpoints of all executions that may run at a time.",
        process.bodies_limit as f64,
    );
    text.one("kitaru_model_calls_total", "counter", "Model calls that ended.", process.model_calls as f64);
    let cost = process.model_cost_usd.as_dollars();
    text.one("kitaru_model_cost_dollars_total", "counter", "What is known of what model calls cost.", cost);
    let refused = process.model_calls_refused_by_budget as f64;
    text.one("kitaru_model_calls_refused_by_budget_total", "counter", "Model calls that no budget had room for.", refused);
    text.head("kitaru_limits_reached_total", "counter", "Limits that were reached.");
    for (limit, count) in &process.limits_reached {
        let plain: String = limit.chars().filter(|c| !matches!(c, '"' | '\\' | '\n')).collect();
        text.line("kitaru_limits_reached_total", &format!("limit=\"{plain}\""), *count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_by_route_and_status() {
        let (counters, mut text) = (Counters::default(), Text::default());
        counters.count("executions.get", StatusCode::OK, Duration::from_millis(500));
        counters.count("executions.get", StatusCode::OK, Duration::from_millis(250));
        counters.count("executions.get", StatusCode::NOT_FOUND, Duration::ZERO);
        counters.write(&mut text);
        for line in [
            "kitaru_http_requests_total{route=\"executions.get\",status=\"200\"} 2",
            "kitaru_http_requests_total{route=\"executions.get\",status=\"404\"} 1",
            "kitaru_http_request_seconds_total{route=\"executions.get\",status=\"200\"} 0.75",
            "# TYPE kitaru_http_requests_total counter",
        ] {
            assert!(text.0.lines().any(|one| one == line), "{line} in {}", text.0);
        }
    }
}
