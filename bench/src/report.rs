//! The figures as they come: a line of JSON for each, on standard output.

use crate::figure::{Figure, markdown};

#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    pub(crate) fn add(&mut self, figure: Figure) {
        println!("{}", figure.to_json());
        self.0.push(figure);
    }

    /// All of them as a table.
    pub(crate) fn table(&self) -> String {
        markdown(&self.0)
    }
}
