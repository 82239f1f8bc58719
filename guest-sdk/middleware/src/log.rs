//! Lines in the host's own log. Printing does the same: standard output at the level `info`, standard error at `warn`.

use std::fmt::Display;

use crate::bindings::kitaru::llm_middleware::log::{Level, line};

/// A line for its author.
pub fn debug(text: impl Display) {
    write(Level::Debug, &text);
}

/// A normal line.
pub fn info(text: impl Display) {
    write(Level::Info, &text);
}

/// Something is worth a look.
pub fn warn(text: impl Display) {
    write(Level::Warn, &text);
}

/// Something failed.
pub fn error(text: impl Display) {
    write(Level::Error, &text);
}

fn write(level: Level, text: &dyn Display) {
    // In a native test there is no host.
    if cfg!(target_arch = "wasm32") {
        line(level, &text.to_string());
    }
}
