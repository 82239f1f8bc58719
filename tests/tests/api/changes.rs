//! Executions that are looked at again and again: what each look tells of changes comes to what a look at everything shows.

use kitaru_tests::{Traces, id};

use super::*;

/// Somebody who looks, and puts what they are told in the place of what they knew, as docs/api.md says.
struct Onlooker<'a> {
    asking: &'a Asking,
    path: String,
    cursor: Option<String>,
    execution: Value,
    journal: Vec<Value>,
}

impl<'a> Onlooker<'a> {
    fn of(asking: &'a Asking, execution: &str) -> Self {
        let path = format!("{API}/executions/{execution}");
        Self { asking, path, cursor: None, execution: Value::Null, journal: Vec::new() }
    }

    fn changes(&self, since: Option<&str>) -> Value {
        let since = since.map(|cursor| format!("?since={cursor}")).unwrap_or_default();
        self.asking.get(&format!("{}/changes{since}", self.path)).expect(200)
    }

    /// Looks; how many calls it was told of.
    fn look(&mut self) -> usize {
        let told = self.changes(self.cursor.as_deref());
        // Whoever knows of no record knows nothing, nor who was told before the host knew the component, because it had not run it.
        let code = |cursor: &str| cursor.rsplit_once('-').map(|(_, code)| code.to_owned());
        let is_of = |cursor: &str| code(cursor) == code(told["cursor"].as_str().unwrap());
        let knows_some = self.cursor.as_ref().is_some_and(|cursor| !cursor.starts_with("0-") && is_of(cursor));
        assert_eq!(told["is_whole"], !knows_some, "{told:#}");
        let (mut execution, news) = (told["execution"].clone(), told["journal"].as_array().unwrap().clone());
        if knows_some {
            let calls = execution["resources"]["calls"].as_u64().unwrap();
            let changed: Vec<u64> = news.iter().map(|call| call["index"].as_u64().unwrap()).collect();
            let stays = |index: u64| index < calls && !changed.contains(&index);
            self.journal.retain(|call| stays(call["index"].as_u64().unwrap()));
            let known = |list: &str, index: fn(&Value) -> u64, of: &mut Value| {
                let mut all = self.execution[list].as_array().unwrap().clone();
                all.retain(|one| stays(index(one)));
                all.extend(of[list].as_array().unwrap().clone());
                all.sort_by_key(index);
                of[list] = all.into();
            };
            known("checkpoints", |one| one["call_index"].as_u64().unwrap(), &mut execution);
            known("waits", |one| one["wait_id"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap(), &mut execution);
            let checkpoints = execution["checkpoints"].as_array().unwrap();
            let artifacts = checkpoints.iter().flat_map(|one| one["artifacts"].as_array().unwrap().clone());
            execution["artifacts"] = artifacts.collect();
            assert_eq!(execution["input"], Value::Null);
            execution["input"] = self.execution["input"].clone();
        }
        let count = news.len();
        if !knows_some {
            self.journal.clear();
        }
        self.journal.extend(news);
        self.journal.sort_by_key(|call| call["index"].as_u64().unwrap());
        (self.execution, self.cursor) = (execution, told["cursor"].as_str().map(str::to_owned));
        count
    }

    /// Looks until what it knows is everything that there is; of how many calls it was told at first.
    fn knows_all(&mut self, when: &str) -> usize {
        let count = self.look();
        // Whoever drives it may be about to let go of it.
        until(when, || {
            let journal = self.asking.get(&format!("{}/journal", self.path)).expect(200)["items"].clone();
            let execution = self.asking.get(&self.path).expect(200);
            let is_same = Value::from(self.journal.clone()) == journal && self.execution == execution;
            if !is_same {
                self.look();
            }
            is_same.then_some(())
        });
        count
    }
}

#[test]
fn what_changed_comes_to_everything_there_is() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "eyes", "author", &[]);
    let writes = host.writable();
    let blocker = host.file("blocker", "");
    let input = json!({ "path": Traces::guest_path(), "blocker": "out/blocker" });
    let failed = host.try_flow("count_blocked", &input, &[&writes]).failed_execution();
    let mut blocked = Onlooker::of(&author, &failed);
    assert_eq!(blocked.knows_all("it failed"), 2);
    assert_eq!(blocked.knows_all("nothing happened"), 0);
    std::fs::remove_file(blocker).unwrap();
    let _ = host.item(["executions", "retry", &failed]);
    assert_eq!(blocked.knows_all("the failed one ran again"), 2, "and one after it, and not the first");

    let asked = host.flow("count_waits", &json!({ "path": "", "waits": 3 }), &[]);
    let mut waiting = Onlooker::of(&author, id(&asked));
    assert_eq!(waiting.knows_all("it asks"), 2);
    assert_eq!(waiting.knows_all("it still asks"), 1, "an answer may come at any moment");
    for round in 1..=3 {
        let _ = host.item(["executions", "input", id(&asked), "--value", "true"]);
        assert!(waiting.knows_all(&format!("answer {round}")) <= 3);
    }
    assert_eq!(waiting.execution["status"], "completed");

    // Artifacts of a call that was served are those of the execution in which it ran.
    let source = host.flow("save_many", &json!({ "calls": 3, "count": 2, "bytes": 10 }), &[]);
    let replay = host.item(["executions", "replay", id(&source), "--from", "saves_many_3"]);
    for execution in [&source, &replay] {
        let mut saved = Onlooker::of(&author, id(execution));
        assert_eq!(saved.knows_all("artifacts"), 3);
        assert_eq!(saved.execution["artifact_count"], 9, "{:#}", saved.execution);
    }
}

#[test]
fn looks_while_bodies_run_and_after_what_cut_them_off() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let served = Served::start(&host);
    let author = served.account(&host, "eyes", "author", &[]);
    let input = json!({ "path": Traces::guest_path(), "steps": 4, "milliseconds": Traces::HELD }).to_string();
    let words = ["run", &fixture("conformance:fan_out"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    let execution = id(&host.json(["executions", "list"]).items()[0]).to_owned();
    let mut onlooker = Onlooker::of(&author, &execution);
    onlooker.look();
    traces.open([2]);
    until("the end of one of them", || {
        onlooker.look();
        onlooker.journal.iter().any(|call| call["status"] == "completed").then_some(())
    });
    let _ = author.post(&format!("{API}/executions/{execution}/cancel"), &json!({})).expect(200);
    until("the end", || {
        onlooker.look();
        (onlooker.execution["status"] == "cancelled").then_some(())
    });
    onlooker.knows_all("it was cancelled");
    assert!(onlooker.journal.iter().any(|call| call["status"] == "cancelled"), "{:#?}", onlooker.journal);
    drop(running);
}

/// A host whose machine died may have lost records that somebody was told of, and go on with others.
#[test]
fn whoever_knows_another_journal_is_told_everything() {
    let host = Host::warm();
    let done = host.flow("thrice", &json!({}), &[]);
    let served = Served::start(&host);
    let viewer = served.account(&host, "eyes", "viewer", &[]);
    let onlooker = Onlooker::of(&viewer, id(&done));
    let first = onlooker.changes(None);
    let cursor = first["cursor"].as_str().unwrap();
    let [records, link, code] = cursor.split('-').collect::<Vec<_>>()[..] else { panic!("{cursor}") };
    assert_eq!(onlooker.changes(Some(cursor))["journal"], json!([]));
    let longer = format!("{}-{link}-{code}", records.parse::<u64>().unwrap() + 1);
    let of_other_code = format!("{records}-{link}-00000000");
    for other in [format!("{records}-0123456789abcdef-{code}"), longer, format!("0-{link}-{code}"), of_other_code] {
        let told = onlooker.changes(Some(&other));
        assert_eq!((&told["is_whole"], &told["journal"]), (&json!(true), &first["journal"]), "{other}");
        assert_eq!(told["execution"]["input"], first["execution"]["input"], "{other}");
    }
    for wrong in ["", "7", "yesterday", "1-"] {
        let refused = viewer.get(&format!("{API}/executions/{}/changes?since={wrong}", id(&done))).expect(400);
        assert!(refused["detail"].as_str().unwrap().contains("`since`"), "{wrong}: {refused:#}");
    }
}
