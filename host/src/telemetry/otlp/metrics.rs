//! The two metrics that the conventions for generative AI want of every client: how long calls take, and how many tokens they use.

use std::collections::BTreeMap;

use kitaru_llm::event::otel::{self, Attribute, Attributes};

use super::message::{Histogram, HistogramPoint, Metric};
use super::spans::{key_values, nanos};

const DURATIONS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
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

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Instrument {
    Duration,
    Tokens,
}

impl Instrument {
    fn bounds(self) -> &'static [f64] {
        match self {
            Self::Duration => &DURATIONS,
            Self::Tokens => &TOKENS,
        }
    }

    fn metric(self, data_points: Vec<HistogramPoint>, aggregation_temporality: i32) -> Metric {
        let (name, description, unit) = match self {
            Self::Duration => ("gen_ai.client.operation.duration", "GenAI operation duration.", "s"),
            Self::Tokens => ("gen_ai.client.token.usage", "Number of input and output tokens used.", "{token}"),
        };
        let histogram = Some(Histogram { data_points, aggregation_temporality });
        Metric { name: name.into(), description: description.into(), unit: unit.into(), histogram, ..Metric::default() }
    }
}

#[derive(Clone, Debug)]
struct Series {
    attributes: Attributes,
    buckets: Vec<u64>,
    sum: f64,
    count: u64,
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

    /// Counts a model call; others, and those that only were served again, have no such metrics.
    pub(super) fn count(&mut self, span: &otel::Span) {
        let text = |name: &str| match span.attributes.get(name) {
            Some(Attribute::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let is_call =
            matches!(text("gen_ai.operation.name"), Some("chat" | "generate_content" | "text_completion" | "embeddings"));
        if !is_call || span.attributes.get("kitaru.replayed") == Some(&Attribute::Flag(true)) {
            return;
        }
        let of_call = [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "gen_ai.response.model",
            "server.address",
            "server.port",
        ];
        let common: Attributes = span
            .attributes
            .iter()
            .filter(|(name, _)| of_call.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut timed = common.clone();
        timed.extend(text("error.type").map(|kind| ("error.type".to_owned(), Attribute::from(kind))));
        let took = span.ended_at.map_or(0.0, |ended| ended.since(span.started_at).as_secs_f64());
        self.add(Instrument::Duration, timed, took);
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
        let bounds = instrument.bounds();
        let series = self.series.entry((instrument, format!("{attributes:?}"))).or_insert_with(|| Series {
            attributes,
            buckets: vec![0; bounds.len() + 1],
            sum: 0.0,
            count: 0,
        });
        // A bound belongs to the bucket below it.
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = series.buckets.get_mut(at) {
            *bucket += 1;
        }
        (series.sum, series.count) = (series.sum + value, series.count + 1);
        self.changed = true;
    }

    /// What to send now; nothing if nothing was measured since the last report.
    pub(super) fn report(&mut self, now: u64) -> Vec<Metric> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        let temporality = if self.delta { 1 } else { 2 };
        let metrics = [Instrument::Duration, Instrument::Tokens].map(|instrument| {
            let points = self.series.iter().filter(|((of, _), _)| *of == instrument);
            let points = points.map(|(_, series)| HistogramPoint {
                start_time_unix_nano: self.since,
                time_unix_nano: now,
                count: series.count,
                sum: Some(series.sum),
                bucket_counts: series.buckets.clone(),
                explicit_bounds: instrument.bounds().to_vec(),
                attributes: key_values(series.attributes.clone()),
            });
            instrument.metric(points.collect(), temporality)
        });
        if self.delta {
            (self.series, self.since) = (BTreeMap::new(), now);
        }
        metrics.into_iter().filter(|metric| metric.histogram.as_ref().is_some_and(|data| !data.data_points.is_empty())).collect()
    }
}

/// A moment as the protocol has it.
pub(super) fn unix_nanos(at: crate::clock::Timestamp) -> u64 {
    nanos(kitaru_llm::clock::Timestamp::from_micros(at.as_micros()))
}
