//! Executions checked, moved to other code, compared, counted, carried to another machine, removed, and looked after.

use std::time::Duration;

use kitaru_tests::{Host, fixture, id, names};
use serde_json::{Value, json};

/// An execution with a value that is a file.
fn large(host: &Host, letter: &str) -> Value {
    let input = host.file("input.json", json!({ "value": letter.repeat(200_000) }).to_string());
    host.item(["run", &fixture("conformance:echo_value"), "--input", &format!("@{input}")])
}

/// The bytes of a data folder's files.
fn files(host: &Host) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![host.home()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "db-shm") {
                // The index of the write-ahead log, which every reader makes anew: memory that happens to be a file.
            } else {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn e15_verify_re_executes_and_writes_nothing() {
    let host = Host::new();
    let done = host.flow("sequence", &json!({ "steps": 5 }), &[]);
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let caught = host.flow("caught", &json!({ "works": false }), &[]);
    let parallel = host.flow("pairs", &json!({}), &[]);
    let asked = host.flow("two_people", &json!({}), &[]);
    let all = [id(&done), id(&waiting), &failed, id(&caught), id(&parallel), id(&asked)];
    let before = files(&host);
    let checked = host.json([&["executions", "verify"], all.as_slice()].concat()).items();
    let changed: Vec<String> = files(&host).into_iter().filter(|file| !before.contains(file)).map(|(path, _)| path).collect();
    assert_eq!(changed, [] as [String; 0], "not a byte changed");
    for view in &checked {
        assert_eq!((&view["holds"], &view["chain"]), (&json!(true), &json!("intact")), "{view:#}");
    }
    assert_eq!(checked[0]["calls"], 5);
    let waiting_only = host.json(["executions", "verify", "--waiting"]).items();
    assert_eq!(waiting_only.len(), 2);
}

#[test]
fn e15_verify_says_which_executions_other_code_would_break_and_where() {
    let host = Host::new();
    let waiting = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    assert_eq!(waiting["status"], "waiting", "{waiting:#}");
    let reply = host.json(["executions", "verify", id(&waiting), "--component", &fixture("versioned-renamed")]);
    assert_eq!(reply.code, Some(1));
    let view: Value = serde_json::from_str(&reply.stdout).unwrap();
    let view = &view["items"][0];
    assert_eq!((&view["holds"], &view["verdict"]), (&json!(false), &json!("diverges")), "{view:#}");
    assert!(view["failure"]["details"]["call_index"].is_number(), "{view:#}");
    // And an upgrade that would break it changes nothing.
    let before = host.records(id(&waiting));
    let reply = host.json(["executions", "upgrade", id(&waiting), "--component", &fixture("versioned-renamed")]);
    assert_eq!(reply.code, Some(1));
    assert_eq!(host.get(id(&waiting))["component_digest"], waiting["component_digest"]);
    assert_eq!(host.records(id(&waiting)), before);
}

#[test]
fn e15_a_changed_record_is_found() {
    let host = Host::new();
    let done = host.flow("sequence", &json!({ "steps": 3 }), &[]);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.execute("UPDATE journal SET link = zeroblob(32) WHERE seq = 2", []).unwrap();
    drop(store);
    let reply = host.json(["executions", "verify", id(&done)]);
    assert_eq!(reply.code, Some(1));
    assert!(reply.stdout.contains("broken at record 2"), "{reply:?}");
}

#[test]
fn a_waiting_execution_is_upgraded_to_code_that_makes_the_same_calls() {
    let host = Host::new();
    let waiting = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    // The same flow with one more export in its file: another digest, the same calls.
    let mut bytes = std::fs::read(fixture("versioned-wait")).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let other = host.file("other.wasm", &bytes);
    let upgraded = host.json(["executions", "upgrade", "--waiting", "--component", &other]).items();
    assert_eq!(upgraded[0]["upgraded"], true, "{upgraded:#?}");
    let now = host.get(id(&waiting));
    assert_ne!(now["component_digest"], waiting["component_digest"]);
    let done = host.item(["executions", "input", id(&waiting), "--value", "\"a draft\""]);
    assert_eq!(done["status"], "completed");
    assert_eq!(host.json(["executions", "verify", id(&waiting)]).items()[0]["holds"], true);
    host.json(["executions", "upgrade", id(&waiting), "--component", &other]).refused("KitaruStateError", &["Only waiting"]);
}

#[test]
fn a_replay_is_compared_with_its_source() {
    let host = Host::new();
    let run = host.item(["run", &kitaru_tests::example("content-pipeline"), "--arg", "topic=kitaru"]);
    let same = host.item(["executions", "replay", id(&run), "--from", "publish"]);
    let edited = host.item(["executions", "replay", id(&run), "--override", "checkpoint.research=other notes"]);
    let diffs = host.json(["executions", "diff", id(&run)]).items();
    assert_eq!(names(&Value::Array(diffs.clone()), "replay_exec_id"), [id(&same), id(&edited)], "its replays, oldest first");
    assert_eq!((&diffs[0]["result"], &diffs[0]["same_outcome"]), (&json!("match"), &json!(true)), "{:#}", diffs[0]);
    assert_eq!(names(&diffs[1]["checkpoints"], "result"), ["changed"; 3]);
    let overrides = &diffs[1]["applied_output_overrides"];
    assert_eq!(overrides[0]["matched_invocation_ids"], json!(["research"]));
    assert_eq!(diffs[0]["applied_output_overrides"], json!([]));
    let matrix = host.json(["executions", "diff-matrix", id(&run), id(&same), id(&edited)]).items();
    assert_eq!(matrix.len(), 3);
    let other = host.flow("thrice", &json!({}), &[]);
    let diff = &host.json(["executions", "diff", id(&run), id(&other)]).items()[0];
    assert_eq!(
        names(&diff["checkpoints"], "result"),
        ["original only", "original only", "original only", "replay only", "replay only", "replay only"]
    );
    assert_eq!(diff["applied_output_overrides"], Value::Null);
    host.json(["executions", "diff", id(&other)]).refused("KitaruUsageError", &["has no replays"]);
}

#[test]
fn executions_are_found_by_label_time_and_metadata_and_counted() {
    let host = Host::new();
    for (tag, other) in [("red", "x"), ("red", "y"), ("blue", "x")] {
        let _ = host.flow("thrice", &json!({}), &["--tag", tag, "--tag", other]);
    }
    let _ = host.try_flow("uncaught", &json!({ "message": "x" }), &["--tag", "red"]).failed_execution();
    let logged = host.item(["run", &kitaru_tests::example("logging"), "--arg", "topic=kitaru"]);
    let count = |words: &[&str]| host.json([&["executions", "list"], words].concat()).items().len();
    assert_eq!((count(&["--tag", "red"]), count(&["--tag", "red", "--tag", "x"])), (3, 1));
    assert_eq!((count(&["--since", "1h"]), count(&["--until", "1h"])), (5, 0));
    assert_eq!(count(&["--metadata", "topic=kitaru"]), 1, "{logged:#}");
    assert_eq!(count(&["--metadata", "topic=other"]), 0);
    // A cursor neither repeats nor leaves out.
    let mut seen: Vec<String> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut words = vec!["executions".to_owned(), "list".into(), "--size".into(), "2".into()];
        words.extend(cursor.iter().flat_map(|cursor| ["--cursor".to_owned(), cursor.clone()]));
        let page = host.json(&words).ok().envelope();
        assert_eq!(page["total"], 5);
        seen.extend(names(&page["items"], "exec_id").into_iter().map(str::to_owned));
        if seen.len() == 2 {
            let _ = host.flow("no_calls", &json!({}), &["--tag", "late"]);
            let late = host.json(["executions", "list", "--tag", "late"]).items();
            let _ = host.json(["executions", "delete", id(&late[0])]).ok();
        }
        match page["next_cursor"].as_u64() {
            Some(next) => cursor = Some(next.to_string()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    let statistics = host.item(["executions", "statistics", "--group-by", "flow", "--group-by", "status"]);
    assert_eq!(statistics["group_count"], 3, "{statistics:#}");
    assert_eq!(statistics["groups"][0]["keys"], json!({ "flow": "thrice", "status": "completed" }));
    assert_eq!(statistics["groups"][0]["execution_count"], 3);
    assert!(statistics["groups"][0]["metrics"]["duration"]["p50_seconds"].as_f64().unwrap() > 0.0);
    let by_tag = host.item(["executions", "statistics", "--group-by", "tag", "--metric", "failure-rate", "--max-groups", "1"]);
    assert_eq!((&by_tag["groups"][0]["keys"]["tag"], &by_tag["truncated"]), (&json!("red"), &json!(true)));
    let rate = by_tag["groups"][0]["metrics"]["failure-rate"].as_f64().unwrap();
    assert!((rate - 1.0 / 3.0).abs() < 1e-9, "{rate}");
}

#[test]
fn an_export_is_read_on_another_machine_and_replayed_there() {
    let (here, there) = (Host::new(), Host::new());
    // A value in the database, and one that is a file.
    let run = here.flow("echo_value", &json!({ "value": "x".repeat(100_000) }), &[]);
    let large = large(&here, "x");
    let replay = here.item(["executions", "replay", id(&run), "--from", "echo"]);
    let waiting = here.flow("wait_bool", &json!({}), &[]);
    let saved = here.item(["run", &kitaru_tests::example("logging"), "--arg", "topic=kitaru"]);
    let file = here.path("export.tar");
    let exported = here.item(["executions", "export", id(&replay), id(&waiting), id(&saved), id(&large), "--to", &file]);
    assert_eq!(exported["executions"].as_array().unwrap().len(), 5, "and the execution that one replays");
    let imported = there.item(["executions", "import", &file]);
    assert_eq!(imported["executions"].as_array().unwrap().len(), 5);
    for original in [&run, &replay, &saved, &large] {
        let found = there.get(id(original));
        assert_eq!((&found["result"], &found["metadata"]), (&original["result"], &here.get(id(original))["metadata"]));
        assert_eq!(there.journal(id(original)), here.journal(id(original)));
    }
    assert_eq!(there.json(["executions", "logs", id(&saved)]).items(), here.json(["executions", "logs", id(&saved)]).items());
    let stopped = there.get(id(&waiting));
    assert_eq!((&stopped["status"], &stopped["status_reason"]), (&json!("cancelled"), &json!("imported while waiting")));
    assert_eq!(there.json(["executions", "verify", id(&run)]).items()[0]["holds"], true);
    assert_eq!(there.item(["executions", "replay", id(&run), "--from", "echo"])["result"], run["result"]);
    let again = there.item(["executions", "import", &file]);
    assert_eq!((again["executions"].as_array().unwrap().len(), again["known"].as_array().unwrap().len()), (0, 5));
}

/// What somebody granted elsewhere, nobody granted here.
#[test]
fn an_import_brings_no_grants() {
    let (here, there) = (Host::new(), Host::new());
    let blocker = here.file("blocker", "");
    let arguments = json!({ "path": "out/traces", "blocker": "out/blocker" });
    let failed = here.try_flow("count_blocked", &arguments, &[&here.writable(), "--max-memory=300"]).failed_execution();
    std::fs::remove_file(blocker).unwrap();
    let file = here.path("export.tar");
    let _ = here.item(["executions", "export", &failed, "--to", &file]);
    let imported = there.item(["executions", "import", &file]);
    assert_eq!(imported["narrowed"], json!([failed]));
    let spec = there.get(&failed)["frozen_execution_spec"].clone();
    assert_eq!((&spec["grants"]["write"], &spec["limits"]["memory_mib"]), (&json!([]), &json!(256)));
    let refused = there.json(["executions", "retry", &failed]);
    assert_eq!(refused.error()["failure_kind"], "capability", "{refused:?}");
    // From somebody whom one trusts.
    let trusting = Host::new();
    let imported = trusting.item(["executions", "import", &file, "--with-grants"]);
    assert_eq!(imported["narrowed"], json!([]));
    assert_eq!(trusting.item(["executions", "retry", &failed])["result"], 6);
}

#[test]
fn a_replay_goes_on_when_its_source_is_gone() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "path": "out/traces", "blocker": "out/blocker" });
    let source = host.try_flow("count_blocked", &arguments, &[&host.writable()]).failed_execution();
    let replay = host.json(["executions", "replay", &source, "--from", "blocked_tick"]).failed_execution();
    let _ = host.item(["executions", "delete", &source]);
    assert_eq!(host.json(["executions", "verify", &replay]).items()[0]["holds"], true);
    std::fs::remove_file(blocker).unwrap();
    assert_eq!(host.item(["executions", "retry", &replay])["result"], 6, "what it was served is in its own journal");
}

/// What a waiting replay has yet to be served is no difference.
#[test]
fn e15_a_replay_that_waits_before_its_anchor_holds() {
    let host = Host::new();
    let source = host.flow("count_wait", &json!({ "path": "out/traces" }), &[&host.writable()]);
    let source = host.item(["executions", "input", id(&source), "--value", "true"]);
    let replay = host.item(["executions", "replay", id(&source), "--from", "tick_2", "--ask-again"]);
    assert_eq!(replay["status"], "waiting");
    let verified = host.json(["executions", "verify", id(&replay)]).items();
    assert_eq!(verified[0]["holds"], true, "{verified:#?}");
}

#[test]
fn a_damaged_export_adds_nothing() {
    let (here, there) = (Host::new(), Host::new());
    let run = here.flow("sequence", &json!({ "steps": 3 }), &[]);
    let file = here.path("export.tar");
    let _ = here.item(["executions", "export", id(&run), "--to", &file]);
    let bytes = std::fs::read(&file).unwrap();
    let mut cases: Vec<Vec<u8>> = vec![Vec::new(), b"no tar at all".repeat(100), bytes[..bytes.len() / 2].to_vec()];
    // One byte of a journal, and one of the component.
    for needle in [b"journals/".as_slice(), b"components/"] {
        let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        let mut changed = bytes.clone();
        changed[at + 512 + 40] ^= 1;
        cases.push(changed);
    }
    for (number, case) in cases.iter().enumerate() {
        let path = there.file(&format!("case-{number}"), case);
        there.json(["executions", "import", &path]).refused("KitaruUsageError", &["the export cannot be used"]);
        assert_eq!(there.json(["executions", "list"]).items(), [] as [Value; 0], "case {number}");
    }
}

#[test]
fn deleted_executions_are_gone_with_what_only_they_needed() {
    let host = Host::new();
    let (one, two) = (large(&host, "a"), large(&host, "b"));
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    host.json(["executions", "delete", id(&waiting)]).refused("KitaruStateError", &["Only ended executions can be deleted"]);
    // Files are removed once they are old enough not to belong to a row that is about to be written.
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
    for (path, _) in files(&host).into_iter().filter(|(path, _)| path.contains("/blobs/")) {
        std::fs::File::options().append(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let deleted = host.item(["executions", "delete", id(&one)]);
    assert!(deleted["freed_bytes"].as_u64().unwrap() >= 200_000, "{deleted:#}");
    host.json(["executions", "get", id(&one)]).refused("KitaruRuntimeError", &["was not found"]);
    assert_eq!(host.get(id(&two))["result"], two["result"], "another's values stay");
    let kept = host.item(["executions", "delete", "--keep-days", "1"]);
    assert_eq!(kept["executions"], json!([]), "nothing is that old");
    let rest = host.item(["executions", "delete", "--keep-days", "0", "--flow", "echo_value"]);
    assert_eq!((&rest["executions"], &rest["deleted"]), (&json!([id(&two)]), &json!(true)));
    host.json(["executions", "delete", id(&waiting), "--flow", "x"]).refused("KitaruUsageError", &["--keep-days"]);
    host.json(["executions", "delete"]).refused("KitaruUsageError", &["--keep-days"]);
    assert_eq!(host.item(["executions", "input", id(&waiting), "--value", "true"])["result"], "approved");
}

#[test]
fn what_an_open_execution_needs_is_not_deleted() {
    let host = Host::new();
    let asked = host.flow("wait_loop", &json!({ "times": 1 }), &[]);
    let _ = host.item(["executions", "input", id(&asked), "--value", "1"]);
    let source = source_of_a_waiting_replay(&host);
    host.json(["executions", "delete", &source]).refused("KitaruStateError", &["still needs execution"]);
    let deleted = host.item(["executions", "delete", "--keep-days", "0"]);
    assert_eq!(deleted["executions"], json!([id(&asked)]), "and passed over by age");
    // Named beside another one, it does not keep that from it.
    let gone = host.flow("no_calls", &json!({}), &[]);
    let reply = host.json(["executions", "delete", &source, id(&gone)]);
    let both: Value = serde_json::from_str(&reply.stdout).unwrap();
    assert_eq!((reply.code, &both["item"]["executions"]), (Some(1), &json!([id(&gone)])), "{reply:?}");
    assert_eq!(both["item"]["failures"][0]["exec_id"], source.as_str());
}

fn source_of_a_waiting_replay(host: &Host) -> String {
    let release = host.item(["run", &kitaru_tests::example("release-approval"), "--arg", "topic=v1.0"]);
    let _ = host.item(["executions", "input", id(&release), "--value", "true"]);
    let details = r#"{"notes":"Bug fixes","major_version":2}"#;
    let done = host.item(["executions", "input", id(&release), "--value", details]);
    assert_eq!(done["status"], "completed");
    let replay = host.item(["executions", "replay", id(&release), "--from", "publish", "--ask-again"]);
    assert_eq!(replay["status"], "waiting");
    id(&release).to_owned()
}
