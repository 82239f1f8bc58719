//! Crates that this program was built with, as its lockfile names them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

const LOCKFILE: &str = include_str!("../../../../Cargo.lock");
/// The crate of this program.
const ROOT: &str = env!("CARGO_PKG_NAME");

#[derive(Deserialize)]
struct Lockfile {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Name and versions of each crate that this program asks for, by itself or through others: all, or the ones that were named. One that is
/// named and is not among them is null.
pub(super) fn packages(named: &[String]) -> Map<String, Value> {
    let lockfile: Lockfile = toml::from_str(LOCKFILE).unwrap_or(Lockfile { package: Vec::new() });
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &lockfile.package {
        by_name.entry(package.name.as_str()).or_default().push(package);
    }
    let (mut reached, mut next) = (BTreeSet::new(), vec![ROOT]);
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            let needed = by_name.get(name).into_iter().flatten().flat_map(|package| &package.dependencies);
            // Where there are several of one name, its version follows.
            next.extend(needed.filter_map(|dependency| dependency.split(' ').next()));
        }
    }
    let versions = |name: &str| {
        let found = by_name.get(name).filter(|_| reached.contains(name))?;
        Some(Value::from(found.iter().map(|package| package.version.as_str()).collect::<Vec<_>>().join(", ")))
    };
    match named {
        [] => reached.iter().filter_map(|name| Some(((*name).to_owned(), versions(name)?))).collect(),
        named => named.iter().map(|name| (name.clone(), versions(name).unwrap_or(Value::Null))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_told_with_their_versions() {
        let all = packages(&[]);
        assert_eq!((&all[ROOT], &all["wasmtime"]), (&env!("CARGO_PKG_VERSION").into(), &env!("KITARU_WASMTIME").into()));
        assert!(all.len() > 100 && all.contains_key("wasmtime") && !all.contains_key("kitaru-tests"), "{}", all.len());
        let some = packages(&["rusqlite".into(), "left-pad".into()]);
        assert_eq!(some.keys().collect::<Vec<_>>(), ["rusqlite", "left-pad"]);
        assert!(some["rusqlite"].as_str().is_some_and(|version| version.starts_with("0.")) && some["left-pad"].is_null());
    }
}
