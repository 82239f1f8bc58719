//! What this program was built as: for a bug report, and for whoever has to know what it reads.

use std::sync::LazyLock;

use crate::journal::RECORD_FORMAT;
use crate::store::sqlite::DATA_FORMAT;

/// The contract between the host and its guests.
pub(super) const WIT_PACKAGE: &str = "kitaru:flow@0.1.0";
/// The version of wasmtime.
pub(super) const WASMTIME: &str = env!("KITARU_WASMTIME");

/// The commit that it was built from, where that is known: of a release that was built in a checkout.
pub(super) fn commit() -> Option<&'static str> {
    Some(env!("KITARU_COMMIT")).filter(|commit| !commit.is_empty())
}

/// Its version, and what else tells two builds apart, in a line each.
pub fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(commit()));
    &TEXT
}

fn text(commit: Option<&str>) -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let mut add = |name: &str, value: &str| text.push_str(&format!("\n{name:<16}{value}"));
    if let Some(commit) = commit {
        add("commit", commit);
    }
    add("data format", &DATA_FORMAT.to_string());
    add("journal format", &RECORD_FORMAT.to_string());
    add("WIT", WIT_PACKAGE);
    add("wasmtime", WASMTIME);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_told_where_there_is_one() {
        let with = text(Some("0123456789ab"));
        assert_eq!(with.lines().nth(1), Some("commit          0123456789ab"), "{with}");
        assert!(!text(None).contains("commit") && text(None).contains("\nwasmtime        "), "{}", text(None));
    }

    #[test]
    fn the_contract_is_the_one_in_the_sources() {
        let wit = include_str!("../../../wit/flows.wit");
        assert!(wit.contains(&format!("package {WIT_PACKAGE};")), "{wit}");
    }
}
