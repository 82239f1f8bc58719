//! Commands about several executions that fail in their middle: what they have done is printed, then the error.

use kitaru_tests::{Host, Reply, example, fixture, id, names, until};
use serde_json::{Value, json};

use super::laptop::Team;

/// Of no execution.
const NOBODY: &str = "ffffffff-0000-7000-8000-000000000000";

/// What a command has printed before it failed, and its error.
#[track_caller]
fn told(reply: &Reply) -> (Value, Value) {
    assert_eq!(reply.code, Some(1), "{reply:?}");
    let last = reply.stderr.trim_end().lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}{reply:?}"));
    (reply.envelope(), error["error"].clone())
}

/// One more than one request takes, of which the second half are none.
fn half(execution: &str, most: usize) -> Vec<&str> {
    (0..=most).map(|number| if number <= most / 2 { execution } else { NOBODY }).collect()
}

#[test]
fn a_batch_that_a_refusal_ends_tells_the_replays_before_it() {
    let team = Team::new("author");
    let own = Host::warm();
    for host in [&own, &team.laptop] {
        let run = host.item(["run", &example("hello"), "--arg", "name=Ada"]);
        let words = ["executions", "replay", id(&run), NOBODY, "--from", "greet", "--on-error", "fail"];
        let reply = host.json(words);
        let (printed, error) = told(&reply);
        assert_eq!((&error["type"], &printed["command"]), (&json!("KitaruRuntimeError"), &json!("executions.replay")));
        assert!(error["message"].as_str().unwrap().contains(NOBODY), "{reply:?}");
        let [made] = names(&printed["item"]["results"], "replay_exec_id")[..] else { panic!("{reply:?}") };
        assert_eq!(host.get(made)["original_exec_id"], run["exec_id"]);
        let reply = host.text(words);
        assert!(reply.code == Some(1) && reply.stdout.contains(id(&run)) && reply.stderr.contains("error: "), "{reply:?}");
        // Where nothing was made there is only the error.
        host.json(["executions", "replay", NOBODY, id(&run), "--from", "greet", "--on-error", "fail"]).error();
    }
}

#[test]
fn replays_are_told_where_watching_them_fails() {
    let team = Team::new("author");
    let run = team.laptop.item(["run", &fixture("conformance:naps"), "--arg", "naps=1", "--arg", "milliseconds=1"]);
    let long = r#"{"naps":600,"milliseconds":100}"#;
    let words = ["executions", "replay", id(&run), id(&run), "--from", "naps_often", "--args", long, "--wait"];
    let watching = team.laptop.spawn(team.laptop.json_command(words));
    let made = until("both replays", || {
        let made = team.host.json(["executions", "list", "--original", id(&run), "--status", "running"]).items();
        (made.len() == 2).then_some(made)
    });
    let _ = team.host.item(["auth", "api-keys", "delete", "ada", "key"]);
    let reply = watching.finish();
    let (printed, error) = told(&reply);
    assert_eq!(error["type"], "KitaruAuthenticationError");
    let mut found = names(&printed["item"]["results"], "replay_exec_id");
    found.sort_unstable();
    let mut made: Vec<&str> = made.iter().map(id).collect();
    made.sort_unstable();
    assert_eq!(found, made, "{reply:?}");
    assert_eq!(printed["item"]["wait"], true);
}

#[test]
fn what_earlier_requests_have_done_is_told() {
    let team = Team::new("admin");
    let run = team.laptop.item(["run", &fixture("conformance:no_calls")]);
    let component = fixture("conformance");
    let with = |words: &[&str], most: usize| {
        let reply = team.laptop.json([words, &half(id(&run), most)].concat());
        let (printed, error) = told(&reply);
        assert!(error["message"].as_str().unwrap().contains(NOBODY), "{error}");
        assert_eq!(error["type"], "KitaruRuntimeError");
        printed
    };
    let verified = with(&["executions", "verify"], 200);
    assert_eq!((&verified["count"], &verified["items"][100]["exec_id"]), (&json!(101), &run["exec_id"]));
    let upgraded = with(&["executions", "upgrade", "--component", &component], 200);
    assert_eq!((&upgraded["count"], &upgraded["items"][0]["upgraded"]), (&json!(101), &json!(false)));
    let text = team.laptop.text([&["executions", "verify"], &half(id(&run), 200)[..]].concat());
    assert!(text.code == Some(1) && text.stderr.contains("error: "), "{text:?}");
    assert_eq!(text.stdout.matches(id(&run)).count(), 101, "{text:?}");
    let deleted = with(&["executions", "delete"], 1_000)["item"].clone();
    assert_eq!((&deleted["executions"], &deleted["deleted"]), (&json!([id(&run)]), &json!(false)));
    team.host.json(["executions", "get", id(&run)]).error();
}

#[test]
fn what_a_data_folder_that_is_broken_let_be_done_is_told() {
    let host = Host::warm();
    let execution = || host.flow("no_calls", &json!({}), &[]);
    let (whole, broken, gone) = (execution(), execution(), execution());
    let store = rusqlite::Connection::open(host.database()).unwrap();
    let key = id(&broken).replace('-', "").to_uppercase();
    assert_eq!(store.execute("UPDATE executions SET tags = '{' WHERE hex(exec_id) = ?1", [&key]).unwrap(), 1);
    let component = fixture("conformance");
    for words in [&["executions", "verify"][..], &["executions", "upgrade", "--component", &component]] {
        let reply = host.json([words, &[id(&whole), id(&broken), id(&gone)]].concat());
        let (printed, error) = told(&reply);
        assert_eq!((&printed["count"], &printed["items"][0]["exec_id"]), (&json!(1), &whole["exec_id"]), "{reply:?}");
        assert_eq!(error["type"], "KitaruBackendError", "{reply:?}");
    }

    // What is not needed any more cannot be removed.
    let lock = host.home().join("sweep.lock");
    let _ = std::fs::remove_file(&lock);
    std::fs::create_dir(&lock).unwrap();
    let reply = host.json(["executions", "delete", id(&gone), NOBODY]);
    reply.refused("KitaruRuntimeError", &[NOBODY]);
    let reply = host.json(["executions", "delete", id(&gone)]);
    let (printed, error) = told(&reply);
    let item = &printed["item"];
    assert_eq!((&item["executions"], &item["deleted"]), (&json!([id(&gone)]), &json!(true)), "{reply:?}");
    assert!(error["type"] == "KitaruBackendError" && error["message"].as_str().unwrap().contains("sweep.lock"), "{reply:?}");
    host.json(["executions", "get", id(&gone)]).error();
}
