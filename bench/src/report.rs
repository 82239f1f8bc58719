//! What was measured on, and the figures as they come: a line of JSON for each, on standard output.

use serde_json::json;

use crate::figure::{Figure, markdown};
use crate::samples::processors;

pub(crate) struct Report {
    figures: Vec<Figure>,
    /// The machine's load when the run began.
    load: f64,
}

/// Processes that ran or waited for the disk in the last minute, on average; none where the system does not tell.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

impl Report {
    /// Begins, with a line about the run itself.
    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    pub(crate) fn begin() -> Self {
        let load = load();
        let run = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "processors": processors(),
            "load": load,
            "sqlite": rusqlite::version(),
            "journal_mode": "wal",
            // Where a figure does not say otherwise.
            "synchronous": "full",
        });
        println!("{}", json!({ "run": run }));
        Self { figures: Vec::new(), load }
    }

    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", figure.to_json());
        self.figures.push(figure);
    }

    /// All of them as a table, below what they were measured on.
    pub(crate) fn table(&self) -> String {
        let (version, processors, sqlite) = (env!("CARGO_PKG_VERSION"), processors(), rusqlite::version());
        let about = format!("Version {version}, {processors} processors, SQLite {sqlite}.");
        format!("{about} Load of the machine: {:.1} at first, {:.1} at last.\n\n{}", self.load, load(), markdown(&self.figures))
    }
}
