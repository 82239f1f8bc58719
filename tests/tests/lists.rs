//! Lists say what executions come to without reading their journals: every record is read once, however often somebody looks.

use kitaru_tests::{Host, Traces, fixture, id, until};
use serde_json::{Value, json};

/// What a list says of an execution that only its records tell.
const TOLD: [&str; 4] = ["checkpoint_count", "artifact_count", "cost_usd", "total_tokens"];

fn told(execution: &Value) -> Value {
    assert!(TOLD.iter().all(|key| execution.get(key).is_some()), "{execution:#}");
    TOLD.iter().map(|key| (key.to_string(), execution[key].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn listed(host: &Host) -> Vec<Value> {
    host.json(["executions", "list"]).items()
}

/// Makes the records of journals that fit unreadable: who reads one of them says so, or counts nothing of it.
fn garble(host: &Host, which: &str) -> usize {
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.execute(&format!("UPDATE journal SET bytes = x'01ff00ff' WHERE {which}"), []).unwrap()
}

#[test]
fn a_list_says_what_each_execution_says_and_reads_no_journal_again() {
    let host = Host::new();
    host.flow("sequence", &json!({ "steps": 20 }), &[]);
    host.flow("save_many", &json!({ "calls": 2, "count": 3, "bytes": 10 }), &[]);
    for _ in 0..2 {
        // The second time it is served, with what it has.
        host.flow("caches", &json!({ "path": Traces::guest_path(), "value": 1 }), &[&host.writable()]);
    }
    let failed = host.try_flow("uncaught", &json!({ "message": "no" }), &[]).failed_execution();
    let reopened = host.try_flow("uncaught", &json!({ "message": "never" }), &[]).failed_execution();
    let _ = host.json(["executions", "retry", &reopened]).failed_execution();
    host.flow("wait_bool", &json!({}), &[]);

    let expected: Vec<Value> = listed(&host).iter().map(|summary| told(&host.get(id(summary)))).collect();
    assert_eq!(expected.len(), 7);
    assert_eq!((&expected[6]["checkpoint_count"], &expected[5]["artifact_count"]), (&json!(20), &json!(8)), "{expected:#?}");
    assert_eq!(listed(&host).iter().map(told).collect::<Vec<_>>(), expected);
    // Also of the one that waits: until it goes on, nothing comes to what it has.
    assert!(garble(&host, "1") > 20);
    host.json(["executions", "get", &failed]).refused("KitaruRuntimeError", &["journal entry 0"]);
    assert_eq!(listed(&host).iter().map(told).collect::<Vec<_>>(), expected, "no record was looked at");
    // Without what was kept, all are counted anew: that is what the journals were damaged for.
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.execute("DELETE FROM briefs", []).unwrap();
    let counts: Vec<Value> = listed(&host).iter().map(|summary| summary["checkpoint_count"].clone()).collect();
    assert_eq!(counts, vec![json!(0); 7], "a damaged journal hides nobody (E13)");
}

/// A replay and a cached call show what other executions saved, as long as these are there; a replay of a replay, what the first one saved.
#[test]
fn a_list_counts_no_artifacts_that_went_with_another_execution() {
    let host = Host::new();
    let saving = |flags: &[&str]| host.flow("save_many", &json!({ "calls": 2, "count": 3, "bytes": 10 }), flags);
    let replayed = |source: &str| host.item(["executions", "replay", source, "--from", "saves_many_2"]);
    let source = saving(&[]);
    let replay = replayed(id(&source));
    let again = replayed(id(&replay));
    let filled = saving(&["--cache"]);
    let cached = saving(&["--cache"]);
    let all = [&cached, &filled, &again, &replay, &source].map(id);
    let counts = |listed: Vec<Value>| -> Vec<(String, u64)> {
        listed.iter().map(|summary| (id(summary).to_owned(), summary["artifact_count"].as_u64().unwrap())).collect()
    };
    let counted = |numbers: &[(&str, u64)]| {
        let expected: Vec<_> = numbers.iter().map(|(id, number)| ((*id).to_owned(), *number)).collect();
        assert_eq!(counts(listed(&host)), expected);
        assert_eq!(counts(expected.iter().map(|(id, _)| host.get(id)).collect()), expected, "as each says by itself");
    };
    // Two outputs, and three artifacts of each call.
    counted(&all.map(|id| (id, 8)));
    let file = host.path("source.tar");
    let _ = host.item(["executions", "export", id(&source), "--to", &file]);
    for gone in [&source, &filled] {
        let _ = host.item(["executions", "delete", id(gone)]);
    }
    // Of the first calls of the replays only the outputs are left, and of the cached ones.
    counted(&[(id(&cached), 2), (id(&again), 5), (id(&replay), 5)]);
    let late = replayed(id(&again));
    counted(&[(id(&late), 5), (id(&cached), 2), (id(&again), 5), (id(&replay), 5)]);
    // It is back, with what it saved; also for the one that was counted without it.
    let _ = host.item(["executions", "import", &file]);
    counted(&[(id(&source), 8), (id(&late), 8), (id(&cached), 2), (id(&again), 8), (id(&replay), 8)]);
    // All that takes no journal, but for those of executions that were counted while somebody was gone.
    let expected = counts(listed(&host));
    assert!(garble(&host, "1") > 10);
    assert_eq!(counts(listed(&host)), expected, "no record was looked at");
}

/// A replay shows what it was served, whatever becomes of the call that failed there.
#[test]
fn a_retry_of_its_source_leaves_a_replay_what_it_was_served() {
    let host = Host::new();
    // Each attempt saves its number, and fails; there are two, and with each retry two more.
    let source = host.try_flow("save_then_fail", &json!({}), &[]).failed_execution();
    let skipping = ["executions", "replay", &source, "--from", "saves_then_fails", "--skip", "saves_then_fails"];
    let replay = host.json(skipping).failed_execution();
    let saved = |exec: &str| {
        let saved = host.json(["artifacts", "list", exec]).items();
        assert_eq!(saved.len(), 1, "{saved:#?}");
        saved[0].clone()
    };
    let before = saved(&replay);
    assert_eq!(before, saved(&source));
    for _ in 0..2 {
        let _ = host.json(["executions", "retry", &source]).failed_execution();
    }
    assert_ne!(saved(&source)["metadata"]["created_at"], before["metadata"]["created_at"]);
    assert_eq!(saved(&replay), before);
    let listed = listed(&host);
    assert!(listed.iter().all(|summary| summary["artifact_count"] == 1), "{listed:#?}");
}

#[test]
fn a_list_reads_of_a_running_execution_what_came_since() {
    const STEPS: u64 = 60;
    const FIRST: u64 = 40;
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": STEPS, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    traces.open(1..=FIRST);
    until("the next body", || (traces.steps().len() as u64 > FIRST).then_some(()));
    assert_eq!(listed(&host)[0]["checkpoint_count"], FIRST + 1);
    let kept = || {
        let store = rusqlite::Connection::open(host.database()).unwrap();
        store.query_row("SELECT records FROM briefs", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    let counted = kept();
    assert!(u64::from(counted) > FIRST, "{counted}");
    traces.open(FIRST + 1..=STEPS);
    let done = running.finish().item();
    let expected = told(&host.get(id(&done)));
    assert_eq!(expected["checkpoint_count"], STEPS);
    assert_eq!(garble(&host, &format!("seq < {counted}")) as u64, u64::from(counted));
    assert_eq!(told(&listed(&host)[0]), expected);
    assert!(kept() > counted, "and that is kept");
}

#[test]
fn a_journal_is_read_in_parts() {
    let host = Host::new();
    let done = host.flow("sequence", &json!({ "steps": 7 }), &[]);
    let whole = host.journal(id(&done));
    assert_eq!(whole.len(), 7);
    let (mut parts, mut after, mut sizes) = (Vec::new(), None::<u64>, Vec::new());
    loop {
        let mut words = vec!["executions".to_owned(), "journal".into(), id(&done).into(), "--limit".into(), "3".into()];
        words.extend(after.iter().flat_map(|after| ["--after".to_owned(), after.to_string()]));
        let page = host.json(words).envelope();
        sizes.push(page["count"].as_u64().unwrap());
        parts.extend(page["items"].as_array().unwrap().clone());
        after = page["next_cursor"].as_u64();
        if after.is_none() {
            break;
        }
    }
    assert_eq!((sizes, parts), (vec![3, 3, 1], whole));
    let beyond = host.json(["executions", "journal", id(&done), "--after", "6"]).envelope();
    assert_eq!((&beyond["count"], &beyond["next_cursor"]), (&json!(0), &Value::Null));
    host.json(["executions", "journal", id(&done), "--limit", "0"]).refused("KitaruUsageError", &["--limit"]);
}

#[test]
fn executions_are_searched_by_words() {
    let host = Host::new();
    let done = host.flow("no_calls", &json!({}), &["--tag", "Nightly"]);
    let failed = host.try_flow("uncaught", &json!({ "message": "the moon is away" }), &[]).failed_execution();
    let asks = host.flow("wait_bool", &json!({}), &[]);
    let question = host.get(id(&asks))["pending_wait"]["question"].as_str().unwrap_or_default().to_owned();
    let found = |words: &str| {
        let page = host.json(["executions", "list", "--search", words]).envelope();
        let ids: Vec<String> = page["items"].as_array().unwrap().iter().map(|item| id(item).to_owned()).collect();
        assert_eq!((&page["total"], &page["next_cursor"]), (&json!(3), &Value::Null), "all were looked through: {words}");
        ids
    };
    assert_eq!(found("NIGHTLY no_calls"), [id(&done)]);
    assert_eq!(found("moon away"), [failed.as_str()]);
    assert_eq!(found("waiting"), [id(&asks)]);
    assert_eq!(found(id(&done)), [id(&done)]);
    assert_eq!(found("moon nightly"), Vec::<String>::new());
    assert!(question.is_empty() || found(&question) == [id(&asks)], "{question}");
    // What chooses, counts or deletes looks through all executions, and not through some.
    for verb in ["latest", "statistics", "delete"] {
        let reply = host.json(["executions", verb, "--search", "nightly"]);
        assert!(reply.code == Some(1) && reply.stderr.contains("unexpected argument '--search'"), "{verb}{reply:?}");
    }
    // A page that is full has looked no further than its last.
    let page = host.json(["executions", "list", "--search", "l", "--limit", "1"]).envelope();
    assert_eq!((&page["count"], &page["total"]), (&json!(1), &json!(1)));
    assert!(page["next_cursor"].is_u64(), "{page}");
    host.json(["executions", "list", "--search", &"x".repeat(501)]).refused("KitaruUsageError", &["500"]);
}
