//! What a log store gets, read with the protocol's own definitions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use secrecy::SecretString;

use crate::clock::{Clock as _, SystemClock};
use crate::config::LogStore;
use crate::ids::CallId;
use crate::journal::LogLevel;
use crate::mutex::lock;
use crate::store::{LogRow, LogSource, Store};
use crate::telemetry::identity::span_id;
use crate::telemetry::stage::{execution_id, new_execution, store};
use crate::telemetry::{LogKey, LogStoreSettings, TelemetryReport, TelemetrySettings, Watcher, call_scope, flow_scope, probe};

/// A collector on this machine.
#[derive(Clone, Default)]
struct Collector {
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    /// So many requests are answered with 503 first.
    busy: Arc<AtomicUsize>,
    /// The status of all others; success if none.
    status: Option<u16>,
    /// Lines of each request that it says it cannot take.
    rejects: i64,
}

impl Collector {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = self.clone();
        let answer = post(move |headers: HeaderMap, body: Bytes| async move { collector.answer(headers, body) });
        let app = Router::new().route("/v1/logs", answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    fn answer(&self, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
        if self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
        }
        lock(&self.requests).push((headers, body));
        if let Some(status) = self.status {
            return (StatusCode::from_u16(status).unwrap(), Vec::new());
        }
        let refusal = ExportLogsPartialSuccess { rejected_log_records: self.rejects, error_message: "no".into() };
        let answer = ExportLogsServiceResponse { partial_success: (self.rejects > 0).then_some(refusal) };
        (StatusCode::OK, answer.encode_to_vec())
    }

    fn records(&self) -> Vec<LogRecord> {
        let bodies: Vec<Bytes> = lock(&self.requests).iter().map(|(_, body)| body.clone()).collect();
        let requests = bodies.into_iter().map(|body| ExportLogsServiceRequest::decode(body).unwrap());
        let resources = requests.flat_map(|request| request.resource_logs);
        resources.flat_map(|resource| resource.scope_logs).flat_map(|scope| scope.log_records).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.records().iter().map(|record| value(record.body.as_ref().and_then(|body| body.value.as_ref()))).collect()
    }
}

fn value(value: Option<&Any>) -> String {
    match value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    value(found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()))
}

struct Key(Option<&'static str>);

#[async_trait]
impl LogKey for Key {
    async fn key(&self) -> Result<Option<SecretString>, String> {
        Ok(self.0.map(SecretString::from))
    }
}

fn settings(endpoint: &str, key: Option<&'static str>, header: Option<&str>) -> LogStoreSettings {
    let secret = key.map(|_| "creds".to_owned());
    let LogStore::Otlp(collector) = LogStore::of(None, Some(endpoint.to_owned()), secret, header.map(str::to_owned)).unwrap()
    else {
        panic!("a collector")
    };
    let resource = BTreeMap::from([("service.name".to_owned(), "s".to_owned())]);
    LogStoreSettings { collector, key: Arc::new(Key(key)), resource }
}

fn start(store: &Arc<dyn Store>, settings: LogStoreSettings) -> Watcher {
    let (watcher, notes) = Watcher::start(store.clone(), Arc::new(SystemClock), TelemetrySettings::default(), Some(settings));
    assert_eq!(notes, Vec::<String>::new());
    watcher.unwrap()
}

fn line(ordinal: u32, source: LogSource, message: &str) -> LogRow {
    LogRow {
        execution: execution_id(1),
        call: 0,
        attempt: if source == LogSource::Step { 1 } else { 0 },
        ordinal,
        at: SystemClock.now(),
        level: LogLevel::Warn,
        source,
        checkpoint: (source == LogSource::Step).then(|| "research".to_owned()),
        module: "stderr",
        message: message.to_owned(),
    }
}

async fn logged(store: &Arc<dyn Store>, rows: Vec<LogRow>) {
    if store.execution(execution_id(1)).await.is_err() {
        store.create(new_execution(1)).await.unwrap();
    }
    store.log(rows).await.unwrap();
}

async fn told(store: &Arc<dyn Store>, watcher: &Watcher, rows: impl FnOnce() -> Vec<LogRow>) -> TelemetryReport {
    watcher.monitor().begun(execution_id(1), 0);
    logged(store, rows()).await;
    watcher.monitor().stopped(execution_id(1));
    watcher.finish().await
}

fn two() -> Vec<LogRow> {
    vec![line(0, LogSource::Step, "of a checkpoint"), line(1, LogSource::Runner, "of the flow")]
}

#[tokio::test]
async fn a_log_store_gets_lines_with_what_they_belong_to() {
    let (_folder, store) = store();
    let collector = Collector::default();
    let watcher = start(&store, settings(&collector.serve().await, Some("kSECRET"), None));
    let report = told(&store, &watcher, two).await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(report.logs.unwrap().sent, 2);
    let (id, records) = (execution_id(1), collector.records());
    assert_eq!(collector.messages(), ["of a checkpoint", "of the flow"]);
    let [step, flow] = &records[..] else { panic!("{records:?}") };
    assert_eq!((step.severity_number, step.severity_text.as_str()), (13, "WARN"));
    assert!(step.time_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!((step.trace_id.as_slice(), step.span_id.as_slice()), (&id.as_bytes()[..], &span_id(call_scope(id, 0, 0))[..]));
    assert_eq!(flow.span_id, span_id(flow_scope(id, 0)));
    let call = CallId { execution: id, index: 0 }.to_string();
    for (name, expected) in [
        ("kitaru.execution_id", id.to_string()),
        ("kitaru.flow.name", "review".into()),
        ("kitaru.checkpoint.name", "research".into()),
        ("kitaru.call_id", call),
        ("kitaru.attempt", "1".into()),
        ("kitaru.log.source", "step".into()),
        ("log.record.uid", format!("{id}/0/1/0")),
        ("log.iostream", "stderr".into()),
    ] {
        assert_eq!(text(&step.attributes, name), expected, "{name}");
    }
    assert!(flow.attributes.iter().all(|attribute| attribute.key != "kitaru.checkpoint.name"));
    let (headers, body) = lock(&collector.requests)[0].clone();
    assert_eq!(
        (&headers["authorization"], &headers["content-type"]),
        (&"Bearer kSECRET".parse().unwrap(), &"application/x-protobuf".parse().unwrap())
    );
    assert!(!String::from_utf8_lossy(&body).contains("kSECRET"));
    let resource = ExportLogsServiceRequest::decode(body).unwrap().resource_logs[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "s");
}

#[tokio::test]
async fn each_line_is_sent_by_whoever_drove_the_execution_when_it_was_written() {
    let (_folder, store) = store();
    let collector = Collector::default();
    let endpoint = collector.serve().await;
    logged(&store, vec![line(0, LogSource::Runner, "before")]).await;
    let watcher = start(&store, settings(&endpoint, None, None));
    let later = || vec![line(1, LogSource::Runner, "mine")];
    // The clock of the lines is finer than that: they are of another moment than what was there before.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(told(&store, &watcher, later).await.problems(), Vec::<String>::new());
    assert_eq!(collector.messages(), ["mine"]);
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again_and_nothing_is_lost() {
    let (_folder, store) = store();
    let collector = Collector { busy: Arc::new(AtomicUsize::new(2)), ..Collector::default() };
    let watcher = start(&store, settings(&collector.serve().await, None, None));
    let many = || (0..1_300).map(|number| line(number, LogSource::Runner, &format!("line {number}"))).collect();
    let report = told(&store, &watcher, many).await;
    assert_eq!(report.problems(), Vec::<String>::new(), "in the end all went well");
    let expected: Vec<String> = (0..1_300).map(|number| format!("line {number}")).collect();
    assert_eq!(collector.messages(), expected);
    assert_eq!(lock(&collector.requests).len(), 3, "in requests of 512");
}

#[tokio::test]
async fn what_is_refused_is_counted_and_not_offered_again() {
    let (_folder, store) = store();
    let collector = Collector { rejects: 1, ..Collector::default() };
    let watcher = start(&store, settings(&collector.serve().await, None, None));
    let report = told(&store, &watcher, two).await.logs.unwrap();
    assert_eq!((report.sent, report.refused, lock(&collector.requests).len()), (1, 1, 1));

    let (_folder, store) = crate::telemetry::stage::store();
    let collector = Collector { status: Some(401), ..Collector::default() };
    let watcher = start(&store, settings(&collector.serve().await, Some("kSECRET"), Some("x-key")));
    let problems = told(&store, &watcher, two).await.problems().concat();
    assert!(problems.contains("2 lines were refused") && problems.contains("401") && !problems.contains("SECRET"), "{problems}");
    assert_eq!(lock(&collector.requests)[0].0["x-key"], "kSECRET");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_and_stops_nothing() {
    let (_folder, store) = store();
    // Nobody listens there once it is dropped.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let watcher = start(&store, settings(&format!("http://{gone}"), None, None));
    let problems = told(&store, &watcher, two).await.problems().concat();
    assert!(
        problems.contains("lines of 1 execution were not sent") && problems.contains("the data folder has them all"),
        "{problems}"
    );
    assert!(probe(settings(&format!("http://{gone}"), None, None)).await.is_err());
}

#[tokio::test]
async fn a_probe_asks_with_the_key_and_sends_no_line() {
    let collector = Collector::default();
    let endpoint = collector.serve().await;
    assert_eq!(probe(settings(&endpoint, Some("kSECRET"), None)).await, Ok(()));
    let (headers, body) = lock(&collector.requests)[0].clone();
    assert_eq!((&headers["authorization"], body.len()), (&"Bearer kSECRET".parse().unwrap(), 0));
    let refusing = Collector { status: Some(403), ..Collector::default() };
    let why = probe(settings(&refusing.serve().await, None, None)).await.unwrap_err();
    assert!(why.contains("403"), "{why}");
}
