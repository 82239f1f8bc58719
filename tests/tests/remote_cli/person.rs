//! A person at a terminal, whose flows run elsewhere.

use kitaru_tests::{example, names};
use serde_json::json;

use super::laptop::Team;

#[path = "../prompts/terminal.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod terminal;

use terminal::{CTRL_C, Terminal};

/// How every question ends.
const PROMPT: &str = "leave it open > ";

#[test]
fn questions_of_a_flow_that_runs_elsewhere_are_asked_at_the_terminal() {
    let team = Team::new("author");
    let mut terminal = Terminal::start(&team.laptop.command(["run", &example("release-approval"), "--arg", "topic=v1.0"]));
    let first = terminal.see(PROMPT);
    assert!(first.contains("Publish this draft?") && first.contains(r#"{"draft":"Draft about v1.0."}"#), "{first}");
    terminal.enter("maybe");
    assert!(terminal.see(PROMPT).contains("that is not JSON"));
    terminal.enter("y");
    let second = terminal.see(PROMPT);
    assert!(second.contains("Which version is it"), "{second}");
    terminal.enter(r#"{"notes":"Bug fixes","major_version":2}"#);
    let end = terminal.end();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.text.contains(r#""PUBLISHED v2: Draft about v1.0.\nNotes: Bug fixes""#), "{end:?}");
    let done = team.host.item(["executions", "latest"]);
    assert_eq!((&done["status"], names(&done["waits"], "status")), (&json!("completed"), vec!["answered"; 2]));
}

#[test]
fn who_stops_watching_does_not_stop_the_flow() {
    let team = Team::new("author");
    let mut terminal = Terminal::start(&team.laptop.command(["run", &example("release-approval"), "--arg", "topic=v1.0"]));
    let _ = terminal.see(PROMPT);
    terminal.press(CTRL_C);
    let end = terminal.end();
    assert!(end.code == Some(1) && end.text.contains("goes on at") && end.text.contains("--follow"), "{end:?}");
    assert_eq!(team.host.item(["executions", "latest"])["status"], "waiting");
}

#[test]
fn a_key_that_is_typed_is_not_shown() {
    let team = Team::new("viewer");
    let _ = team.laptop.item(["logout"]);
    let mut terminal = Terminal::start(&team.laptop.command(["login", &team.url()]));
    let asked = terminal.see("not shown) > ");
    assert!(asked.contains("API key for"), "{asked}");
    terminal.enter(&team.key);
    let end = terminal.end();
    assert!(end.code == Some(0) && end.text.contains("as ada (viewer)"), "{end:?}");
    assert!(!end.raw.contains(&team.key), "{end:?}");
}
