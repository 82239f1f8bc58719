//! The supply chain, as far as it can be held without a network: every direct dependency has its reason in the documentation, every licence is
//! one of those in `deny.toml`, and a crate that stands in two versions is written down there. Advisories need a network: `cargo xtask deny`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use kitaru_tests::repository;
use serde_json::Value;
use toml::Table;

/// Workspaces whose crates have a section in the documentation.
const DOCUMENTED: [&str; 3] = [".", "guest-sdk", "fuzz"];

fn metadata(workspace: &str, arguments: &[&str]) -> Value {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--offline", "--manifest-path"]);
    cargo.arg(repository().join(workspace).join("Cargo.toml")).args(arguments).current_dir(repository());
    let said = cargo.output().unwrap();
    assert!(said.status.success(), "{workspace}: {}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// By crate, the crates of others that it asks for: always, in tests, on some platform or with some feature.
fn asked_for() -> BTreeMap<String, BTreeSet<String>> {
    let mut crates = BTreeMap::new();
    for workspace in DOCUMENTED {
        for package in metadata(workspace, &["--no-deps"])["packages"].as_array().unwrap() {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let others = dependencies.filter(|dependency| dependency.get("path").is_none_or(Value::is_null));
            crates.insert(text(package, "name"), others.map(|dependency| text(dependency, "name")).collect());
        }
    }
    crates
}

/// By crate, the rows of its section: the dependency, and why.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let page = fs::read_to_string(repository().join("docs/contributing/dependencies.md")).unwrap();
    let mut crates: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.strip_prefix('`').and_then(|title| title.strip_suffix('`')).map(str::to_owned);
        }
        let Some(row) = line.strip_prefix("| `").zip(section.as_ref()) else { continue };
        let (name, why) = row.0.split_once("` | ").unwrap_or_else(|| panic!("{line}"));
        let known = crates.entry(row.1.clone()).or_default().insert(name.to_owned(), why.trim_end_matches(" |").to_owned());
        assert!(known.is_none(), "`{name}` of `{}` stands twice", row.1);
    }
    crates
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let (asked_for, documented) = (asked_for(), documented());
    for (package, dependencies) in &asked_for {
        let rows = documented.get(package).cloned().unwrap_or_default();
        let written: BTreeSet<String> = rows.keys().cloned().collect();
        assert_eq!(
            &written, dependencies,
            "left what docs/contributing/dependencies.md says of `{package}`, right what it asks for"
        );
        for (name, why) in rows {
            assert!(why.split_whitespace().count() >= 3, "why does `{package}` need `{name}`? {why:?}");
        }
    }
    let gone: Vec<_> = documented.keys().filter(|package| !asked_for.contains_key(*package)).collect();
    assert!(gone.is_empty(), "there is no crate {gone:?}");
}

fn deny() -> Table {
    fs::read_to_string(repository().join("deny.toml")).unwrap().parse().unwrap()
}

fn list<'a>(table: &'a Table, section: &str, key: &str) -> &'a [toml::Value] {
    table[section][key].as_array().unwrap()
}

/// Whether the licence can be chosen so that all that must be kept is allowed.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a BTreeSet<String>,
}

impl<'a> Expression<'a> {
    fn is_allowed(text: &str, allowed: &BTreeSet<String>) -> bool {
        // Old manifests have a slash where others have OR.
        let text = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut expression = Expression { words: text.split_whitespace().collect(), at: 0, allowed };
        // A crate that names none cannot be used.
        if expression.words.is_empty() {
            return false;
        }
        let is_allowed = expression.or();
        assert_eq!(expression.at, expression.words.len(), "`{text}` is no licence expression");
        is_allowed
    }

    fn word(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.word() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    fn or(&mut self) -> bool {
        let mut is_allowed = self.and();
        while self.takes("OR") {
            is_allowed |= self.and();
        }
        is_allowed
    }

    fn and(&mut self) -> bool {
        let mut is_allowed = self.one();
        while self.takes("AND") {
            is_allowed &= self.one();
        }
        is_allowed
    }

    fn one(&mut self) -> bool {
        if self.takes("(") {
            let is_allowed = self.or();
            assert!(self.takes(")"), "a bracket stays open");
            return is_allowed;
        }
        let mut name = self.word().unwrap_or_default().to_owned();
        self.at += 1;
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.word().unwrap_or_default());
            self.at += 1;
        }
        self.allowed.contains(&name)
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    let is_allowed = |text: &str| Expression::is_allowed(text, &allowed);
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT OR A) AND (B OR MIT)"] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in ["", "GPL-3.0", "Apache-2.0", "MIT AND GPL-3.0", "(MIT OR A) AND B", "MIT WITH LLVM-exception"] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let deny = deny();
    let allowed = list(&deny, "licenses", "allow").iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    // What is built on this machine, tests among it: the others need a network to look at.
    let compiler = Command::new("rustc").arg("-vV").current_dir(repository()).output().unwrap();
    let version = String::from_utf8(compiler.stdout).unwrap();
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = metadata(".", &["--locked", "--filter-platform", platform]);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 200, "only {} packages are looked at", packages.len());
    let wrong: Vec<String> = packages
        .iter()
        .filter(|package| !Expression::is_allowed(&text(package, "license"), &allowed))
        .map(|package| format!("{} {}: {}", text(package, "name"), text(package, "version"), text(package, "license")))
        .collect();
    assert!(wrong.is_empty(), "licences that deny.toml does not allow:\n  {}", wrong.join("\n  "));
}

/// Whether a requirement such as `0.52` names the version `0.52.6`.
fn names(requirement: &str, version: &str) -> bool {
    version.strip_prefix(requirement).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn crates_in_two_versions_are_written_down() {
    let lockfile: Table = fs::read_to_string(repository().join("Cargo.lock")).unwrap().parse().unwrap();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lockfile["package"].as_array().unwrap() {
        versions.entry(package["name"].as_str().unwrap()).or_default().insert(package["version"].as_str().unwrap());
        let source = package.get("source").map_or("", |source| source.as_str().unwrap());
        assert!(source.is_empty() || source == "registry+https://github.com/rust-lang/crates.io-index", "{package}");
    }
    let deny = deny();
    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skip in list(&deny, "bans", "skip") {
        let (name, version) = skip["crate"].as_str().unwrap().split_once('@').unwrap();
        skipped.entry(name).or_default().push(version);
        assert!(!skip["reason"].as_str().unwrap().is_empty());
        let is_needed = versions.get(name).is_some_and(|all| all.len() > 1 && all.iter().any(|one| names(version, one)));
        assert!(is_needed, "deny.toml skips {name} {version}, which does not stand beside another any more");
    }
    for (name, all) in versions {
        let known = skipped.get(name).cloned().unwrap_or_default();
        let left: Vec<&&str> = all.iter().filter(|version| !known.iter().any(|known| names(known, version))).collect();
        assert!(left.len() <= 1, "{name} stands in {left:?}: take one away, or write into deny.toml why not");
    }
}
