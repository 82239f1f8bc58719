//! The manifest: what `describe` tells the host about the component's flows and checkpoints.

use std::collections::BTreeSet;

use schemars::Schema;
use serde::Serialize;

use crate::registry::{self, CheckpointOptions, Entry, FlowOptions, Needs};

#[derive(Serialize)]
struct Manifest {
    manifest: u32,
    sdk: Sdk,
    flows: Vec<Function>,
    checkpoints: Vec<Function>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<AllNeeds>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

#[derive(Serialize)]
struct Sdk {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Function {
    name: &'static str,
    doc: Option<&'static str>,
    parameters: &'static [&'static str],
    input: Schema,
    result: Schema,
    options: Options,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Needs>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Options {
    Flow(FlowOptions),
    Checkpoint(CheckpointOptions),
}

/// The manifest as JSON text. Two functions of one name cannot both be called, so they are listed under `errors`.
pub fn describe() -> String {
    let flows = registry::flows();
    let checkpoints = registry::checkpoints();
    let mut errors = duplicates("flows", &flows.iter().map(|flow| (flow.0.name, flow.0.place)).collect::<Vec<_>>());
    errors.extend(duplicates(
        "checkpoints",
        &checkpoints.iter().map(|checkpoint| (checkpoint.entry.name, checkpoint.entry.place)).collect::<Vec<_>>(),
    ));
    let manifest = Manifest {
        manifest: 1,
        sdk: Sdk { name: "kitaru-rust", version: env!("CARGO_PKG_VERSION") },
        flows: flows.into_iter().map(|flow| function(&flow.0, Options::Flow(flow.1), None)).collect(),
        checkpoints: checkpoints
            .into_iter()
            .map(|checkpoint| function(&checkpoint.entry, Options::Checkpoint(checkpoint.options), checkpoint.needs))
            .collect(),
        needs: AllNeeds::of(&registry::component_needs()),
        errors,
    };
    // Names, texts and schemas: nothing in it can fail to be JSON.
    serde_json::to_string(&manifest).unwrap_or_default()
}

fn function<S>(entry: &Entry<S>, options: Options, needs: Option<Needs>) -> Function {
    Function {
        name: entry.name,
        doc: (!entry.doc.is_empty()).then_some(entry.doc),
        parameters: entry.parameters,
        input: (entry.input)(),
        result: (entry.result)(),
        options,
        needs,
    }
}

/// What all declarations of a component need together, each once and in order.
#[derive(Serialize)]
struct AllNeeds {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    read: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    write: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    env: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    net: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    secrets: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    llm: BTreeSet<&'static str>,
}

impl AllNeeds {
    fn of(declared: &[Needs]) -> Option<Self> {
        let all = |list: fn(&Needs) -> &'static [&'static str]| declared.iter().flat_map(list).copied().collect();
        (!declared.is_empty()).then(|| Self {
            read: all(|needs| needs.read),
            write: all(|needs| needs.write),
            env: all(|needs| needs.env),
            net: all(|needs| needs.net),
            secrets: all(|needs| needs.secrets),
            llm: all(|needs| needs.llm),
        })
    }
}

/// One message for each pair of neighbours with the same name.
fn duplicates(what: &str, sorted: &[(&str, &str)]) -> Vec<String> {
    sorted
        .windows(2)
        .filter_map(|pair| match pair {
            [(first, here), (second, there)] if first == second => {
                Some(format!("two {what} are named `{first}`: {here} and {there}"))
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_named_with_their_places() {
        let found = duplicates("flows", &[("a", "src/a.rs:1"), ("b", "src/b.rs:1"), ("b", "src/c.rs:9")]);
        assert_eq!(found, ["two flows are named `b`: src/b.rs:1 and src/c.rs:9"]);
    }
}
