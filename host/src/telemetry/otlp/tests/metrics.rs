//! Metrics, as a collector gets them.

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::{CHUNK_MARK, Event, Kind, atof};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collector, start, text};
use crate::journal::{CallKind, EntryBody, Failure, Outcome, Provenance};
use crate::store::ModelCallRow;
use crate::telemetry::stage::{
    Book, at, called, ended, execution_id, model_call, new_execution, record, started, store, success,
};

/// The same call with other events.
fn with_events(row: ModelCallRow, change: impl FnOnce(&mut Vec<Event>)) -> ModelCallRow {
    let mut events: Vec<Event> = row.events.lines().map(|line| atof::from_line(line).unwrap()).collect();
    change(&mut events);
    ModelCallRow { events: events.iter().map(atof::to_line).collect::<Vec<_>>().join("\n"), ..row }
}

/// The same call, whose response came in chunks at these microseconds after the execution was created.
fn streamed(row: ModelCallRow, chunks: impl Iterator<Item = i64>) -> ModelCallRow {
    with_events(row, |events| {
        let end = events.pop().unwrap();
        let marks = chunks.enumerate().map(|(index, micros)| Event {
            uuid: Uuid::from_u128(0xc000 + index as u128),
            parent: Some(end.uuid),
            timestamp: Timestamp::from_micros(at(0).as_micros() + micros),
            name: CHUNK_MARK.into(),
            kind: Kind::Mark { category: None },
            profile: None,
            data: json!({ "chunk_index": index }),
            data_schema: None,
            metadata: Value::Null,
        });
        events.extend(marks.collect::<Vec<_>>());
        events.push(end);
    })
}

/// The same call, whose end says nothing but this.
fn saying(row: ModelCallRow, said: Value) -> ModelCallRow {
    with_events(row, |events| events.last_mut().unwrap().metadata = said)
}

#[tokio::test]
async fn metrics_are_of_what_happened_here_and_agree_with_its_spans() {
    let (_folder, store) = store();
    let collector = Collector::default();
    let watcher = start(&store, &collector.serve().await, &[]);
    let (id, mut book) = (execution_id(1), Book::default());
    let fails = || Outcome::Failure(Failure::user("refusal", "no"));
    let asks = |call: u32, name: &str| started(call, 1, Some(called(CallKind::Llm, name, name, None)));
    book.add(90, asks(0, "story")).add(130, ended(0, 1, success(), Provenance::Ran));
    // The cache has it, a script answers, nobody is asked, somebody gives it.
    for (call, name) in [(1, "kept"), (2, "scripted")] {
        book.add(140, asks(call, name)).add(150, ended(call, 1, success(), Provenance::Ran));
    }
    book.add(160, asks(3, "refused")).add(170, ended(3, 1, fails(), Provenance::Ran));
    book.add(180, asks(4, "given")).add(190, ended(4, 1, success(), Provenance::Overridden));
    for (call, from, provenance) in [(5, 200, Provenance::Ran), (6, 700, Provenance::Overridden)] {
        let tool = called(CallKind::Checkpoint, "search", &format!("search_{call}"), Some("tool_call"));
        book.add(from, started(call, 1, Some(tool))).add(from + 500, ended(call, 1, fails(), provenance));
    }
    book.add(1_300, started(7, 1, Some(called(CallKind::Flow, "child", "child", None))));
    book.add(1_400, ended(7, 1, success(), Provenance::Ran));
    // No budget has room for the one; the other the flow makes itself, and tells of it.
    book.add(1_500, asks(8, "beyond")).add(1_510, ended(8, 1, fails(), Provenance::Ran));
    book.add(1_600, asks(9, "own")).add(1_610, ended(9, 1, success(), Provenance::Ran));
    book.add(9_000, EntryBody::Finished { outcome: fails(), unseen: Vec::new(), learnt_after: None });
    // More chunks than a span has marks: 97 ms after the execution was created, and then every tenth of a millisecond but once.
    let chunks = (0..200).map(|chunk: i64| if chunk == 199 { 97_000 + 198 * 100 + 15_000 } else { 97_000 + chunk * 100 });
    let rows = [
        streamed(model_call(id, (0, 1, 0), (95, 135), 0xa0), chunks),
        saying(model_call(id, (1, 1, 0), (140, 149), 0xa1), json!({ "kitaru.llm.cache": "hit" })),
        saying(model_call(id, (2, 1, 0), (140, 149), 0xa2), json!({ "kitaru.llm.mock": true })),
        saying(model_call(id, (8, 1, 0), (1_500, 1_509), 0xa8), json!({})),
        saying(model_call(id, (9, 1, 0), (1_600, 1_609), 0xa9), json!({ "kitaru.llm.manual": true })),
    ];
    watcher.monitor().begun(id, 0);
    record(&store, new_execution(1), &book, &rows).await;
    watcher.monitor().stopped(id);
    assert_eq!(watcher.finish().await.problems(), Vec::<String>::new());

    let points: Vec<(String, String, HistogramDataPoint)> = collector
        .metrics()
        .into_iter()
        .flat_map(|Metric { name, unit, data, .. }| {
            let Some(Data::Histogram(histogram)) = data else { panic!("a histogram: {name}") };
            histogram.data_points.into_iter().map(move |point| (name.clone(), unit.clone(), point))
        })
        .collect();
    let told: Vec<_> = points.iter().map(|(name, unit, point)| (name.as_str(), unit.as_str(), point.count)).collect();
    assert_eq!(
        told,
        [
            ("gen_ai.client.operation.duration", "s", 2),
            ("gen_ai.client.operation.time_to_first_chunk", "s", 1),
            ("gen_ai.client.operation.time_per_output_chunk", "s", 199),
            ("gen_ai.client.token.usage", "{token}", 2),
            ("gen_ai.client.token.usage", "{token}", 2),
            ("gen_ai.execute_tool.duration", "s", 1),
            ("gen_ai.workflow.duration", "s", 1),
        ]
    );
    let point = |at: usize| &points[at].2;
    let keys = |at: usize| point(at).attributes.iter().map(|attribute| attribute.key.as_str()).collect::<Vec<_>>();
    let near = |at: usize, seconds: f64| {
        let sum = point(at).sum.unwrap();
        assert!((sum - seconds).abs() < 1e-6, "{}: {sum}", points[at].0);
    };
    let of_call = ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model"];
    assert!((0..3).all(|at| keys(at) == of_call), "{:?}", (keys(0), keys(1), keys(2)));
    // The call began at 95.003 ms and ended at 135.000 9 ms, and the flow's own from 1600.003 ms to 1609.000 9 ms.
    near(0, 0.039_997_9 + 0.008_997_9);
    near(1, 0.001_997);
    near(2, 0.034_8);
    let buckets = &point(2).bucket_counts;
    assert_eq!((buckets[0], buckets[1], buckets.iter().sum::<u64>()), (198, 1, 199), "up to 10 and up to 20 ms");
    near(5, 0.5);
    assert_eq!(
        (text(&point(5).attributes, "gen_ai.tool.name"), text(&point(5).attributes, "error.type"), keys(5).len()),
        (Some("search"), Some("refusal"), 2)
    );
    // The child's own run is its own to measure.
    near(6, 9.0);
    assert_eq!(
        (text(&point(6).attributes, "gen_ai.workflow.name"), text(&point(6).attributes, "error.type"), keys(6).len()),
        (Some("review"), Some("refusal"), 2)
    );
    assert_eq!(point(6).explicit_bounds, [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0]);
    let spans = collector.spans();
    let root = spans.iter().find(|span| span.name == "invoke_workflow review").unwrap();
    assert_eq!(root.end_time_unix_nano - root.start_time_unix_nano, 9_000_000_000, "as its span");
}
