//! Secrets: what is kept and shown of them, and that a value is nowhere but where somebody asked for it.

use kitaru_tests::{Host, Planted, Reply, example, files, fixture, id, names};
use serde_json::{Value, json};

/// In every value that these tests plant. Its base64 and hexadecimal forms have parts that do not depend on where it stands.
const MARKER: &str = "planted-7f3a-marker";
const PLANTED: Planted = Planted(MARKER);
/// A key, as people give it.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn set(host: &Host, name: &str, assignments: &[&str]) -> Value {
    host.item([&["secrets", "set", name], assignments].concat())
}

fn shown(host: &Host, name: &str) -> Value {
    host.item(["secrets", "show", name, "--show-values"])
}

/// A command with a key in its environment.
fn with_key(host: &Host, key: &str, arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    command.env("KITARU_SECRETS_KEY", key);
    Reply::from(command)
}

#[test]
fn x15_show_lists_keys_and_gives_values_only_when_asked() {
    let host = Host::new();
    let made = set(&host, "openai-creds", &["--OPENAI_API_KEY=sk-1", "--ORG", "acme"]);
    assert_eq!((&made["result"], &made["version"]), (&json!("created"), &json!(1)));
    let view = host.item(["secrets", "show", "openai-creds"]);
    assert_eq!(view["values"], Value::Null);
    assert_eq!(view["keys"], json!(["OPENAI_API_KEY", "ORG"]));
    assert_eq!((&view["has_missing_values"], &view["visibility"]), (&json!(false), &json!("private")));
    for flag in ["--show-values", "--reveal"] {
        let view = host.item(["secrets", "show", made["id"].as_str().unwrap(), flag]);
        assert_eq!(view["values"], json!({ "OPENAI_API_KEY": "sk-1", "ORG": "acme" }), "{flag}");
    }
    let text = host.text(["secrets", "show", "openai-creds"]).ok().stdout;
    assert!(text.contains("OPENAI_API_KEY, ORG") && !text.contains("sk-1"), "{text}");
    let text = host.text(["secrets", "show", "openai-creds", "--reveal"]).ok().stdout;
    assert!(text.contains("Value (OPENAI_API_KEY):") && text.contains("sk-1"), "{text}");
}

#[test]
fn x16_assignments_that_cannot_be_used_are_refused_each_with_its_message() {
    let host = Host::new();
    let planted = format!("--KEY={MARKER}");
    let refused = |rest: &[&str], message: &str| {
        let reply = host.json([&["secrets", "set", "creds"], rest].concat());
        reply.refused("KitaruUsageError", &[message]);
        PLANTED.is_not_shown_in(&reply);
        PLANTED.is_not_shown_in(&host.text([&["secrets", "set", "creds"], rest].concat()));
    };
    refused(&[], "Provide at least one secret assignment");
    refused(&[&planted, &planted], "Duplicate secret key `KEY` in one command.");
    refused(&[&format!("--1KEY={MARKER}")], "Invalid secret key `1KEY`.");
    refused(&[&format!("--A-B={MARKER}")], "Invalid secret key.");
    refused(&[&format!("--={MARKER}")], "Secret key cannot be empty.");
    refused(&["--KEY="], "Secret value for key `KEY` cannot be empty.");
    refused(&["--KEY"], "Missing value for a secret key.");
    refused(&["--KEY", &planted], "Missing value for a secret key.");
    refused(&[MARKER], "Invalid secret assignment.");
    refused(&["--value", MARKER], "Missing value for a secret key.");
    let reply = host.json(["secrets", "set", "no good", &planted]);
    reply.refused("KitaruUsageError", &["`no good` cannot be the name of a secret."]);
    PLANTED.is_not_shown_in(&reply);
    PLANTED.is_not_shown_in(&host.json(["secrets", "set", &planted]));
    PLANTED.is_not_shown_in(&host.json(["secrets", "set", &format!("KEY={MARKER}")]));
    let reply = host.text(["secrets", "set", "creds", "--", &planted]);
    assert!(reply.code == Some(1) && reply.stderr.contains("Invalid secret assignment."), "{reply:?}");
    PLANTED.is_not_shown_in(&reply);
    assert_eq!(host.json(["secrets", "list"]).items(), [] as [Value; 0]);
    assert!(!host.home().join("secrets.key").exists(), "no key where nothing was set");
}

#[test]
fn a_set_adds_and_replaces_and_makes_a_version() {
    let host = Host::new();
    let first = set(&host, "creds", &["--A=1", "--B=2", "--metadata", "team=\"core\"", "--metadata", "days=30"]);
    let second = set(&host, "creds", &["--B=3", "--C=4", "--metadata", "days=null", "--private"]);
    assert_eq!((&second["result"], &second["version"], &second["id"]), (&json!("updated"), &json!(2), &first["id"]));
    assert_eq!(second["created_at"], first["created_at"]);
    let view = shown(&host, "creds");
    assert_eq!(view["values"], json!({ "A": "1", "B": "3", "C": "4" }));
    assert_eq!(view["metadata"], json!({ "team": "core" }));
    // A value that is named like an option, and one that looks like one.
    let _ = set(&host, "creds", &["--value", "output=x", "--D=--flag", "--value", "E==="]);
    let values = shown(&host, "creds")["values"].clone();
    assert_eq!((&values["output"], &values["D"], &values["E"]), (&json!("x"), &json!("--flag"), &json!("==")));
}

#[test]
fn values_come_from_standard_input_and_files() {
    let host = Host::new();
    let file = host.file("value", "from a file\r\n");
    let filed = format!("FILED={file}");
    let given = ["secrets", "set", "creds", "--from-stdin", "PIPED", "--from-file", &filed];
    let _ = host.with_input(given, "two\nlines\n").item();
    assert_eq!(shown(&host, "creds")["values"], json!({ "FILED": "from a file", "PIPED": "two\nlines" }));
    let missing = format!("KEY={}", host.path("nowhere"));
    host.json(["secrets", "set", "creds", "--from-file", &missing]).refused("KitaruUsageError", &["cannot read"]);
    host.with_input(["secrets", "set", "creds", "--from-stdin", "KEY"], "\n")
        .refused("KitaruUsageError", &["Secret value for key `KEY` cannot be empty."]);
    let large = "a".repeat(70_000);
    host.with_input(["secrets", "set", "creds", "--from-stdin", "KEY"], &large).refused("KitaruUsageError", &["64 KiB"]);
    host.json(["secrets", "set", "creds", "--from-prompt", "KEY"])
        .refused("KitaruUsageError", &["requires an interactive terminal"]);
}

#[test]
fn secrets_are_listed_and_deleted_by_name_and_id() {
    let host = Host::new();
    assert_eq!(host.text(["secrets", "list"]).ok().stdout, "No secrets.\n");
    let (b, a) = (set(&host, "b", &["--KEY=1"]), set(&host, "a", &["--KEY=1"]));
    let listed = Value::Array(host.json(["secrets", "list"]).items());
    assert_eq!(names(&listed, "name"), ["a", "b"]);
    let deleted = host.item(["secrets", "delete", b["id"].as_str().unwrap()]);
    assert_eq!((&deleted["name"], &deleted["result"]), (&json!("b"), &json!("deleted")));
    for verb in ["show", "delete"] {
        host.json(["secrets", verb, "b"]).refused("KitaruRuntimeError", &["Secret `b` was not found."]);
    }
    let again = set(&host, "b", &["--KEY=2"]);
    assert_ne!(again["id"], b["id"], "another secret");
    assert!(again["version"].as_u64() > b["version"].as_u64(), "whose versions the first never had: {again:#}");
    assert_eq!(host.item(["secrets", "show", "a"])["id"], a["id"]);
}

#[test]
fn sets_at_once_lose_nothing() {
    let host = Host::new();
    let setting: Vec<_> =
        (0..6).map(|n| host.spawn(host.json_command(["secrets", "set", "creds", &format!("--K{n}={n}")]))).collect();
    for one in setting {
        let _ = one.finish().ok();
    }
    let view = shown(&host, "creds");
    assert_eq!(view["version"], 6);
    assert_eq!(view["values"].as_object().unwrap().len(), 6, "{view:#}");
}

#[test]
fn a_planted_value_is_nowhere_but_where_somebody_asks_for_it() {
    let host = Host::new();
    let (planted, file) = (format!("--ARGUMENT={MARKER}"), host.file("value", MARKER));
    PLANTED.is_not_shown_in(&host.json(["secrets", "set", "creds", &planted, "--from-file", &format!("FILED={file}")]).ok());
    PLANTED.is_not_shown_in(&host.with_input(["secrets", "set", "creds", "--from-stdin", "PIPED"], MARKER).ok());
    PLANTED.is_not_shown_in(&host.text(["-vv", "secrets", "set", "creds", &format!("--ARGUMENT={MARKER}-2")]).ok());
    PLANTED.is_in_no_file_of(&host);
    // What else a data folder holds, made while it has secrets.
    let done = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    let _ = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let export = host.path("export.tar");
    let commands: [&[&str]; 12] = [
        &["secrets", "list"],
        &["secrets", "show", "creds"],
        &["secrets", "show", "nobody"],
        &["status"],
        &["info"],
        &["doctor"],
        &["executions", "list"],
        &["executions", "get", id(&done)],
        &["executions", "journal", id(&done)],
        &["executions", "logs", id(&done)],
        &["executions", "verify", id(&done)],
        &["executions", "export", id(&done), "--to", &export],
    ];
    for command in commands {
        for reply in [host.text(command), host.json(command), host.text([&["-vv"], command].concat())] {
            PLANTED.is_not_shown_in(&reply);
        }
    }
    // Errors of what cannot be opened.
    PLANTED.is_not_shown_in(&with_key(&host, KEY, &["secrets", "show", "creds", "--reveal"]));
    PLANTED.is_not_shown_in(&with_key(&host, KEY, &["secrets", "set", "creds", &planted]));
    PLANTED.is_not_shown_in(&with_key(&host, MARKER, &["secrets", "show", "creds", "--reveal"]));
    PLANTED.is_in_no_file_of(&host);
    // An export has no secrets in it, sealed or open.
    assert!(!PLANTED.is_in(&std::fs::read(&export).unwrap()));
    let there = Host::new();
    let _ = there.item(["executions", "import", &export]);
    assert_eq!(there.json(["secrets", "list"]).items(), [] as [Value; 0]);
    assert!(!there.home().join("secrets.key").exists());
    // A deleted one is gone, and the one that was there before is not shown by anything either.
    PLANTED.is_not_shown_in(&host.json(["secrets", "delete", "creds"]).ok());
    PLANTED.is_in_no_file_of(&host);
}

#[test]
fn the_marker_would_be_found() {
    let host = Host::new();
    let _ = set(&host, "creds", &[&format!("--KEY={MARKER}")]);
    assert!(PLANTED.is_in(host.text(["secrets", "show", "creds", "--reveal"]).ok().stdout.as_bytes()));
    let _ = host.flow("echo_value", &json!({ "value": MARKER }), &[]);
    assert!(files(&host).iter().any(|(_, bytes)| PLANTED.is_in(bytes)), "a value that a flow got");
}

#[test]
fn the_key_is_the_variables_or_the_files_and_another_one_is_told() {
    let host = Host::new();
    let made = with_key(&host, KEY, &["secrets", "set", "creds", "--KEY=1"]);
    assert_eq!(made.item()["version"], 1);
    assert!(!host.home().join("secrets.key").exists(), "the variable has it");
    let error = host.json(["secrets", "show", "creds", "--reveal"]).refused("KitaruRuntimeError", &["there is no key"]);
    assert!(error["hint"].as_str().unwrap().contains("KITARU_SECRETS_KEY"), "{error}");
    // Nor is a new one made while something is sealed with one that may come back.
    host.json(["secrets", "set", "other", "--KEY=1"]).refused("KitaruRuntimeError", &["there is no key"]);
    assert!(!host.home().join("secrets.key").exists());
    // What is no secret shows without a key.
    assert_eq!(host.item(["secrets", "show", "creds"])["keys"], json!(["KEY"]));
    let other = KEY.replace('0', "f");
    for arguments in [&["secrets", "show", "creds", "--reveal"][..], &["secrets", "set", "creds", "--B=2"]] {
        let error = with_key(&host, &other, arguments).refused(
            "KitaruRuntimeError",
            &["`creds` was sealed with another key", "the environment variable `KITARU_SECRETS_KEY`"],
        );
        assert!(error["hint"].as_str().unwrap().contains("secrets delete creds"), "{error}");
    }
    // Nor is a new secret sealed with another key than the others have.
    with_key(&host, &other, &["secrets", "set", "new", "--KEY=1"])
        .refused("KitaruRuntimeError", &["`creds` was sealed with another key"]);
    assert_eq!(host.json(["secrets", "list"]).items().len(), 1);
    for bad in ["short", "not a key at all, but rather long text"] {
        let reply = with_key(&host, bad, &["secrets", "show", "creds", "--reveal"]);
        reply.refused("KitaruUsageError", &["KITARU_SECRETS_KEY", "32 bytes"]);
        assert!(!reply.stderr.contains(bad), "{reply:?}");
    }
    assert_eq!(with_key(&host, KEY, &["secrets", "show", "creds", "--reveal"]).item()["values"], json!({ "KEY": "1" }));
}

#[cfg(unix)]
#[test]
fn the_key_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let said = host.text(["secrets", "set", "creds", "--KEY=1"]).ok().stderr;
    assert!(said.contains("Made the key") && said.contains("secrets.key"), "{said}");
    let said = host.text(["secrets", "set", "creds", "--KEY=2"]).ok().stderr;
    assert!(!said.contains("Made the key"), "once: {said}");
    let file = host.home().join("secrets.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["secrets", "show", "creds", "--reveal"][..], &["secrets", "set", "creds", "--KEY=3"]] {
        let error = host.json(arguments).refused("KitaruUsageError", &["can be read by others", "0644"]);
        assert!(error["hint"].as_str().unwrap().contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(shown(&host, "creds")["values"], json!({ "KEY": "2" }));
}

#[test]
fn a_sealed_value_that_was_moved_or_changed_does_not_open() {
    let host = Host::new();
    for name in ["one", "two"] {
        let _ = set(&host, name, &["--KEY=1", "--OTHER=2"]);
    }
    let store = rusqlite::Connection::open(host.database()).unwrap();
    let damaged = |sql: &str| {
        store.execute_batch(&format!("CREATE TEMP TABLE kept AS SELECT * FROM secret_values; {sql}")).unwrap();
        host.json(["secrets", "show", "one", "--reveal"])
            .refused("KitaruRuntimeError", &["of `KEY` in the secret `one` is damaged"]);
        let undo = "UPDATE secret_values SET sealed = (SELECT kept.sealed FROM kept WHERE kept.secret = secret_values.secret
             AND kept.key = secret_values.key); DROP TABLE kept";
        store.execute_batch(undo).unwrap();
    };
    let of = |secret: &str, key: &str| {
        format!(
            "(SELECT v.sealed FROM secret_values v JOIN secrets s ON s.id = v.secret WHERE s.name = '{secret}' AND v.key = '{key}')"
        )
    };
    let target = "key = 'KEY' AND secret = (SELECT id FROM secrets WHERE name = 'one')";
    for sealed in [of("two", "KEY"), of("one", "OTHER"), "x'01'".into(), "zeroblob(60)".into()] {
        damaged(&format!("UPDATE secret_values SET sealed = {sealed} WHERE {target}"));
    }
    assert_eq!(shown(&host, "one")["values"], json!({ "KEY": "1", "OTHER": "2" }));
    // Nor does an older version, or another store's.
    store.execute("UPDATE secrets SET version = version + 1 WHERE name = 'one'", []).unwrap();
    host.json(["secrets", "show", "one", "--reveal"]).refused("KitaruRuntimeError", &["is damaged"]);
    store.execute("UPDATE identity SET store_id = zeroblob(16)", []).unwrap();
    host.json(["secrets", "show", "two", "--reveal"]).refused("KitaruRuntimeError", &["is damaged"]);
}

#[test]
fn the_key_is_given_to_no_code() {
    let host = Host::new();
    let target = fixture("conformance:no_calls");
    for name in ["KITARU_SECRETS_KEY", "kitaru_secrets_key"] {
        let reply = with_key(&host, KEY, &["run", &target, "--allow-env", name]);
        reply.refused("KitaruUsageError", &["the key of all secrets"]);
        assert!(!reply.stderr.contains(KEY), "{reply:?}");
    }
    let plain = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    let replay = ["executions", "replay", id(&plain), "--from", "publish", "--allow-env", "KITARU_SECRETS_KEY"];
    host.json(replay).refused("KitaruUsageError", &["the key of all secrets"]);
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "nothing else was created");
    assert!(!with_key(&host, KEY, &["info"]).stdout.contains(KEY), "names of variables, and no values");
}

#[test]
fn what_people_type_wrong_shows_no_value() {
    let host = Host::new();
    // Refused by the parser of the command line.
    let planted = format!("--KEY={MARKER}");
    let commands: [&[&str]; 4] = [
        &["secrets", "set", &planted],
        &["secrets", "set", "creds", &planted, "--from-file", "x"],
        &["secrets", "set", "creds", &planted, "--output", "yaml"],
        &["secrets", "set", "creds", &planted, "-x"],
    ];
    for arguments in commands {
        for command in [host.command(arguments), host.json_command(arguments)] {
            let reply = Reply::from(command);
            assert_ne!(reply.code, Some(0), "{reply:?}");
            PLANTED.is_not_shown_in(&reply);
        }
    }
}
