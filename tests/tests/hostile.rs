//! Guests that each attempt one thing that no guest may do. Each ends in a typed failure of its own execution, in a clear refusal, or does no harm;
//! never in a failure of the host, which goes on, and keeps its memory.
//!
//! The attempts are tables, one for each kind. `tests/guests/hostile/README.md` lists them all.

use std::fmt::Write as _;

use kitaru_tests::{Host, Planted, Reply, repository};

#[path = "hostile/abi.rs"]
mod abi;
#[path = "hostile/bombs.rs"]
mod bombs;
#[path = "hostile/neighbours.rs"]
mod neighbours;
#[path = "hostile/row.rs"]
mod row;
#[path = "hostile/scopes.rs"]
mod scopes;
#[path = "hostile/served.rs"]
mod served;
#[path = "hostile/terminal.rs"]
mod terminal;
#[path = "hostile/values.rs"]
mod values;
#[path = "hostile/world.rs"]
mod world;

use row::{End, Guest, Row};

/// The most memory that a host may hold because of one guest, in MiB.
const CEILING: u64 = 700;

const GROUPS: [(&str, &[Row]); 19] = [
    ("Loops", scopes::LOOPS),
    ("Memory and stack", scopes::MEMORY),
    ("Traps and re-entrance", scopes::TRAPS),
    ("Pointers and lengths", abi::POINTERS),
    ("Texts that are not UTF-8", abi::TEXTS),
    ("Handles", abi::HANDLES),
    ("Manifests", values::MANIFESTS),
    ("Results", values::RESULTS),
    ("Schemas", values::SCHEMAS),
    ("Names and inputs of durable calls", values::INPUTS),
    ("Floods", values::FLOODS),
    ("Compiling", bombs::COMPILING),
    ("Parts of components", bombs::PARTS),
    ("Files", world::FILES),
    ("Addresses", world::SOCKETS),
    ("WASI", world::WASI),
    ("Models", world::MODELS),
    ("Secrets", world::SECRETS),
    ("Artifacts", world::ARTIFACTS),
];

/// The value of the secret that rows may be granted. No guest ever holds it.
const SECRET: &str = "planted-4f1d-hostile";

/// A host with a folder `box` that can be granted, a file beside it, and the secret `gh`.
fn host() -> Host {
    let host = Host::new();
    std::fs::create_dir(host.path("box")).unwrap();
    host.file("secret.txt", "secret");
    let _ = host.item(["secrets", "set", "gh", &format!("--TOKEN={SECRET}")]);
    host
}

/// The command that runs a row.
fn command(host: &Host, row: &Row) -> std::process::Command {
    let target = row.target(|name, bytes| host.file(name, bytes));
    let mut command = host.json_command(["run", &target, "--input", row.input]);
    command.args(row.flags);
    command
}

/// Checks that an attempt ended as it must, whoever sees what of it.
fn judge(row: &Row, reply: &Reply) {
    let Row { name, .. } = row;
    assert!(matches!(reply.code, Some(0 | 1)), "`{name}` took its host with it{reply:?}");
    assert!(!reply.stderr.lines().any(|line| line.starts_with("thread '")), "`{name}` made the host panic{reply:?}");
    Planted(SECRET).is_not_shown_in(reply);
    match &row.end {
        End::Completes | End::CompletesAnyhow => {
            let done = reply.clone().item();
            assert_eq!(done["status"], "completed", "`{name}`{reply:?}");
            let expected = if matches!(row.guest, Guest::Flow(_)) { "held".into() } else { serde_json::json!(42) };
            assert!(matches!(row.end, End::CompletesAnyhow) || done["result"] == expected, "`{name}`{reply:?}");
        }
        End::Waits => assert_eq!(reply.clone().item()["status"], "waiting", "`{name}`{reply:?}"),
        End::Refused(reason) => {
            let error = reply.error();
            assert!(error["exec_id"].is_null(), "`{name}` is refused before there is an execution{reply:?}");
            assert!(error["message"].as_str().unwrap().contains(reason), "`{name}` should be refused for `{reason}`{reply:?}");
        }
        End::Fails(kinds, reason) => {
            let error = reply.error();
            let (kind, message) = (error["failure_kind"].as_str().unwrap_or_default(), error["message"].as_str().unwrap());
            assert!(
                kinds.iter().any(|expected| kind.starts_with(expected)),
                "`{name}` should fail with one of {kinds:?}{reply:?}"
            );
            assert!(message.contains(reason), "`{name}` should fail because of `{reason}`{reply:?}");
            let origin = error["origin"].as_str().unwrap_or_default();
            match kind {
                "trap" => assert_eq!(origin, "user_code", "`{name}`{reply:?}"),
                "capability" => assert_eq!(origin, "runtime", "`{name}`{reply:?}"),
                _ => {}
            }
        }
    }
}

/// Makes every attempt of a group on one host, which then still does its work.
fn attempt_all(group: &str) {
    let (_, rows) = GROUPS.iter().find(|(name, _)| *name == group).unwrap_or_else(|| panic!("there is no group `{group}`"));
    let host = host();
    for row in *rows {
        let (reply, peak) = host.measured(command(&host, row));
        judge(row, &reply);
        assert!(peak < CEILING, "`{}` made its host hold {peak} MiB{reply:?}", row.name);
    }
    assert_eq!(host.flow("sequence", &serde_json::json!({ "steps": 3 }), &[])["result"], 6, "the store is as good as ever");
    assert_eq!(std::fs::read_to_string(host.path("secret.txt")).unwrap(), "secret");
    assert!(host.text(["doctor"]).code.is_some_and(|code| code <= 1));
    Planted(SECRET).is_in_no_file_of(&host);
}

macro_rules! groups {
    ($($test:ident: $group:literal,)*) => {
        $(#[test]
        fn $test() {
            attempt_all($group);
        })*

        #[test]
        fn every_group_is_attempted() {
            assert_eq!([$($group),*], GROUPS.map(|(name, _)| name));
        }
    };
}

groups! {
    loops_spin_until_their_time_is_over: "Loops",
    memory_and_stack_have_an_end: "Memory and stack",
    traps_end_their_own_instance: "Traps and re-entrance",
    pointers_are_looked_at: "Pointers and lengths",
    texts_are_utf_8: "Texts that are not UTF-8",
    handles_are_those_that_were_given_out: "Handles",
    manifests_are_checked: "Manifests",
    results_are_json: "Results",
    schemas_cost_what_their_values_do: "Schemas",
    names_and_inputs_have_bounds: "Names and inputs of durable calls",
    floods_dry_up: "Floods",
    compiling_takes_what_a_component_is_worth: "Compiling",
    parts_are_counted: "Parts of components",
    files_stay_in_their_folder: "Files",
    addresses_of_the_machine_are_not_reached: "Addresses",
    wasi_has_bounds: "WASI",
    models_are_granted: "Models",
    secrets_are_placeholders: "Secrets",
    artifacts_are_ones_own: "Artifacts",
}

/// A file that is replaced between a look at it and its use: what runs is what was read for that, and it is named by its own digest.
#[test]
fn a_component_that_is_replaced_is_another_component() {
    let host = host();
    let good = kitaru_tests::Framed::default();
    let file = host.file("odd.wasm", good.bytes());
    let seen = host.item(["inspect", &file]);
    let _ = host.file("odd.wasm", good.with("result", "666").bytes());
    let run = host.item(["run", &file]);
    assert_ne!(seen["digest"], run["component_digest"], "{run:#}");
    assert_eq!(run["result"], 666);
    // What is stored under a digest goes on under it, whatever the file says by now.
    let _ = host.file("odd.wasm", "no component");
    let verified = host.json(["executions", "verify", run["exec_id"].as_str().unwrap()]).items();
    assert_eq!(verified[0]["holds"], true, "{verified:#?}");
}

/// Compiled code is loaded only where this data folder made it, for this very component.
#[test]
fn compiled_code_of_another_component_is_not_loaded() {
    let host = host();
    let good = host.file("good.wasm", kitaru_tests::Framed::default().bytes());
    let evil = host.file("evil.wasm", kitaru_tests::Framed::default().with("result", "666").bytes());
    let digest = |file: &str| host.item(["inspect", file])["digest"].as_str().unwrap().to_owned();
    let (good_digest, evil_digest) = (digest(&good), digest(&evil));
    let cache = host.home().join("cache");
    let code_of = |digest: &str| {
        let files = std::fs::read_dir(&cache).unwrap().map(|file| file.unwrap().path());
        let found = files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
        found.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(digest)).expect("compiled code")
    };
    std::fs::copy(code_of(&evil_digest), code_of(&good_digest)).unwrap();
    assert_eq!(host.item(["run", &good])["result"], 42, "it is compiled again");
}

/// The list for people is the tables'.
#[test]
fn the_readme_lists_every_attempt() {
    let path = repository().join("tests/guests/hostile/README.md");
    let listed = std::fs::read_to_string(&path).unwrap();
    let mut table = String::new();
    for (group, rows) in GROUPS {
        let _ = write!(table, "\n## {group}\n\n| attempt | what it attempts | how it ends |\n|---|---|---|\n");
        for row in rows {
            let _ = writeln!(table, "| `{}` | {} | {} |", row.name, row.attempts(), row.ends());
        }
    }
    let count: usize = GROUPS.iter().map(|(_, rows)| rows.len()).sum();
    assert!(listed.contains(&format!("{count} attempts")), "README.md should say that there are {count} attempts");
    assert!(listed.ends_with(&table), "README.md should end with:\n{table}");
    let mut names: Vec<&str> = GROUPS.iter().flat_map(|(_, rows)| *rows).map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "each attempt has a name of its own");
    let parts = std::fs::read_dir(repository().join("tests/guests/hostile-wat")).unwrap().count();
    assert_eq!(parts, GROUPS.iter().flat_map(|(_, rows)| *rows).filter(|row| matches!(row.guest, Guest::Wat)).count());
}
