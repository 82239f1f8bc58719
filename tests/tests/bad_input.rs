//! What is wrong from outside: components, inputs, disks, data folders. Each is a clear error with exit code 1, and nothing is half written.

use kitaru_tests::{Host, Reply, example, fixture};
use serde_json::{Value, json};

/// A refusal must leave no execution behind.
#[track_caller]
fn nothing_was_created(host: &Host) {
    assert_eq!(host.json(["executions", "list"]).items(), [] as [Value; 0]);
    let components = host.home().join("components");
    let kept = std::fs::read_dir(components).map(|files| files.count()).unwrap_or_default();
    assert_eq!(kept, 0, "a refused component is not kept");
}

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    message: &'static [&'static str],
    hint: &'static str,
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn files() -> Vec<Case> {
    let good = std::fs::read(example("hello")).unwrap();
    let broken = {
        let mut bytes = good.clone();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xff);
        bytes
    };
    let case = |name, bytes, message, hint| Case { name, bytes, message, hint };
    vec![
        case("empty.wasm", Vec::new(), &["the file is empty"], "kitaru-host build"),
        case("text.wasm", b"fn main() {}".to_vec(), &["not a WebAssembly file"], "kitaru-host build"),
        case("short.wasm", good[..4].to_vec(), &["not a WebAssembly file"], "kitaru-host build"),
        case("module.wasm", wat("(module (func (export \"run\")))"), &["core WebAssembly module"], "wasm32-wasip2"),
        case("truncated.wasm", good[..good.len() / 2].to_vec(), &["not a valid WebAssembly component"], "truncated"),
        case("damaged.wasm", broken, &["not a valid WebAssembly component"], "build it again"),
        case("world.wasm", wat("(component)"), &["does not export `kitaru:flow/program@0.1.0`"], "#[flow]"),
        case(
            "import.wasm",
            wat(r#"(component (import "acme:db/store@1.0.0" (instance)) (import "acme:mail/send" (instance)))"#),
            &["acme:db/store@1.0.0, acme:mail/send"],
            "compose",
        ),
        case(
            "http.wasm",
            wat(r#"(component (import "wasi:http/incoming-handler@0.2.3" (instance)))"#),
            &["wasi:http/incoming-handler@0.2.3"],
            "outgoing-handler",
        ),
        case(
            "newer.wasm",
            wat(r#"(component (import "kitaru:flow/checkpoint@0.9.0" (instance)))"#),
            &["kitaru:flow/checkpoint@0.9.0"],
            "kitaru:flow@0.1.0",
        ),
        case(
            "shape.wasm",
            wat(r#"(component (instance $none) (export "kitaru:flow/program@0.1.0" (instance $none)))"#),
            &["do not have the shapes"],
            "SDK",
        ),
    ]
}

#[test]
fn files_that_are_no_flows_are_refused_by_name_with_a_hint() {
    let host = Host::new();
    for Case { name, bytes, message, hint } in files() {
        let file = host.file(name, bytes);
        for command in ["run", "inspect"] {
            let reply = host.json([command, &file]);
            let error = reply.error();
            let said = error["message"].as_str().unwrap();
            assert!(said.contains(name), "it names the file{reply:?}");
            for part in message {
                assert!(said.contains(part), "it should say `{part}`{reply:?}");
            }
            assert!(error["hint"].as_str().unwrap_or_default().contains(hint), "the hint should say `{hint}`{reply:?}");
        }
        let text = host.text(["run", &file]);
        assert_eq!((text.code, text.stdout.as_str()), (Some(1), ""));
        assert!(text.stderr.starts_with("error: ") && text.stderr.contains("\nhint: "), "{text:?}");
    }
    nothing_was_created(&host);
}

#[test]
fn targets_that_are_not_there() {
    let host = Host::new();
    std::fs::create_dir(host.path("empty")).unwrap();
    let hello = example("hello");
    let cases = [
        ("no-such.wasm".to_owned(), "no-such.wasm"),
        ("empty".to_owned(), "Cargo.toml"),
        (format!("{hello}:no_such_flow"), "no flow `no_such_flow`"),
        (fixture("conformance"), "several flows"),
        (format!("{hello}:"), "does not exist"),
    ];
    for (target, message) in cases {
        let reply = host.json(["run", &target]);
        let error = reply.error();
        assert_eq!(error["type"], "KitaruUsageError", "{reply:?}");
        assert!(error["message"].as_str().unwrap().contains(message), "{reply:?}");
    }
    nothing_was_created(&host);
}

#[test]
fn inputs_are_checked_against_the_schema_before_anything_starts() {
    let host = Host::new();
    let target = fixture("conformance:arguments");
    let cases = [
        ("{", "Invalid JSON for `--input`"),
        ("[1]", "`--input` must be a JSON object"),
        ("null", "`--input` must be a JSON object"),
        (r#"{"text":"a","list":[]}"#, "count"),
        (r#"{"text":"a","count":-1,"list":[]}"#, "/count"),
        (r#"{"text":"a","count":"one","list":[]}"#, "/count"),
        (r#"{"text":"a","count":1,"list":[1,"x"]}"#, "/list/1"),
        (r#"{"text":"a","count":1,"list":[],"shape":{"Square":{"radius":1}}}"#, "shape"),
        (r#"{"text":null,"count":1,"list":[]}"#, "/text"),
        ("@no-such-file.json", "no-such-file.json"),
    ];
    for (input, message) in cases {
        let reply = host.json(["run", &target, "--input", input]);
        let error = reply.error();
        assert!(error["message"].as_str().unwrap().contains(message), "`{message}` for {input}{reply:?}");
    }
    let reply = host.with_input(["run", &target, "--input", "-"], "{\"text\": ");
    assert!(reply.error()["message"].as_str().unwrap().contains("Invalid JSON"), "{reply:?}");
    let reply = host.json(["run", &target, "--arg", "text"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("KEY=VALUE"), "{reply:?}");
    let misspelt = host.json(["run", &example("hello"), "--arg", "name=World", "--arg", "nmae=World"]);
    assert!(
        misspelt.error()["message"].as_str().unwrap().contains("nmae"),
        "an argument that the flow does not have{misspelt:?}"
    );
    nothing_was_created(&host);
}

#[test]
fn flags_that_cannot_be_used() {
    let host = Host::new();
    let hello = example("hello");
    for (flag, message) in [
        ("--allow-read=no-such-folder", "no-such-folder"),
        ("--allow-net=ftp://example.com", "`http` or `https`"),
        ("--allow-net=example.com:http", "port"),
        ("--max-memory=lots", "--max-memory"),
        ("--no-such-flag", "--no-such-flag"),
    ] {
        let reply = host.json(["run", &hello, "--arg", "name=World", flag]);
        assert!(reply.error()["message"].as_str().unwrap().contains(message), "{reply:?}");
    }
    for nonsense in [["frobnicate"].as_slice(), &["executions"], &[]] {
        assert_eq!(host.text(nonsense).code, Some(1), "usage errors have exit code 1 too");
    }
    nothing_was_created(&host);
}

#[test]
fn a_read_only_data_folder_is_said() {
    let host = Host::new();
    let execution = host.flow("wait_bool", &json!({}), &[]);
    let id = execution["exec_id"].as_str().unwrap();
    let before = host.rows(id);
    let script = r#"
        mount --bind "$KITARU_HOME" "$KITARU_HOME"
        mount -o remount,ro,bind "$KITARU_HOME"
        "$KITARU" run "$1" --output json
    "#;
    let refused = |reply: Reply| {
        let error = reply.refused("KitaruBackendError", &["is read-only", host.home().to_str().unwrap()]);
        assert!(error["hint"].as_str().unwrap().contains("KITARU_HOME"), "{reply:?}");
    };
    refused(host.with_mounts(script, &[&fixture("conformance:no_calls")]));
    let answer = script.replace(r#"run "$1""#, r#"executions input "$1" --value true"#);
    refused(host.with_mounts(&answer, &[id]));
    assert_eq!(host.rows(id), before);

    // A data folder that cannot be made.
    let fresh = Host::new();
    let reply = fresh.with_mounts(script, &[&fixture("conformance:no_calls")]);
    reply.refused("KitaruBackendError", &["is read-only"]);
    assert_eq!(std::fs::read_dir(fresh.home()).unwrap().count(), 0, "nothing was left there");
}

#[test]
fn a_data_folder_that_another_program_locks_is_said() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let other = rusqlite::Connection::open(host.database()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let reply = host.try_flow("no_calls", &json!({}), &[]);
    let error = reply.refused("KitaruBackendError", &["locked by another process"]);
    assert!(error["hint"].as_str().unwrap().contains("try again"), "{reply:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "the refused run left nothing");
    assert_eq!(host.flow("no_calls", &json!({}), &[])["status"], "completed");
}

#[test]
fn a_data_folder_of_a_newer_version_is_left_alone() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.pragma_update(None, "user_version", 999).unwrap();
    drop(store);
    let before = std::fs::read(host.database()).unwrap();
    for command in [["executions", "list"].as_slice(), &["run", &fixture("conformance:no_calls")]] {
        let reply = host.json(command);
        let error = reply.refused("KitaruBackendError", &["has format 999", host.home().to_str().unwrap()]);
        assert!(error["hint"].as_str().unwrap().contains("newer kitaru-host"), "{reply:?}");
    }
    assert!(std::fs::read(host.database()).unwrap() == before, "not a byte was changed");
}

#[test]
fn a_data_folder_that_is_none() {
    let host = Host::new();
    std::fs::create_dir(host.home()).unwrap();
    std::fs::write(host.database(), "this is no database, but a text that is long enough to be looked at ".repeat(100)).unwrap();
    host.json(["executions", "list"]).refused("KitaruBackendError", &["kitaru.db", "damaged"]);

    let host = Host::new();
    std::fs::create_dir(host.home()).unwrap();
    let other = rusqlite::Connection::open(host.database()).unwrap();
    other.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(other);
    host.json(["executions", "list"]).refused("KitaruBackendError", &["another program's database"]);
    let other = rusqlite::Connection::open(host.database()).unwrap();
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "another program's database is not touched");

    let host = Host::new();
    std::fs::write(host.home(), "a file where a folder should be").unwrap();
    let reply = host.json(["executions", "list"]);
    assert!(reply.error()["message"].as_str().unwrap().contains(host.home().to_str().unwrap()), "{reply:?}");
}
