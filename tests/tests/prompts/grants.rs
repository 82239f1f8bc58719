//! What a person is asked about needs that are not granted.

use kitaru_tests::{Host, fixture, id};
use serde_json::{Value, json};

use super::newest;
use super::terminal::{CTRL_D, ENTER, End, Terminal};

/// How the question ends.
const PROMPT: &str = "or nothing for no > ";

/// The flow that shows which variables its checkpoints see, at a terminal.
fn start(host: &Host, flags: &[&str]) -> Terminal {
    let mut command = host.command([&["run", &fixture("needy:see")], flags].concat());
    command.env("NEEDY_ZONE", "UTC");
    Terminal::start(&command)
}

fn answered(host: &Host, answer: &str) -> End {
    let mut terminal = start(host, &[]);
    let _ = terminal.see(PROMPT);
    terminal.press(answer);
    terminal.end()
}

fn result(host: &Host) -> Value {
    newest(host)["result"].clone()
}

#[test]
fn needs_that_are_not_granted_are_asked_for() {
    let host = Host::new();
    std::fs::create_dir(host.path("out")).unwrap();
    let mut terminal = start(&host, &[]);
    let asked = terminal.see(PROMPT);
    for part in
        ["declares what it was not granted", "the component", "`variable`", "NEEDY_LANG", "docs/open is not there", "127.0.0.1:9"]
    {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(asked.contains(&host.path("out")), "the folder of this machine: {asked}");
    terminal.enter("perhaps");
    assert!(terminal.see(PROMPT).contains('✗'));
    terminal.enter("once");
    let end = terminal.end();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(result(&host), json!([[], ["NEEDY_ZONE"]]));
    let grants = newest(&host)["frozen_execution_spec"]["grants"].clone();
    assert_eq!(grants["checkpoints"]["tries"]["write"], json!([format!("{}::out", host.path("out"))]));
    assert_eq!(grants["checkpoints"]["reads"], Value::Null, "a folder that is not there is left out");
    assert!(host.json(["grants", "list"]).items().is_empty(), "once is once");
}

#[test]
fn who_does_not_agree_grants_nothing() {
    let host = Host::new();
    for no in [ENTER, CTRL_D, "no\r"] {
        let end = answered(&host, no);
        assert_eq!(end.code, Some(0), "{end:?}");
        assert_eq!(result(&host), json!([[], []]), "{end:?}");
    }
    // Nor does whoever says yes to everything: then nobody is asked, and it is told.
    let end = start(&host, &["--yes"]).end();
    assert!(end.code == Some(0) && !end.screen.contains(PROMPT) && end.screen.contains("note: declared"), "{end:?}");
    assert_eq!(result(&host), json!([[], []]));
}

#[test]
fn always_is_remembered_for_this_component_until_it_is_taken_back() {
    let host = Host::new();
    let end = answered(&host, "always\r");
    assert!(end.code == Some(0) && end.text.contains("kitaru-host grants forget "), "{end:?}");
    assert_eq!(result(&host), json!([[], ["NEEDY_ZONE"]]));
    let digest = newest(&host)["component_digest"].as_str().unwrap().to_owned();
    let listed = host.json(["grants", "list"]).items();
    assert_eq!((listed.len(), &listed[0]["component_digest"]), (1, &json!(digest)));
    assert_eq!(listed[0]["grants"]["env"], json!(["NEEDY_ZONE"]));
    assert!(host.text(["grants", "list"]).ok().stdout.contains("env NEEDY_ZONE"));
    // Also where nobody can be asked. What was granted for good and is not there (the folders were left out) is still told.
    let quiet = host.item(["run", &fixture("needy:see")]);
    assert_eq!(quiet["frozen_execution_spec"]["grants"]["env"], json!(["NEEDY_ZONE"]));
    // Another component has nothing of it.
    let other = host.item(["run", &fixture("conformance:no_calls"), "--input", "{}"]);
    assert_eq!(other["frozen_execution_spec"]["grants"]["env"], json!([]));
    let gone = host.json(["grants", "forget", &digest[..10]]).items();
    assert_eq!(gone[0]["component_digest"], json!(digest));
    let after = host.item(["run", &fixture("needy:see")]);
    assert_eq!(after["frozen_execution_spec"]["grants"]["env"], json!([]));
    // What was created before keeps what it has.
    assert_eq!(host.get(id(&quiet))["frozen_execution_spec"]["grants"]["env"], json!(["NEEDY_ZONE"]));
}
