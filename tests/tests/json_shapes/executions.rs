//! What the commands about executions answer.

use kitaru_tests::{Host, Reply, example, fixture, id};
use serde_json::json;

use super::golden::{answer, check};

/// An execution that waits for `approve_release`, after a checkpoint.
fn waiting(host: &Host) -> String {
    id(&host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"])).to_owned()
}

fn failed(host: &Host) -> String {
    host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution()
}

#[test]
fn looking_at_executions_keeps_its_shapes() {
    let host = Host::new();
    let completed = host.item(["run", &example("hello"), "--arg", "name=World"]);
    let (waiting, failed) = (waiting(&host), failed(&host));
    let parent = host.flow("parent", &json!({ "path": "out/traces" }), &[&host.writable()]);
    let executions = |verb: &str, rest: &[&str]| answer(&host.json([&["executions", verb], rest].concat()));
    check(
        "executions.list",
        &[
            ("several", executions("list", &[])),
            ("page", executions("list", &["--size", "1"])),
            ("children", executions("list", &["--parent", id(&parent)])),
            ("none", executions("list", &["--flow", "nobody"])),
            ("unknown status", executions("list", &["--status", "sleeping"])),
        ],
    );
    check(
        "executions.get",
        &[
            ("completed", executions("get", &[id(&completed)])),
            ("waiting", executions("get", &[&waiting])),
            ("failed", executions("get", &[&failed])),
            ("unknown", executions("get", &["nonsense"])),
        ],
    );
    check(
        "executions.latest",
        &[("found", executions("latest", &["--flow", "hello"])), ("none", executions("latest", &["--flow", "nobody"]))],
    );
    let needy = host.json(["run", &fixture("needy:look"), "--arg", "name=NEEDY_LANG"]).failed_execution();
    check(
        "executions.access",
        &[
            ("denied", executions("access", &[&needy])),
            ("none", executions("access", &[id(&completed)])),
            ("unknown", executions("access", &["nonsense"])),
        ],
    );
    let timed = host.flow("wait_within", &json!({ "milliseconds": 60_000 }), &[]);
    check(
        "executions.journal",
        &[
            ("completed", executions("journal", &[id(&completed)])),
            ("waiting", executions("journal", &[&waiting])),
            ("failed", executions("journal", &[&failed])),
            ("parent", executions("journal", &[id(&parent)])),
            ("timed", executions("journal", &[id(&timed)])),
        ],
    );
    check(
        "executions.pending-waits",
        &[
            ("open", executions("pending-waits", &[&waiting])),
            ("timed", executions("pending-waits", &[id(&timed)])),
            ("none", executions("pending-waits", &[&failed])),
        ],
    );
}

#[test]
fn grants_for_good_keep_their_shapes() {
    let host = Host::new();
    let grants = |words: &[&str]| answer(&host.json([&["grants"], words].concat()));
    let none = grants(&["list"]);
    let digest = "ab".repeat(32);
    let entry =
        format!("[components.{digest}]\nflows = [\"f\"]\nat = \"2026-11-22T10:00:00Z\"\ngrants = {{ env = [\"LANG\"] }}\n");
    std::fs::write(host.home().join("grants.toml"), entry).unwrap();
    check("grants.list", &[("none", none), ("some", grants(&["list"]))]);
    check("grants.forget", &[("unknown", grants(&["forget", "cd"])), ("forgotten", grants(&["forget", "abab"]))]);
}

#[test]
fn logs_keep_their_shapes() {
    let host = Host::new();
    let lines = host.flow("log_lines", &json!({}), &[]);
    let quiet = host.flow("no_calls", &json!({}), &[]);
    let broken = host.try_flow("flow_panic", &json!({ "message": "over" }), &[]).failed_execution();
    let asked = host.flow("log_wait", &json!({}), &[]);
    let mut follower = host.spawn(host.json_command(["executions", "logs", id(&asked), "--follow"]));
    let _ = follower.read_until(|line| line["event"] == "waiting");
    let _ = host.item(["executions", "input", id(&asked), "--value", "true"]);
    check(
        "executions.logs",
        &[
            ("lines", answer(&host.json(["executions", "logs", id(&lines)]))),
            ("checkpoints", answer(&host.json(["executions", "logs", id(&lines), "--source", "step"]))),
            ("none", answer(&host.json(["executions", "logs", id(&quiet)]))),
            ("followed to a failure", answer(&host.json(["executions", "logs", &broken, "--follow"]))),
            ("followed over a wait", answer(&follower.finish())),
        ],
    );
}

#[test]
fn acting_on_executions_keeps_its_shapes() {
    let host = Host::new();
    let exec = waiting(&host);
    let resume = |exec: &str| answer(&host.json(["executions", "resume", exec]));
    let input = |value: &str| answer(&host.json(["executions", "input", &exec, "--value", value]));
    let refused = resume(&exec);
    check(
        "executions.input",
        &[
            ("no value", answer(&host.json(["executions", "input", &exec]))),
            ("no JSON", input("{")),
            ("misfit", input("1")),
            ("asked again", input("true")),
            ("completed", input(r#"{"notes":"n","major_version":2}"#)),
            ("nothing open", input("true")),
        ],
    );
    let left = waiting(&host);
    let mut dying = host.json_command(["executions", "input", &left, "--value", "false"]);
    dying.env("KITARU_FAULT_KILL_BEFORE", "1");
    let killed = Reply::from(dying);
    assert_eq!(killed.code, None, "the fault point killed it{killed:?}");
    check("executions.resume", &[("completed", resume(&left)), ("waiting", refused)]);
    for (verb, first, second) in [("abort-wait", "failed", "nothing open"), ("cancel", "cancelled", "ended")] {
        let exec = waiting(&host);
        let act = || answer(&host.json(["executions", verb, &exec]));
        check(&format!("executions.{verb}"), &[(first, act()), (second, act())]);
    }
}

#[test]
fn links_that_answer_and_what_an_input_has_to_be_keep_their_shapes() {
    let host = Host::new();
    let exec = waiting(&host);
    let link = |rest: &[&str]| answer(&host.json([&["executions", "waits", "link", &exec], rest].concat()));
    check(
        "executions.waits.link",
        &[
            ("made", link(&["--at", "https://flows.example.com"])),
            ("no such question", link(&["--wait", "nobody_asked"])),
            ("too long", link(&["--seconds", "9999999"])),
        ],
    );
    check("executions.schema", &[("of a flow", answer(&host.json(["executions", "schema", &exec])))]);
}

#[test]
fn retries_and_replays_keep_their_shapes() {
    let host = Host::new();
    let broken = host.json(["run", &fixture("versioned-v1:pipeline"), "--arg", "topic=broken"]).failed_execution();
    let fixed = fixture("versioned-fixed");
    check(
        "executions.retry",
        &[
            ("failed", answer(&host.json(["executions", "retry", &broken]))),
            ("completed", answer(&host.json(["executions", "retry", &broken, "--component", &fixed]))),
            ("refused", answer(&host.json(["executions", "retry", &broken]))),
        ],
    );
    let run = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    let one = host.json(["executions", "replay", id(&run), "--override", "checkpoint.research=other"]);
    let other = host.flow("thrice", &json!({}), &[]);
    // A source that is replayed, one that has no such checkpoint, one that is not there.
    let batch = ["executions", "replay", id(&run), id(&other), "nonsense", "--from", "research", "--wait", "--tag", "night"];
    let given = ["--checkpoint-overrides", r#"{"research":{"output":"x"}}"#];
    check(
        "executions.replay",
        &[
            ("one", answer(&one)),
            ("batch", answer(&host.json([&batch[..], &given].concat()))),
            ("unknown", answer(&host.json(["executions", "replay", id(&run), "--from", "draft"]))),
        ],
    );
    let replay = one.item();
    check(
        "executions.diff",
        &[
            ("replay", answer(&host.json(["executions", "diff", id(&run), id(&replay)]))),
            ("another flow", answer(&host.json(["executions", "diff", id(&run), id(&other)]))),
            ("no replays", answer(&host.json(["executions", "diff", id(&other)]))),
        ],
    );
    let three = host.json(["executions", "diff-matrix", id(&run), id(&replay), id(&other)]);
    check("executions.diff-matrix", &[("three", answer(&three))]);
    let cohort = host.json(["executions", "cohort", "--flow", run["flow_name"].as_str().unwrap()]);
    check("executions.cohort", &[("found", answer(&cohort)), ("no flow", answer(&host.json(["executions", "cohort"])))]);
}

#[test]
fn verifying_and_upgrading_keep_their_shapes() {
    let host = Host::new();
    let waiting = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    let renamed = fixture("versioned-renamed");
    check(
        "executions.verify",
        &[
            ("holds", answer(&host.json(["executions", "verify", id(&waiting)]))),
            ("diverges", answer(&host.json(["executions", "verify", id(&waiting), "--component", &renamed]))),
            ("unnamed", answer(&host.json(["executions", "verify"]))),
        ],
    );
    // The same code in another file: one more custom section.
    let mut bytes = std::fs::read(fixture("versioned-wait")).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let same = host.file("other.wasm", &bytes);
    check(
        "executions.upgrade",
        &[
            ("diverges", answer(&host.json(["executions", "upgrade", id(&waiting), "--component", &renamed]))),
            ("upgraded", answer(&host.json(["executions", "upgrade", "--waiting", "--component", &same]))),
        ],
    );
}

#[test]
fn counting_carrying_and_removing_keep_their_shapes() {
    let (host, there) = (Host::new(), Host::new());
    let saved = host.flow("save_kinds", &json!({ "blob_bytes": 3 }), &["--tag", "red"]);
    let _ = failed(&host);
    let grouped = ["executions", "statistics", "--group-by", "flow", "--group-by", "status"];
    check(
        "executions.statistics",
        &[("all", answer(&host.json(["executions", "statistics"]))), ("groups", answer(&host.json(grouped)))],
    );
    check("artifacts.list", &[("saved", answer(&host.json(["artifacts", "list", id(&saved)])))]);
    let artifact = |name: &str| {
        let all = saved["artifacts"].as_array().unwrap();
        let found = all.iter().find(|artifact| artifact["name"] == name).expect("an artifact of this name");
        answer(&host.json(["artifacts", "get", found["artifact_id"].as_str().unwrap()]))
    };
    let unknown = answer(&host.json(["artifacts", "get", "nonsense"]));
    check("artifacts.get", &[("json", artifact("my_prompt")), ("bytes", artifact("my_blob")), ("unknown", unknown)]);
    let file = host.path("export.tar");
    let export = |which: &str| answer(&host.json(["executions", "export", which, "--to", &file]));
    check("executions.export", &[("written", export(id(&saved))), ("unknown", export("nonsense"))]);
    let import = |file: &str| answer(&there.json(["executions", "import", file]));
    check("executions.import", &[("new", import(&file)), ("known", import(&file)), ("no export", import(&example("hello")))]);
    check(
        "executions.delete",
        &[
            ("deleted", answer(&host.json(["executions", "delete", id(&saved)]))),
            ("unnamed", answer(&host.json(["executions", "delete"]))),
        ],
    );
}
