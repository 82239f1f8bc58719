//! The host's layers: which module may use which, and what may be named where. A scan of the sources, so that a forbidden import fails a test
//! and not only a review.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who may use whom, of the modules at the top of `host/src`. Imports go down only.
const ALLOWED: [(&str, &[&str]); 23] = [
    ("main", &["cli"]),
    // Surfaces parse, call the service, render; of the layers below they see types.
    (
        "cli",
        &[
            "api",
            "client",
            "mcp",
            "service",
            "access",
            "telemetry",
            "engine",
            "registry",
            "config",
            "secrets",
            "signing",
            "isolation",
            "sandbox",
            "store",
            "journal",
            "clock",
            "ids",
            "mutex",
        ],
    ),
    // The verbs of another host. Of the layers below the service it sees the types of verbs, and which server is meant.
    ("client", &["service", "engine", "sandbox", "journal", "store", "config", "secrets", "clock", "ids", "mutex"]),
    // The same over HTTP, for callers who say who they are. Of the layers below it sees types, mostly of errors.
    ("api", &["service", "access", "mcp", "page", "engine", "config", "secrets", "store", "ids", "mutex"]),
    // Another surface; who calls, and the service as it is for him.
    ("mcp", &["service", "access", "ids", "mutex"]),
    (
        "service",
        &[
            "access",
            "telemetry",
            "engine",
            "models",
            "sandbox",
            "journal",
            "store",
            "registry",
            "config",
            "secrets",
            "signing",
            "clock",
            "ids",
            "mutex",
        ],
    ),
    // Who comes over the network, and what they may. Knows nothing of HTTP, and nothing of what the verbs do; its tests ask a question in a journal.
    ("access", &["store", "secrets", "journal", "scope", "clock", "ids", "mutex"]),
    // A projection of what is stored; of the engine it sees who is driven.
    ("telemetry", &["engine", "journal", "store", "config", "clock", "ids", "mutex"]),
    ("engine", &["models", "sandbox", "journal", "store", "secrets", "signing", "scope", "clock", "ids", "mutex"]),
    // What the crate of model calls asks for, answered by the store.
    ("models", &["store", "clock", "ids"]),
    ("sandbox", &["journal", "isolation", "clock", "ids", "mutex"]),
    ("store", &["journal", "clock", "ids", "mutex"]),
    ("journal", &["clock", "ids"]),
    ("registry", &["secrets", "ids", "clock"]),
    ("config", &["sandbox", "store", "signing", "ids", "clock"]),
    // The key and the cipher; what is sealed is for the engine and the store.
    ("secrets", &["ids"]),
    // Whose components are trusted; what becomes of the others is for the engine.
    ("signing", &["ids"]),
    // What the process gives away of its own rights. Knows paths and ports, and nothing of grants.
    ("isolation", &[]),
    // Files and what a browser is told about them. Knows nothing of HTTP, and of nobody.
    ("page", &[]),
    // Flows by their names.
    ("scope", &[]),
    ("clock", &[]),
    ("mutex", &[]),
    ("ids", &["clock"]),
];

/// What may be named only in some places: a path's first segment, and where it may be.
const CONFINED: [(&str, &[&str]); 22] = [
    ("wasmparser", &["sandbox/"]),
    ("wasmtime", &["sandbox/"]),
    ("wasmtime_wasi", &["sandbox/"]),
    ("wasmtime_wasi_http", &["sandbox/"]),
    ("rusqlite", &["store/sqlite/", "store/sqlite.rs"]),
    ("clap", &["cli/"]),
    // Guests' requests leave through the first, and nowhere else; others' come in through the second.
    ("hyper", &["sandbox/requests/", "api/server/"]),
    ("tokio_rustls", &["sandbox/requests/", "api/server/"]),
    ("hyper_util", &["api/server/"]),
    ("axum", &["api/", "telemetry/otlp/logs_tests.rs", "telemetry/otlp/tests.rs"]),
    // The store keeps what it is given, and the sandbox hands on JSON: neither knows what a model call is. Requests have the TLS of model calls.
    (
        "kitaru_llm",
        &[
            "sandbox/middleware/",
            "sandbox/grants/",
            "sandbox/requests/",
            // An amount of money.
            "sandbox/limits.rs",
            "models/",
            "engine/",
            "service/",
            "telemetry/",
            "config/",
            "client/",
            "cli/",
        ],
    ),
    ("chacha20poly1305", &["secrets/"]),
    ("minisign", &["signing/"]),
    ("minisign_verify", &["signing/"]),
    ("hmac", &["access/"]),
    ("subtle", &["access/"]),
    // Parameters and results of verbs, and the keys of the configuration, for the descriptions that are made of them.
    ("schemars", &["access/", "config/", "sandbox/grants/", "sandbox/limits.rs", "service/"]),
    ("landlock", &["isolation/"]),
    ("seccompiler", &["isolation/"]),
    ("prost", &["telemetry/otlp/"]),
    ("reqwest", &["client/", "telemetry/"]),
    ("rmcp", &["mcp/"]),
];

/// Files that may have unsafe code.
const UNSAFE: [&str; 1] = ["sandbox/code_cache.rs"];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "common", "types", "misc"];

const LONGEST_FILE: usize = 400;

/// What is wrong with one file, given its path below `host/src` and its text.
fn problems(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = without_comments_and_strings(text);
    let module = top_module(path);
    if module != "lib" {
        let allowed = ALLOWED.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        match allowed {
            None => found.push(format!("{path}: the module `{module}` has no place among the layers")),
            Some(allowed) => {
                for used in used_modules(&code) {
                    if used != module && !allowed.contains(&used.as_str()) {
                        found.push(format!("{path}: `{module}` may not use `{used}`"));
                    }
                }
            }
        }
    }
    for (name, places) in CONFINED {
        if names_crate(&code, name) && !places.iter().any(|place| path.starts_with(place)) {
            found.push(format!("{path}: `{name}` is for {} only", places.join(", ")));
        }
    }
    if words(&code).any(|word| word == "unsafe") && !UNSAFE.contains(&path) {
        found.push(format!("{path}: unsafe code is for {} only", UNSAFE.join(", ")));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.push(format!("{path}: {lines} lines, and {LONGEST_FILE} are the most"));
    }
    for part in Path::new(path).with_extension("").components() {
        let part = part.as_os_str().to_string_lossy();
        if EMPTY_NAMES.contains(&&*part) {
            found.push(format!("{path}: `{part}` does not say what is in it"));
        }
    }
    found
}

/// `store/sqlite/mod.rs` is in `store`, `clock.rs` in `clock`.
fn top_module(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The code, with what is in comments, strings and character literals blanked out.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '"' {
            string_end(rest)
        } else if c == '\'' {
            char_end(rest)
        } else {
            0
        };
        if skip == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skip..];
        }
    }
    code
}

/// The number of `#` of a raw string that starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The end of a character literal; 0 for a lifetime.
fn char_end(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The modules at the top of the crate that the code names: after `crate::`, also in a group, and after `kitaru_host::` in the binary.
fn used_modules(code: &str) -> Vec<String> {
    let compact: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(":: ", "::").replace(" ::", "::");
    let mut found = Vec::new();
    for root in ["crate::", "kitaru_host::"] {
        for (at, _) in compact.match_indices(root) {
            let before = compact[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let after = &compact[at + root.len()..];
            match after.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group)),
                None => found.extend(words(after).next().map(str::to_owned)),
            }
        }
    }
    // Macros and items of the crate's root have no module.
    found.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    found.sort();
    found.dedup();
    found
}

/// The first segments of `a::b, c::{d, e}, f}`.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0_u32, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(std::mem::take(&mut head)),
            _ if depth == 0 => head.push(c),
            _ => {}
        }
    }
    heads.push(head);
    heads.iter().filter_map(|head| words(head).next()).map(str::to_owned).collect()
}

/// Whether the code uses the crate `name`: as the start of a path, or alone in a `use`.
fn names_crate(code: &str, name: &str) -> bool {
    let compact: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    compact.match_indices(name).any(|(at, _)| {
        let before = compact[..at].chars().next_back();
        let after = compact[at + name.len()..].trim_start();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '.');
        starts
            && (after.starts_with("::")
                || (compact[..at].ends_with("use ") && (after.starts_with(';') || after.starts_with("as "))))
    })
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_host_keeps_to_its_layers() {
    let root = kitaru_tests::repository().join("host/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut found = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = std::fs::read_to_string(file).unwrap();
        *lines.entry(top_module(&path).to_owned()).or_default() += text.lines().count();
        found.extend(problems(&path, &text));
    }
    assert!(found.is_empty(), "forbidden:\n  {}", found.join("\n  "));
    for (module, _) in ALLOWED {
        assert!(lines.contains_key(module), "the rules name `{module}`, which is no more: {lines:?}");
    }
}

#[test]
fn what_is_forbidden_is_found() {
    let cases = [
        ("journal/cursor.rs", "use crate::store::Store;", "`journal` may not use `store`"),
        (
            "journal/cursor.rs",
            "use crate::{\n  ids::ExecutionId,\n  engine::{Engine, Event},\n};",
            "`journal` may not use `engine`",
        ),
        ("store/error.rs", "fn f() -> crate :: sandbox::Grants { }", "`store` may not use `sandbox`"),
        ("sandbox/run.rs", "pub(super) use crate::service as s;", "`sandbox` may not use `service`"),
        ("service/mod.rs", "use crate::cli::Output;", "`service` may not use `cli`"),
        ("clock.rs", "use crate::ids::ExecutionId;", "`clock` may not use `ids`"),
        ("main.rs", "use kitaru_host::engine::Engine;", "`main` may not use `engine`"),
        ("somewhere/mod.rs", "", "has no place among the layers"),
        ("engine/mod.rs", "use wasmtime::Engine;", "`wasmtime` is for sandbox/ only"),
        ("engine/mod.rs", "fn f(_: &wasmtime_wasi::WasiCtx) {}", "`wasmtime_wasi` is for sandbox/ only"),
        ("store/mod.rs", "use rusqlite as db;", "`rusqlite` is for store/sqlite/"),
        ("service/mod.rs", "#[derive(clap::Args)] struct A;", "`clap` is for cli/ only"),
        ("store/mod.rs", "use kitaru_llm::usage::UsageScope;", "`kitaru_llm` is for sandbox/middleware/"),
        ("mcp/call.rs", "use crate::engine::Engine;", "`mcp` may not use `engine`"),
        ("client/wire.rs", "use crate::api::BASE;", "`client` may not use `api`"),
        ("service/mod.rs", "use crate::client::RemoteService;", "`service` may not use `client`"),
        ("service/mod.rs", "use rmcp::model::Tool;", "`rmcp` is for mcp/ only"),
        ("models/ledger.rs", "use crate::engine::Engine;", "`models` may not use `engine`"),
        ("engine/mod.rs", "fn f() { unsafe { g() } }", "unsafe code is for"),
        ("engine/utils.rs", "", "`utils` does not say"),
        ("store/types/mod.rs", "", "`types` does not say"),
        ("engine/long.rs", &"\n".repeat(401), "401 lines"),
    ];
    for (path, text, expected) in cases {
        let found = problems(path, text);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{path}: {text:?} should give {expected:?}, and gives {found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    let cases = [
        ("engine/drive.rs", "use crate::store::{Durability, Store};\nuse crate::{clock::Clock, journal::{Cursor, Entry}};"),
        (
            "journal/mod.rs",
            "//! Used by crate::engine and crate::store.\nuse super::Entry; // not crate::engine\n/* crate::cli */",
        ),
        (
            "journal/mod.rs",
            "const S: &str = \"crate::engine \\\" wasmtime::x unsafe\"; const R: &str = r#\"crate::cli \"quoted\"\"#;",
        ),
        ("journal/mod.rs", "fn f<'a>(c: char) -> &'a str { if c == '\"' || c == '\\'' { \"crate::cli\" } else { \"\" } }"),
        ("sandbox/runtime.rs", "use wasmtime::{Config, Engine};\nlet config = wasmtime::Config::new();"),
        ("engine/mod.rs", "let wasmtime = 1; let x = state.wasmtime; let unsafety = 2;"),
        ("lib.rs", "pub mod cli;"),
        ("main.rs", "fn main() -> ExitCode { kitaru_host::cli::main() }"),
    ];
    for (path, text) in cases {
        assert_eq!(problems(path, text), [] as [String; 0], "{path}: {text}");
    }
}
