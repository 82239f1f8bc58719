//! The metrics that the conventions for generative AI define, as far as it happens here: calls of models, streams, tools and flows. Each is measured
//! by a span, and agrees with it.
//!
//! What was served again took no time here and is not counted, and neither is a call that something answered or refused before a provider was asked.

use std::collections::BTreeMap;

use kitaru_llm::event::otel::{self, Attribute, Attributes};

use super::distribution::Distribution;
use super::message::{Histogram, HistogramPoint, Metric};
use super::spans::{EndedSpan, key_values, nanos};

pub(super) const DURATIONS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const WORKFLOWS: [f64; 11] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// What is said of a call of a model.
const OF_CALL: [&str; 6] = [
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "server.address",
    "server.port",
];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Instrument {
    Operation,
    FirstChunk,
    OutputChunk,
    Tokens,
    Tool,
    Workflow,
}

impl Instrument {
    const ALL: [Self; 6] = [Self::Operation, Self::FirstChunk, Self::OutputChunk, Self::Tokens, Self::Tool, Self::Workflow];

    /// The buckets that the conventions advise.
    fn bounds(self) -> &'static [f64] {
        match self {
            Self::Operation | Self::FirstChunk | Self::OutputChunk | Self::Tool => &DURATIONS,
            Self::Tokens => &TOKENS,
            Self::Workflow => &WORKFLOWS,
        }
    }

    fn metric(self, data_points: Vec<HistogramPoint>, aggregation_temporality: i32) -> Metric {
        let (name, description, unit) = match self {
            Self::Operation => ("gen_ai.client.operation.duration", "GenAI operation duration.", "s"),
            Self::FirstChunk => {
                ("gen_ai.client.operation.time_to_first_chunk", "Time from the request to the first chunk of a stream.", "s")
            }
            Self::OutputChunk => (
                "gen_ai.client.operation.time_per_output_chunk",
                "Time from a chunk of a stream to the next, for each after the first.",
                "s",
            ),
            Self::Tokens => ("gen_ai.client.token.usage", "Number of input and output tokens used.", "{token}"),
            Self::Tool => ("gen_ai.execute_tool.duration", "The duration of a single tool execution.", "s"),
            Self::Workflow => ("gen_ai.workflow.duration", "GenAI workflow duration.", "s"),
        };
        let histogram = Some(Histogram { data_points, aggregation_temporality });
        Metric { name: name.into(), description: description.into(), unit: unit.into(), histogram, ..Metric::default() }
    }
}

#[derive(Clone, Debug)]
struct Series {
    attributes: Attributes,
    values: Distribution,
}

/// What this process has measured.
#[derive(Debug)]
pub(super) struct Measured {
    series: BTreeMap<(Instrument, String), Series>,
    since: u64,
    delta: bool,
    changed: bool,
}

impl Measured {
    /// Nothing yet, from `since` on. With `delta`, each report is of what came since the one before.
    pub(super) fn new(since: u64, delta: bool) -> Self {
        Self { series: BTreeMap::new(), since, delta, changed: false }
    }

    /// Counts what a span shows; many have no metrics.
    pub(super) fn count(&mut self, ended: &EndedSpan) {
        let span = &ended.span;
        if span.attributes.get("kitaru.replayed") == Some(&Attribute::Flag(true)) {
            return;
        }
        let took = span.ended_at.map_or(0.0, |ended| ended.since(span.started_at).as_secs_f64());
        match text(span, "gen_ai.operation.name") {
            Some("chat" | "generate_content" | "text_completion" | "embeddings") if was_asked(span) => {
                self.count_call(ended, took);
            }
            Some("execute_tool") => self.add(Instrument::Tool, chosen(span, &["gen_ai.tool.name", "error.type"]), took),
            // A child flow is shown by its parent too, as a call of it; the run itself has nothing around it in its own execution.
            Some("invoke_workflow") if span.parent.is_none() => {
                self.add(Instrument::Workflow, chosen(span, &["gen_ai.workflow.name", "error.type"]), took);
            }
            _ => {}
        }
    }

    fn count_call(&mut self, ended: &EndedSpan, took: f64) {
        let span = &ended.span;
        let common = chosen(span, &OF_CALL);
        let mut timed = common.clone();
        timed.extend(chosen(span, &["error.type"]));
        self.add(Instrument::Operation, timed, took);
        if let Some(Attribute::Number(seconds)) = span.attributes.get(otel::TIME_TO_FIRST_CHUNK) {
            self.add(Instrument::FirstChunk, common.clone(), *seconds);
        }
        if let Some(between) = ended.chunks.between() {
            self.series(Instrument::OutputChunk, common.clone()).add_all(between);
        }
        for (kind, name) in [("input", "gen_ai.usage.input_tokens"), ("output", "gen_ai.usage.output_tokens")] {
            if let Some(Attribute::Integer(tokens)) = span.attributes.get(name) {
                let mut attributes = common.clone();
                attributes.insert("gen_ai.token.type".into(), Attribute::from(kind));
                #[expect(clippy::cast_precision_loss, reason = "the protocol has sums as floating-point numbers")]
                self.add(Instrument::Tokens, attributes, *tokens as f64);
            }
        }
    }

    fn add(&mut self, instrument: Instrument, attributes: Attributes, value: f64) {
        self.series(instrument, attributes).add(value);
    }

    /// Where values with these attributes are counted. Whoever asks for it counts one.
    fn series(&mut self, instrument: Instrument, attributes: Attributes) -> &mut Distribution {
        self.changed = true;
        let key = (instrument, format!("{attributes:?}"));
        let new = || Series { attributes, values: Distribution::new(instrument.bounds()) };
        &mut self.series.entry(key).or_insert_with(new).values
    }

    /// What to send now; nothing if nothing was measured since the last report.
    pub(super) fn report(&mut self, now: u64) -> Vec<Metric> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        let temporality = if self.delta { 1 } else { 2 };
        let metrics = Instrument::ALL.map(|instrument| {
            let points = self.series.iter().filter(|((of, _), _)| *of == instrument);
            let points = points.map(|(_, Series { attributes, values })| HistogramPoint {
                start_time_unix_nano: self.since,
                time_unix_nano: now,
                count: values.count(),
                sum: Some(values.sum()),
                bucket_counts: values.buckets().to_vec(),
                explicit_bounds: values.bounds().to_vec(),
                attributes: key_values(attributes.clone()),
            });
            instrument.metric(points.collect(), temporality)
        });
        if self.delta {
            (self.series, self.since) = (BTreeMap::new(), now);
        }
        metrics.into_iter().filter(|metric| metric.histogram.as_ref().is_some_and(|data| !data.data_points.is_empty())).collect()
    }
}

/// Whether a provider was asked, by the host or by the flow itself, which told of it.
fn was_asked(span: &otel::Span) -> bool {
    ["kitaru.llm.asked", "kitaru.llm.manual"].iter().any(|name| span.attributes.get(*name) == Some(&Attribute::Flag(true)))
}

fn text<'a>(span: &'a otel::Span, name: &str) -> Option<&'a str> {
    match span.attributes.get(name) {
        Some(Attribute::Text(text)) => Some(text),
        _ => None,
    }
}

fn chosen(span: &otel::Span, names: &[&str]) -> Attributes {
    let of_these = span.attributes.iter().filter(|(name, _)| names.contains(&name.as_str()));
    of_these.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A moment as the protocol has it.
pub(super) fn unix_nanos(at: crate::clock::Timestamp) -> u64 {
    nanos(kitaru_llm::clock::Timestamp::from_micros(at.as_micros()))
}
