//! What was measured on, and the figures as they come: a line of JSON for each, on standard output.

use std::path::Path;

use crate::figure::{Figure, markdown};
use crate::machine::Machine;

pub(crate) struct Report {
    figures: Vec<Figure>,
    machine: Machine,
    /// The machine's load when the run began.
    load: f64,
}

/// Processes that ran or waited for the disk in the last minute, on average; none where the system does not tell.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

impl Report {
    /// Begins, with a line about the run itself, whose data folders are in `disk`.
    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    pub(crate) fn begin(disk: &Path) -> Self {
        let (load, machine) = (load(), Machine::here(disk));
        println!("{}", machine.to_json(load));
        Self { figures: Vec::new(), machine, load }
    }

    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", figure.to_json());
        self.figures.push(figure);
    }

    /// All of them as a table, below what they were measured on.
    pub(crate) fn table(&self) -> String {
        let (about, first, last) = (self.machine.text(), self.load, load());
        format!("{about} Load of the machine: {first:.1} at first, {last:.1} at last.\n\n{}", markdown(&self.figures))
    }
}
