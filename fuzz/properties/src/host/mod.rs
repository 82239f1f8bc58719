//! What the host reads that others wrote.

pub(crate) mod archive;
pub(crate) mod component;
pub(crate) mod config;
pub(crate) mod guest_values;
pub(crate) mod import;
pub(crate) mod journal;
pub(crate) mod manifest;
pub(crate) mod middleware;
mod runtime;

use std::collections::HashSet;

/// Each once.
fn are_unique<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    names.into_iter().all(|name| seen.insert(name))
}
