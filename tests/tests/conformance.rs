//! Cases of the conformance list that no other file is about, and that the list in `docs/conformance.md` is true.

use kitaru_tests::{Host, Traces, checkpoint, fixture, id, names, repository};
use serde_json::{Value, json};

fn source(host: &Host) -> Value {
    host.item(["run", &kitaru_tests::example("content-pipeline"), "--arg", "topic=kitaru"])
}

#[test]
fn c3_submitting_from_a_checkpoint_is_a_context_failure() {
    let host = Host::new();
    let done = host.flow("misplaced_submit", &json!({}), &[]);
    assert_eq!(done["result"]["kind"], "context");
    assert!(done["result"]["message"].as_str().unwrap().contains("call the checkpoint from the flow body"), "{done:#}");
}

#[test]
fn c18_other_code_is_a_cache_miss() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "value": 7 }).to_string();
    let mut bytes = std::fs::read(fixture("conformance")).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let other = host.file("other.wasm", &bytes);
    for component in [fixture("conformance"), other] {
        let _ = host.item(["run", &format!("{component}:caches"), "--input", &input, &host.writable()]);
    }
    assert_eq!(traces.steps(), [7, 7]);
}

#[test]
fn f11_a_retry_keeps_the_configuration_of_its_start() {
    let host = Host::new();
    let config = host.file("kitaru.toml", "[limits]\ncalls = 77\n");
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    assert_eq!(host.get(&failed)["frozen_execution_spec"]["limits"]["calls"], 77);
    std::fs::write(config, "[limits]\ncalls = 1\n").unwrap();
    let reply = host.json(["executions", "retry", &failed]);
    assert_eq!(reply.error()["failure_kind"], "error", "one call more than the new limit{reply:?}");
    assert_eq!(host.get(&failed)["frozen_execution_spec"]["limits"]["calls"], 77);
}

#[test]
fn w10_two_open_waits_of_one_name_are_told_apart_by_id() {
    let host = Host::new();
    let asked = host.flow("same_name_twice", &json!({}), &[]);
    let open = host.json(["executions", "pending-waits", id(&asked)]).items();
    assert_eq!(open.len(), 2);
    // Ours have names of their own, so none is ambiguous; the name alone means the first.
    assert_eq!(names(&Value::Array(open.clone()), "name"), ["go", "go_2"]);
    let _ = host.item(["executions", "input", id(&asked), "--wait", open[1]["wait_id"].as_str().unwrap(), "--value", "2"]);
    let done = host.item(["executions", "input", id(&asked), "--wait", "go", "--value", "1"]);
    assert_eq!(done["result"], json!([1, 2]));
}

#[test]
fn r10_what_ran_beside_an_overridden_call_is_served() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "quick": 10, "slow": 400 }).to_string();
    let done = host.item(["run", &fixture("conformance:race"), "--input", &input, &host.writable()]);
    let before = traces.steps().len();
    let replay = host.item(["executions", "replay", id(&done), "--invocation-overrides", r#"{"slow_tick":{"output":9}}"#]);
    assert_eq!(replay["result"]["first"], 9);
    assert_eq!(checkpoint(&replay, "slow_tick_2")["provenance"], "served", "{replay:#}");
    assert!(traces.steps().len() <= before + 1, "at most the step after them ran again");
}

#[test]
fn r11_from_the_anchor_on_everything_runs_again() {
    let host = Host::new();
    let run = source(&host);
    let replay = host.item(["executions", "replay", id(&run), "--from", "write_draft"]);
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["served", "ran", "ran"]);
}

#[test]
fn r17_r18_overrides_by_checkpoint_and_by_invocation() {
    let host = Host::new();
    let thrice = host.flow("thrice", &json!({}), &[]);
    let families = r#"{"echo":{"output":0}}"#;
    let all = host.item(["executions", "replay", id(&thrice), "--checkpoint-overrides", families]);
    assert_eq!(all["result"], json!([0, 0, 0]));
    let exact = r#"{"echo_2":{"output":5}}"#;
    let won =
        host.item(["executions", "replay", id(&thrice), "--checkpoint-overrides", families, "--invocation-overrides", exact]);
    assert_eq!(won["result"], json!([0, 5, 0]));
}

#[test]
fn r19_r20_bad_override_entries_are_refused_with_their_reason() {
    let host = Host::new();
    let thrice = host.flow("thrice", &json!({}), &[]);
    for (entry, part) in [
        (r#"{"echo":1}"#, "must be an object with one or more of: input, output, model, code."),
        (
            r#"{"echo":{"outptu":1}}"#,
            "Unknown replay override field(s) for 'echo': outptu. Allowed fields: code, input, model, output.",
        ),
        (r#"{"echo":{"input":{},"output":1}}"#, "cannot include both input and output."),
        (r#"{"echo":{"model":"m"}}"#, "is not an LLM checkpoint and cannot honor a model swap."),
        (r#"{"echo":{"code":"m"}}"#, "cannot honor a code swap"),
        (r#"{"nope":{"output":1}}"#, "Unknown checkpoint override target 'nope'. Available checkpoints: echo."),
    ] {
        let reply = host.json(["executions", "replay", id(&thrice), "--checkpoint-overrides", entry]);
        assert!(reply.error()["message"].as_str().unwrap().contains(part), "{entry}{reply:?}");
    }
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "nothing was created");
}

#[test]
fn r21_a_skipped_call_is_served_in_the_live_part() {
    let host = Host::new();
    let run = source(&host);
    let replay = host.item(["executions", "replay", id(&run), "--override", "checkpoint.research=other", "--skip", "publish"]);
    assert_eq!(replay["result"], run["result"], "what was published stays published");
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["overridden", "ran", "served"]);
    assert_eq!(checkpoint(&replay, "publish")["other_input"], true);
    let both =
        ["executions", "replay", id(&run), "--from", "research", "--override", "checkpoint.publish=1", "--skip", "publish"];
    host.json(both).refused("KitaruUsageError", &["Cannot skip and override the same replay target"]);
}

#[test]
fn r22_an_input_given_before_the_anchor_makes_its_call_run_live() {
    let host = Host::new();
    let run = source(&host);
    let given = r#"{"write_draft":{"input":{"notes":"given"}}}"#;
    let replay = host.item(["executions", "replay", id(&run), "--from", "publish", "--checkpoint-overrides", given]);
    assert_eq!(replay["result"], "PUBLISHED: Draft from given");
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["served", "ran", "ran"]);
}

#[test]
fn r23_r24_a_batch_reports_what_became_of_each_source() {
    let host = Host::new();
    let (one, two) = (source(&host), source(&host));
    let other = host.flow("thrice", &json!({}), &[]);
    let words = ["executions", "replay", id(&one), id(&other), id(&two), "--from", "write_draft", "--wait", "--tag", "night"];
    let submission = host.item(words);
    assert_eq!(names(&submission["results"], "original_exec_id"), [id(&one), id(&two)]);
    assert_eq!(names(&submission["results"], "status"), ["completed"; 2]);
    assert_eq!(submission["skipped"][0]["original_exec_id"], other["exec_id"]);
    assert_eq!(submission["summary"], json!({ "submitted": 2, "completed": 2, "failed": 0, "skipped": 1 }));
    assert_eq!(
        (&submission["tag"], &submission["at"], &submission["wait"]),
        (&json!("night"), &json!("write_draft"), &json!(true))
    );
    assert!(submission["submission_id"].as_str().unwrap().starts_with("rs-"), "{submission:#}");
    assert_eq!(host.json(["executions", "list", "--tag", "night"]).items().len(), 2);
    let strict = ["executions", "replay", id(&one), id(&other), "--from", "write_draft", "--wait", "--on-error", "fail"];
    let refused = host.json(strict);
    let error: Value = serde_json::from_str(refused.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((refused.code, &error["error"]["type"]), (Some(1), &json!("KitaruStateError")), "{refused:?}");
    assert!(error["error"]["message"].as_str().unwrap().contains("Unknown checkpoint selector"), "{refused:?}");
    // The replay before it is there, and told.
    assert_eq!(names(&refused.envelope()["item"]["results"], "original_exec_id"), [id(&one)]);
    // From a file, in the background.
    let file = host.file("ids.json", json!({ "exec_ids": [id(&one), "nonsense"] }).to_string());
    let reply = host.json(["executions", "replay", "--ids-file", &file, "--override", "checkpoint.research=x"]);
    assert_eq!(reply.code, Some(1), "one failed{reply:?}");
    let submission = reply.envelope()["item"].clone();
    assert_eq!(submission["failures"][0]["original_exec_ref"], "nonsense");
    assert_eq!(submission["plan"]["matched_targets"], json!({ "checkpoint:research": ["research"] }));
    let replay = submission["results"][0]["replay_exec_id"].as_str().unwrap().to_owned();
    kitaru_tests::until("the replay's end", || (host.get(&replay)["status"] == "completed").then_some(()));
}

/// The sources of all tests.
fn sources() -> String {
    sources_where(|_| true)
}

/// The sources of the tests whose path is so.
fn sources_where(is_wanted: impl Fn(&str) -> bool) -> String {
    let mut sources = String::new();
    let mut folders = ["tests/tests", "host/src", "guest-sdk", "llm"].map(|folder| repository().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && is_wanted(&path.strip_prefix(repository()).unwrap().to_string_lossy())
            {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// Checks that a row of a page names tests, and only such as there are.
#[track_caller]
fn are_there(sources: &str, row: &str, tests: &str) {
    for name in tests.split(", ").filter_map(|name| name.strip_prefix('`')) {
        let name = name.trim_end_matches('`');
        assert!(sources.contains(&format!("fn {name}(")), "{row} names the test `{name}`, which does not exist");
    }
}

/// Every case is on the page, with a test that has its name, or with the reason why there is none.
#[test]
fn the_conformance_page_is_true() {
    let page = std::fs::read_to_string(repository().join("docs/conformance.md")).unwrap();
    let sources = sources();
    let mut cases = 0;
    for row in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [case, _, test] = cells.as_slice() else { continue };
        let test = test.trim_end_matches(" |").trim();
        if !case.starts_with(|c: char| c.is_ascii_uppercase()) || !case.ends_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        cases += 1;
        are_there(&sources, case, test);
        assert!(test.starts_with('`') || test.len() > 3, "{case} has neither a test nor a reason");
    }
    assert!(cases >= 100, "{cases} cases");
}

/// Every feature of the systems that stood model is built, and a test shows it, or refused, with the reason.
#[test]
fn the_page_of_model_features_is_true() {
    let page = std::fs::read_to_string(repository().join("docs/contributing/model-features.md")).unwrap();
    let sources = sources();
    let (mut built, mut refused) = (0, 0);
    for row in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let (what, state, told, tests) = match cells.as_slice() {
            [number, feature, state, here, tests] if number.parse::<u32>().is_ok() => (*feature, *state, *here, Some(*tests)),
            // What is told apart from the tables has no number.
            [what, state, here] if *state != "---" && !state.is_empty() => (*what, *state, *here, None),
            _ => continue,
        };
        assert!(!told.is_empty() && !told.contains("may come"), "`{what}` says neither how nor why");
        are_there(&sources, what, tests.unwrap_or_default());
        match state {
            "built" | "built otherwise" => {
                assert!(tests.is_none_or(|tests| tests.starts_with('`')), "no test shows `{what}`");
                built += 1;
            }
            "refused" | "refused in part" => refused += 1,
            other => panic!("`{what}` is neither built nor refused: {other}"),
        }
    }
    assert!(built >= 60 && refused >= 15, "{built} built, {refused} refused");
}

/// The cases that model calls are held to (L1 to L23, A1 to A12) have tests with their names.
#[test]
fn each_case_of_model_calls_has_a_test_of_its_name() {
    // Cases of artifacts have names like those of A1 to A12.
    let sources = sources_where(|path| path.starts_with("llm") || ["model", "flows.rs"].iter().any(|part| path.contains(part)));
    let names: Vec<&str> = sources
        .match_indices("fn ")
        .filter_map(|(at, _)| sources.get(at + 3..)?.split('(').next())
        .filter(|name| name.len() < 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let cases = (1..=23).map(|number| format!("l{number}")).chain((1..=12).map(|number| format!("a{number}")));
    for case in cases {
        let is_named = |name: &&str| name.split('_').take_while(|part| is_case(part)).any(|part| part == case);
        assert!(names.iter().any(is_named) || is_between(&names, &case), "no test is named after {case}");
    }
}

/// Whether a part of a test's name is a case: letter and number.
fn is_case(part: &str) -> bool {
    part == "to" || part.strip_prefix(|c: char| c.is_ascii_lowercase()).is_some_and(|rest| rest.parse::<u32>().is_ok())
}

/// Whether a test's name has a range of cases in which this one is: `l16_to_l18_…`.
fn is_between(names: &[&str], case: &str) -> bool {
    let number = |text: &str| text.get(1..).and_then(|number| number.parse::<u32>().ok());
    names.iter().any(|name| {
        let parts: Vec<&str> = name.split('_').take(3).collect();
        let [first, "to", last] = parts[..] else { return false };
        let same = [first, last].iter().all(|part| part.get(..1) == case.get(..1));
        same && number(first) <= number(case) && number(case) <= number(last)
    })
}
