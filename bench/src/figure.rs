//! What is measured: a figure, the limit beside it from the same run, and what it is to be.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// The value itself.
    AtMost(f64),
    /// The value itself.
    AtLeast(f64),
    /// The value beside its limit.
    RatioAtMost(f64),
    /// The value beside its limit.
    RatioAtLeast(f64),
    /// The value beside its limit; or else, where the machine's processors are busy with it, at most so many microseconds of processor time.
    RatioAtLeastOrMicros(f64, f64),
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// A name for programs.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What this machine would allow, measured between the samples of the figure.
    pub(crate) limit: Option<(&'static str, f64)>,
    pub(crate) target: Option<Target>,
    /// Processor time of this process, in microseconds a step, where that is of interest.
    pub(crate) cpu_micros: Option<f64>,
}

impl Figure {
    pub(crate) fn new(name: &'static str, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name, what: what.into(), value, unit, limit: None, target: None, cpu_micros: None }
    }

    pub(crate) fn beside(mut self, what: &'static str, limit: f64) -> Self {
        self.limit = Some((what, limit));
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn cpu(mut self, micros: f64) -> Self {
        self.cpu_micros = Some(micros);
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.limit.map(|(_, limit)| self.value / limit)
    }

    /// Whether it is what it is to be.
    fn is_met(&self) -> Option<bool> {
        let ratio = self.ratio();
        Some(match self.target? {
            Target::AtMost(most) => self.value <= most,
            Target::AtLeast(least) => self.value >= least,
            Target::RatioAtMost(most) => ratio? <= most,
            Target::RatioAtLeast(least) => ratio? >= least,
            Target::RatioAtLeastOrMicros(least, micros) => {
                let cpu = self.cpu_micros?;
                let busy = cpu * self.value / 1e6 / crate::samples::processors() as f64;
                ratio? >= least || (cpu <= micros && busy >= 0.9)
            }
        })
    }

    fn target_text(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::AtMost(most)) => format!("≤ {most} {}", self.unit),
            Some(Target::AtLeast(least)) => format!("≥ {least} {}", self.unit),
            Some(Target::RatioAtMost(most)) => format!("≤ {most} x"),
            Some(Target::RatioAtLeast(least)) => format!("≥ {least} x"),
            Some(Target::RatioAtLeastOrMicros(least, micros)) => {
                format!("≥ {least} x, or ≤ {micros} µs of processor time with all processors busy")
            }
        }
    }

    /// One line of JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "figure": self.name,
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit.map(|(what, _)| what),
            "limit_value": self.limit.map(|(_, value)| value),
            "ratio": self.ratio(),
            "cpu_micros": self.cpu_micros,
            "target": self.target.map(|_| self.target_text()),
            "met": self.is_met(),
        })
    }
}

/// The figures as a table for people.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut table = String::from(
        "| figure | value | limit in the same run | ratio | target | met | name |\n|---|---:|---|---:|---|---|---|\n",
    );
    for figure in figures {
        let limit = figure.limit.map(|(what, value)| format!("{what}: {}", number(value))).unwrap_or_default();
        let ratio = figure.ratio().map(|ratio| format!("{ratio:.2} x")).unwrap_or_default();
        let cpu = figure.cpu_micros.map(|micros| format!(" ({micros:.0} µs of processor time)")).unwrap_or_default();
        let met = match figure.is_met() {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        let (what, name, value, unit) = (&figure.what, figure.name, number(figure.value), figure.unit);
        let target = figure.target_text();
        let _ = writeln!(table, "| {what} | {value} {unit}{cpu} | {limit} | {ratio} | {target} | {met} | `{name}` |");
    }
    table
}

/// With three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_the_value_and_its_limit_and_is_held_against_its_target() {
        let figure = Figure::new("step", "a step", 3.0, "µs").beside("the disk", 2.0);
        assert_eq!(figure.ratio(), Some(1.5));
        assert_eq!(figure.clone().target(Target::RatioAtMost(1.25)).is_met(), Some(false));
        assert_eq!(figure.clone().target(Target::RatioAtLeast(1.25)).is_met(), Some(true));
        assert_eq!(figure.clone().target(Target::RatioAtLeast(1.75)).is_met(), Some(false));
        assert_eq!(figure.clone().target(Target::AtMost(3.0)).is_met(), Some(true));
        assert_eq!(figure.clone().is_met(), None);
        let either = figure.target(Target::RatioAtLeastOrMicros(2.0, 100.0));
        assert_eq!(either.clone().is_met(), None);
        assert_eq!(either.clone().cpu(99.0).is_met(), Some(false), "three in a second keep no processor busy");
        let busy = Figure { value: 1e6, limit: Some(("the disk", 1e7)), ..either };
        assert_eq!(busy.cpu(99.0).is_met(), Some(true));
    }

    #[test]
    fn the_table_has_a_line_for_each_figure() {
        let figures = [Figure::new("a", "first", 1234.5, "µs"), Figure::new("b", "second", 0.333, "µs").beside("x", 1.0)];
        let table = markdown(&figures);
        assert!(table.contains("| first | 1234 µs |") || table.contains("| first | 1235 µs |"), "{table}");
        assert!(table.contains("| second | 0.33 µs | x: 1.00 | 0.33 x |  |  | `b` |"), "{table}");
    }
}
