//! What a task says: every command that it runs, and how it ended.

use std::time::Duration;

/// One line for a person.
#[expect(clippy::print_stdout, reason = "a task talks to the person who started it")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// The beginning of a step.
pub(crate) fn step(name: &str) {
    line(&format!("\n==> {name}"));
}

/// A task failed.
#[expect(clippy::print_stderr, reason = "errors go to standard error")]
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("\nerror: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}

/// Seconds with one decimal.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
