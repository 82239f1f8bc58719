//! What a collector gets, read with the protocol's own definitions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::clock::SystemClock;
use crate::config::TelemetryConfig;
use crate::ids::CallId;
use crate::mutex::lock;
use crate::store::Store;
use crate::telemetry::identity::span_id;
use crate::telemetry::stage::{RAW, execution_id, model_calls, new_execution, record, review, store};
use crate::telemetry::{TelemetryReport, TelemetrySettings, Watcher, call_scope, flow_scope};

mod metrics;

/// A collector on this machine.
#[derive(Clone, Default)]
struct Collector {
    requests: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    /// So many requests are answered with 503 first.
    busy: Arc<AtomicUsize>,
    /// It never answers.
    hangs: bool,
    /// Spans of each request that it says it cannot take.
    rejects: i64,
}

impl Collector {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let route = |collector: Self, path: &'static str| {
            post(move |headers: HeaderMap, body: Bytes| async move { collector.answer(path, headers, body).await })
        };
        let app =
            Router::new().route("/v1/traces", route(self.clone(), "traces")).route("/v1/metrics", route(self.clone(), "metrics"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    async fn answer(&self, path: &str, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let left = self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
        }
        lock(&self.requests).push((path.to_owned(), headers, body));
        let refusal = ExportTracePartialSuccess { rejected_spans: self.rejects, error_message: "no".into() };
        let answer = ExportTraceServiceResponse { partial_success: (self.rejects > 0).then_some(refusal) };
        (StatusCode::OK, answer.encode_to_vec())
    }

    fn bodies(&self, path: &str) -> Vec<Bytes> {
        lock(&self.requests).iter().filter(|(at, _, _)| at == path).map(|(_, _, body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.bodies("traces").into_iter().map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The metrics as they were told last.
    fn metrics(&self) -> Vec<Metric> {
        let last = self.bodies("metrics").pop();
        let resources = last.map(|body| ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics).unwrap_or_default();
        resources.into_iter().flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics).collect()
    }
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text),
        _ => None,
    }
}

fn integer(attributes: &[KeyValue], name: &str) -> Option<i64> {
    match attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()? {
        Any::IntValue(number) => Some(*number),
        _ => None,
    }
}

fn start(store: &Arc<dyn Store>, endpoint: &str, more: &[(&str, &str)]) -> Watcher {
    let config = TelemetryConfig { otlp_endpoint: Some(endpoint.to_owned()), ..TelemetryConfig::default() };
    let read = |name: &str| more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let settings = TelemetrySettings::choose(&config, read, "instance".into());
    let (watcher, notes) = Watcher::start(store.clone(), Arc::new(SystemClock), settings, None);
    assert_eq!(notes, Vec::<String>::new());
    watcher.unwrap()
}

async fn told(store: &Arc<dyn Store>, watcher: &Watcher) -> TelemetryReport {
    let (id, monitor) = (execution_id(1), watcher.monitor());
    monitor.begun(id, 0);
    if store.execution(id).await.is_err() {
        record(store, new_execution(1), &review(), &model_calls(id)).await;
    }
    monitor.stopped(id);
    watcher.finish().await
}

#[tokio::test]
async fn a_collector_gets_spans_and_metrics_of_what_happened() {
    let (_folder, store) = store();
    let collector = Collector::default();
    let watcher =
        start(&store, &collector.serve().await, &[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret"), ("OTEL_SERVICE_NAME", "s")]);
    let report = told(&store, &watcher).await;
    assert_eq!(report.problems(), Vec::<String>::new());
    let (id, spans) = (execution_id(1), collector.spans());
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["allow", "allow", "approve", "chat gpt-x", "chat gpt-x", "execute_tool search", "invoke_workflow review", "research"]
    );
    assert!(spans.iter().all(|span| span.trace_id == id.as_bytes() && span.span_id.len() == 8));
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let root = of("invoke_workflow review");
    assert_eq!((root.parent_span_id.len(), root.span_id.as_slice()), (0, span_id(flow_scope(id, 0)).as_slice()));
    assert_eq!(text(&root.attributes, "gen_ai.workflow.name"), Some("review"));
    assert_eq!(text(&root.attributes, "gen_ai.agent.name"), None);
    let research = of("research");
    assert_eq!(research.parent_span_id, root.span_id);
    assert_eq!(research.events[0].name, "kitaru.attempt.failed");
    let chat = of("chat gpt-x");
    assert_eq!((chat.kind, chat.parent_span_id.as_slice()), (3, research.span_id.as_slice()));
    assert_eq!(text(&chat.attributes, "gen_ai.provider.name"), Some("openai"));
    assert_eq!(integer(&chat.attributes, "gen_ai.usage.input_tokens"), Some(20));
    assert!(chat.end_time_unix_nano > chat.start_time_unix_nano && chat.end_time_unix_nano <= research.end_time_unix_nano);
    assert_eq!(text(&chat.attributes, "gen_ai.input.messages"), None);
    for (_, headers, body) in lock(&collector.requests).iter() {
        assert_eq!(
            (&headers["x-key"], &headers["content-type"]),
            (&"secret".parse().unwrap(), &"application/x-protobuf".parse().unwrap())
        );
        let raw = String::from_utf8_lossy(body);
        assert!(!raw.contains(RAW) && !raw.contains("sanitised") && !raw.contains("secret"), "{raw}");
    }
    let metrics = ExportMetricsServiceRequest::decode(collector.bodies("metrics").remove(0)).unwrap();
    let resource = &metrics.resource_metrics[0];
    assert_eq!(text(&resource.resource.as_ref().unwrap().attributes, "service.name"), Some("s"));
    let metrics = &resource.scope_metrics[0].metrics;
    assert_eq!(
        metrics.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>(),
        [
            "gen_ai.client.operation.duration",
            "gen_ai.client.token.usage",
            "gen_ai.execute_tool.duration",
            "gen_ai.workflow.duration"
        ]
    );
    let Some(Data::Histogram(tokens)) = &metrics[1].data else { panic!("a histogram") };
    assert_eq!((tokens.aggregation_temporality, tokens.data_points.len()), (2, 2));
    let sums: Vec<_> =
        tokens.data_points.iter().map(|point| (text(&point.attributes, "gen_ai.token.type"), point.sum, point.count)).collect();
    assert!(sums.contains(&(Some("input"), Some(40.0), 2)) && sums.contains(&(Some("output"), Some(10.0), 2)), "{sums:?}");
    let point = &tokens.data_points[0];
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
}

/// Anthropic counts tokens of its prompt cache apart from the others that it reads, and the conventions count them in.
#[tokio::test]
async fn a12_a_collector_gets_anthropics_cached_tokens_as_read() {
    let (_folder, store) = store();
    let (id, collector) = (execution_id(1), Collector::default());
    let mut rows = model_calls(id);
    for row in &mut rows {
        let usage = r#""cache_read_tokens":6,"cache_write_tokens":1,"prompt_tokens":20"#;
        let events = row.events.replace(r#""prompt_tokens":20"#, usage);
        let answer = r#""api_specific":{"api":"anthropic_messages"},"message":"sanitised answer""#;
        row.events = events.replace(r#""message":"sanitised answer""#, answer);
        assert!(row.events.contains(usage) && row.events.contains(answer), "{}", row.events);
    }
    let watcher = start(&store, &collector.serve().await, &[]);
    watcher.monitor().begun(id, 0);
    record(&store, new_execution(1), &review(), &rows).await;
    watcher.monitor().stopped(id);
    assert_eq!(watcher.finish().await.problems(), Vec::<String>::new());
    let chats: Vec<Span> = collector.spans().into_iter().filter(|span| span.name == "chat gpt-x").collect();
    assert_eq!(chats.len(), 2);
    for chat in &chats {
        let counted = ["input_tokens", "cache_read.input_tokens", "cache_creation.input_tokens", "output_tokens"];
        let counted = counted.map(|name| integer(&chat.attributes, &format!("gen_ai.usage.{name}")));
        assert_eq!(counted, [Some(27), Some(6), Some(1), Some(5)]);
    }
    let metrics = collector.metrics();
    let tokens = metrics.iter().find(|metric| metric.name == "gen_ai.client.token.usage").and_then(|metric| metric.data.as_ref());
    let Some(Data::Histogram(tokens)) = tokens else { panic!("a histogram") };
    let read = tokens.data_points.iter().find(|point| text(&point.attributes, "gen_ai.token.type") == Some("input")).unwrap();
    assert_eq!((read.sum, read.count), (Some(54.0), 2));
}

#[tokio::test]
async fn messages_are_sent_on_request_and_then_sanitised_ones() {
    let (_folder, store) = store();
    let collector = Collector::default();
    let on = [("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true"), ("OTEL_METRICS_EXPORTER", "none")];
    let watcher = start(&store, &collector.serve().await, &on);
    told(&store, &watcher).await;
    let all = collector.bodies("traces").concat();
    let raw = String::from_utf8_lossy(&all);
    assert!(raw.contains("sanitised question") && raw.contains("sanitised answer") && !raw.contains(RAW));
    assert!(collector.bodies("metrics").is_empty());
}

#[tokio::test]
async fn what_another_process_told_is_not_told_again() {
    let (_folder, store) = store();
    let id = execution_id(1);
    record(&store, new_execution(1), &review(), &model_calls(id)).await;
    let collector = Collector::default();
    let watcher = start(&store, &collector.serve().await, &[]);
    // The wait's answer and the end are this one's.
    watcher.monitor().begun(id, 8);
    watcher.monitor().stopped(id);
    assert_eq!(watcher.finish().await.problems(), Vec::<String>::new());
    let names: Vec<_> = collector.spans().iter().map(|span| span.name.clone()).collect();
    assert_eq!(names, ["approve", "invoke_workflow review"]);
    let measured: Vec<_> = collector.metrics().into_iter().map(|metric| metric.name).collect();
    assert_eq!(measured, ["gen_ai.workflow.duration"], "the run ended here, and its models were called elsewhere");
}

#[tokio::test]
async fn a_child_joins_the_trace_of_its_parent_and_a_replay_names_its_original() {
    let (_folder, store) = store();
    let (parent, child, replay) = (execution_id(1), execution_id(2), execution_id(3));
    record(&store, new_execution(1), &review(), &[]).await;
    let mut new = new_execution(2);
    new.parent = Some(CallId { execution: parent, index: 0 });
    record(&store, new, &review(), &[]).await;
    let mut new = new_execution(3);
    new.original = Some(parent);
    record(&store, new, &review(), &[]).await;
    let collector = Collector::default();
    let watcher = start(&store, &collector.serve().await, &[]);
    for id in [child, replay] {
        watcher.monitor().begun(id, 9);
        watcher.monitor().stopped(id);
    }
    watcher.finish().await;
    let roots = collector.spans();
    assert_eq!(roots.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["invoke_workflow review"; 2]);
    assert_eq!(roots[0].trace_id, parent.as_bytes());
    assert_eq!(roots[0].parent_span_id, span_id(call_scope(parent, 0, 0)));
    assert_eq!(roots[0].span_id, span_id(flow_scope(child, 0)));
    assert_eq!(roots[1].trace_id, replay.as_bytes());
    assert_eq!((roots[1].links[0].trace_id.as_slice(), roots[1].links.len()), (parent.as_bytes().as_slice(), 1));
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_and_what_it_refuses_is_told() {
    let (_folder, store) = store();
    let collector = Collector { busy: Arc::new(AtomicUsize::new(1)), rejects: 3, ..Collector::default() };
    let watcher = start(&store, &collector.serve().await, &[("OTEL_METRICS_EXPORTER", "none")]);
    let report = told(&store, &watcher).await;
    let otlp = report.otlp.clone().unwrap();
    assert_eq!((otlp.sent, otlp.refused, otlp.dropped), (5, 3, 0));
    assert_eq!(report.problems(), ["telemetry: 3 spans were not sent: there were more than the collector took"]);
}

#[tokio::test]
async fn no_collector_and_one_that_hangs_are_told_and_stop_nothing() {
    let (_folder, store) = store();
    // Nobody listens there once it is dropped.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let watcher = start(&store, &format!("http://{gone}/?key=secret"), &[]);
    let problems = told(&store, &watcher).await.problems().concat();
    assert!(problems.contains("spans were not sent") && !problems.contains("secret"), "{problems}");
    let collector = Collector { hangs: true, ..Collector::default() };
    let watcher = start(&store, &collector.serve().await, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")]);
    let began = std::time::Instant::now();
    let problems = told(&store, &watcher).await.problems().concat();
    assert!(problems.contains("took longer than 5 s"), "{problems}");
    assert!(began.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn files_get_what_happens_and_a_folder_that_cannot_be_used_is_told() {
    let (folder, store) = store();
    let id = execution_id(1);
    let with = |atof: std::path::PathBuf| {
        let settings = TelemetrySettings { atof: Some(atof), ..TelemetrySettings::default() };
        Watcher::start(store.clone(), Arc::new(SystemClock), settings, None).0.unwrap()
    };
    let events = folder.path().join("events");
    let watcher = with(events.clone());
    assert_eq!(told(&store, &watcher).await.problems(), Vec::<String>::new());
    let written = std::fs::read_to_string(events.join(format!("{id}.jsonl"))).unwrap();
    let mut feed = crate::telemetry::Feed::new(store.clone(), id, false);
    let mut exported: Vec<_> = feed.look().await.unwrap().events.into_iter().map(|(_, event)| event).collect();
    crate::telemetry::sort(&mut exported);
    let exported: Vec<_> = exported.iter().map(kitaru_llm::event::atof::to_line).collect();
    assert_eq!(written.lines().collect::<Vec<_>>(), exported, "as an export has it");
    assert!(feed.is_over() && !written.contains(RAW));
    // Whoever drives it later finds all of it there.
    let watcher = with(events.clone());
    told(&store, &watcher).await;
    assert_eq!(std::fs::read_to_string(events.join(format!("{id}.jsonl"))).unwrap(), written);
    let watcher = with(events.join(format!("{id}.jsonl")).join("below-a-file"));
    let problems = told(&store, &watcher).await.problems();
    assert!(problems.concat().contains("events were not written"), "{problems:?}");
}
