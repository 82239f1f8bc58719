//! Metrics of what this process does: how much memory its instances have, and which limits they met. Told when something of it has changed.

use kitaru_llm::event::otel::{Attribute, Attributes};

use super::message::{Gauge, Metric, NumberPoint, Sum};
use super::spans::key_values;
use crate::engine::Measures;

/// What was told last.
#[derive(Debug)]
pub(super) struct LimitMetrics {
    told: Measures,
    since: u64,
    delta: bool,
}

impl LimitMetrics {
    /// Nothing yet, from `since` on. With `delta`, each count is of what came since the one before.
    pub(super) fn new(since: u64, delta: bool) -> Self {
        Self { told: Measures::default(), since, delta }
    }

    /// What to send now; nothing if it is what was told last.
    pub(super) fn report(&mut self, measures: &Measures, now: u64) -> Vec<Metric> {
        let mut same = measures.clone();
        // A ceiling is no event.
        same.memory.ceiling = self.told.memory.ceiling;
        same.bodies.limit = self.told.bodies.limit;
        if same == self.told {
            return Vec::new();
        }
        let (memory, before) = (&measures.memory, &self.told);
        let gauge = |name: &str, description: &str, unit: &str, value: u64| Metric {
            name: name.into(),
            description: description.into(),
            unit: unit.into(),
            gauge: Some(Gauge { data_points: vec![point(0, now, value, Attributes::new())] }),
            ..Metric::default()
        };
        let mut metrics = vec![
            gauge("kitaru.instances.memory", "Memory of all instances.", "By", memory.now),
            gauge("kitaru.instances.memory.peak", "The most memory that all instances had.", "By", memory.peak),
            gauge("kitaru.instances.waiting", "Instances that wait for memory.", "{instance}", memory.waiting as u64),
            gauge("kitaru.flows", "Flows in memory.", "{flow}", measures.flows.flows as u64),
            gauge("kitaru.flows.idle", "Flows in memory that only wait.", "{flow}", measures.flows.idle as u64),
        ];
        let bodies = measures.bodies;
        metrics.extend([
            gauge("kitaru.bodies", "Checkpoints that run.", "{checkpoint}", bodies.running as u64),
            gauge("kitaru.bodies.waiting", "Checkpoints that wait for a place to run.", "{checkpoint}", bodies.waiting as u64),
            gauge("kitaru.bodies.limit", "Checkpoints that may run at a time.", "{checkpoint}", bodies.limit as u64),
        ]);
        metrics.extend(
            memory
                .ceiling
                .map(|limit| gauge("kitaru.instances.memory.limit", "The most memory that all instances may have.", "By", limit)),
        );
        let reached = measures.reached.iter().map(|(key, count)| {
            let known = before.reached.iter().find(|(known, _)| known == key).map_or(0, |(_, count)| *count);
            (Attributes::from([("kitaru.limit".to_owned(), Attribute::from(*key))]), *count, known)
        });
        let one = |count, known| vec![(Attributes::new(), count, known)];
        metrics.extend(self.sum("kitaru.limit.reached", "Limits that were reached.", "{failure}", reached.collect(), now));
        let (waits, put_off) = (one(memory.waits, before.memory.waits), one(memory.put_off, before.memory.put_off));
        metrics.extend(self.sum("kitaru.instances.waits", "Instances that had to wait for memory.", "{instance}", waits, now));
        let name = "kitaru.instances.put_off";
        metrics.extend(self.sum(name, "Instances that were put off for others.", "{instance}", put_off, now));
        let (spent, refused) = (measures.models.spent.as_nanos(), measures.models.refused_by_budget);
        let spent = one(spent, before.models.spent.as_nanos());
        metrics.extend(self.sum("kitaru.model.cost", "What is known of what model calls cost.", "{nano_usd}", spent, now));
        let refused = one(refused, before.models.refused_by_budget);
        let name = "kitaru.model.refused_by_budget";
        metrics.extend(self.sum(name, "Model calls that no budget had room for.", "{call}", refused, now));
        self.told = measures.clone();
        if self.delta {
            self.since = now;
        }
        metrics
    }

    /// A count; none where there is nothing to tell.
    fn sum(&self, name: &str, description: &str, unit: &str, counts: Vec<(Attributes, u64, u64)>, now: u64) -> Option<Metric> {
        let points = counts.into_iter().filter_map(|(attributes, count, known)| {
            let value = if self.delta { count.saturating_sub(known) } else { count };
            (value > 0).then(|| point(self.since, now, value, attributes))
        });
        let data_points: Vec<_> = points.collect();
        let aggregation_temporality = if self.delta { 1 } else { 2 };
        (!data_points.is_empty()).then(|| Metric {
            name: name.into(),
            description: description.into(),
            unit: unit.into(),
            sum: Some(Sum { data_points, aggregation_temporality, is_monotonic: true }),
            ..Metric::default()
        })
    }
}

fn point(since: u64, now: u64, value: u64, attributes: Attributes) -> NumberPoint {
    NumberPoint {
        start_time_unix_nano: since,
        time_unix_nano: now,
        as_int: Some(i64::try_from(value).unwrap_or(i64::MAX)),
        attributes: key_values(attributes),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1 as theirs;
    use prost::Message as _;

    use super::*;

    /// As whoever receives it reads it.
    fn read(metric: &Metric) -> theirs::Metric {
        theirs::Metric::decode(metric.encode_to_vec().as_slice()).unwrap()
    }

    fn number(point: &theirs::NumberDataPoint) -> i64 {
        match point.value {
            Some(theirs::number_data_point::Value::AsInt(number)) => number,
            ref other => panic!("{other:?}"),
        }
    }

    fn count(metrics: &[Metric]) -> Vec<(i64, i32)> {
        let reached = metrics.iter().find(|metric| metric.name == "kitaru.limit.reached").map(read);
        let Some(theirs::metric::Data::Sum(sum)) = reached.and_then(|metric| metric.data) else { return Vec::new() };
        assert!(sum.is_monotonic);
        sum.data_points.iter().map(|point| (number(point), sum.aggregation_temporality)).collect()
    }

    #[test]
    fn what_changed_is_told_once() {
        for (delta, expected) in [(false, [(3, 2), (5, 2)]), (true, [(3, 1), (2, 1)])] {
            let mut metrics = LimitMetrics::new(1, delta);
            let mut measures = Measures::default();
            assert!(metrics.report(&measures, 2).is_empty(), "nothing has happened");
            measures.reached = vec![("calls", 3)];
            measures.memory.now = 0;
            assert_eq!(count(&metrics.report(&measures, 3)), [expected[0]]);
            assert!(metrics.report(&measures, 4).is_empty(), "nothing more has");
            measures.reached = vec![("calls", 5)];
            assert_eq!(count(&metrics.report(&measures, 5)), [expected[1]]);
        }
    }

    #[test]
    fn memory_is_a_gauge_and_nothing_is_told_of_too() {
        let mut metrics = LimitMetrics::new(1, false);
        let mut measures = Measures::default();
        (measures.memory.now, measures.memory.peak, measures.memory.ceiling) = (7, 9, Some(11));
        let gauges: Vec<_> = metrics.report(&measures, 2).iter().map(read).collect();
        let of = |name: &str| match &gauges.iter().find(|metric| metric.name == name).unwrap().data {
            Some(theirs::metric::Data::Gauge(gauge)) => number(&gauge.data_points[0]),
            other => panic!("{other:?}"),
        };
        assert_eq!((of("kitaru.instances.memory"), of("kitaru.instances.memory.peak")), (7, 9));
        assert_eq!((of("kitaru.instances.memory.limit"), of("kitaru.flows")), (11, 0));
    }
}
