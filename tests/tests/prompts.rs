//! What a person sees who runs flows at a terminal: questions, and what becomes of their answers (W2, W4, W7, W10, W12, W15, X7).

// Terminals are opened as Linux has them.
#![cfg(target_os = "linux")]

use std::fs::File;

use kitaru_tests::{Host, example, fixture, id, names, until};
use serde_json::{Value, json};

#[path = "prompts/grants.rs"]
mod grants;
#[path = "prompts/sweep.rs"]
mod sweep;
#[path = "prompts/terminal.rs"]
mod terminal;

use terminal::{CTRL_C, CTRL_D, ENTER, End, Terminal};

/// How every question ends.
const PROMPT: &str = "leave it open > ";

/// A flow of the fixture that is run at a terminal, up to its first question.
fn asked(host: &Host, flow: &str, arguments: &Value, flags: &[&str]) -> Terminal {
    let (target, input) = (fixture(&format!("conformance:{flow}")), arguments.to_string());
    let mut terminal = Terminal::start(&host.command([&["run", &target, "--input", &input], flags].concat()));
    let _ = terminal.see(PROMPT);
    terminal
}

fn newest(host: &Host) -> Value {
    host.item(["executions", "latest"])
}

/// The last command that a person is told to give, in words.
fn told(end: &End) -> Vec<String> {
    let (_, command) = end.text.rsplit_once("kitaru-host ").unwrap_or_else(|| panic!("no command is told: {end:?}"));
    command.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn w2_run_asks_inline_and_goes_on_with_what_is_typed() {
    let host = Host::new();
    let mut terminal = Terminal::start(&host.command(["run", &example("release-approval"), "--arg", "topic=v1.0"]));
    let first = terminal.see(PROMPT);
    let parts = ["Publish this draft?", "(approve_release)", r#"{"draft":"Draft about v1.0."}"#, r#"schema {"type":"boolean"}"#];
    assert!(parts.iter().all(|part| first.contains(part)), "{first}");
    terminal.enter("y");
    let second = terminal.see(PROMPT);
    let parts = ["Which version is it", "(release_details)", r#""required":["notes","major_version"]"#];
    assert!(parts.iter().all(|part| second.contains(part)), "{second}");
    terminal.enter(r#"{"notes":"Bug fixes","major_version":2}"#);
    let end = terminal.end();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.text.contains(r#""PUBLISHED v2: Draft about v1.0.\nNotes: Bug fixes""#), "{end:?}");
    let done = newest(&host);
    assert_eq!((&done["status"], names(&done["waits"], "status")), (&json!("completed"), vec!["answered"; 2]));
}

#[test]
fn w4_w7_a_wrong_answer_is_explained_and_the_question_stays() {
    let corrected = |flow: &str, wrong: &[(&str, &str)], right: &str, result: &str| {
        let host = Host::new();
        let mut terminal = asked(&host, flow, &json!({}), &[]);
        for (answer, problem) in wrong {
            terminal.enter(answer);
            let told = terminal.see(PROMPT);
            assert!(told.contains('✗') && told.contains(problem), "{answer}: {told}");
            assert_eq!(newest(&host)["waits"][0]["status"], "pending", "{answer}");
        }
        terminal.enter(right);
        let end = terminal.end();
        assert!(end.code == Some(0) && end.text.contains(result), "{end:?}");
    };
    let no_json = [("maybe", "that is not JSON"), ("{", "that is not JSON")];
    corrected("wait_bool", &no_json, "yes", r#""approved""#);
    let misfits = [("1", "'approve' on execution"), (r#""yes""#, r#"is not of type "boolean""#)];
    corrected("wait_bool", &misfits, "n", r#""declined""#);
    let incomplete = [(r#"{"notes":"n"}"#, "major_version")];
    corrected("wait_object", &incomplete, r#"{"notes":"n","major_version":2}"#, r#""v2: n""#);
}

#[test]
fn w2_a_question_that_is_left_open_stays_open_and_its_command_is_told() {
    for leave in [CTRL_D, ENTER] {
        let host = Host::new();
        let mut terminal = asked(&host, "wait_bool", &json!({}), &[]);
        terminal.press(leave);
        let end = terminal.end();
        assert_eq!(end.code, Some(0), "{end:?}");
        assert_eq!(newest(&host)["status"], "waiting");
        let command = told(&end);
        assert_eq!(command[..2], ["executions", "input"], "{end:?}");
        assert_eq!(host.text(command).ok().stdout, "\"approved\"\n");
    }
}

#[test]
fn what_is_said_after_ctrl_d_begins_on_a_line_of_its_own() {
    let host = Host::new();
    let mut terminal = asked(&host, "wait_bool", &json!({}), &[]);
    terminal.press(CTRL_D);
    let end = terminal.end();
    assert!(end.text.starts_with('\n') && end.text.contains("\nWaiting for `approve`"), "{end:?}");
}

#[test]
fn w2_ctrl_c_leaves_the_execution_waiting() {
    let host = Host::new();
    let mut terminal = asked(&host, "wait_bool", &json!({}), &[]);
    terminal.press(CTRL_C);
    let end = terminal.end();
    assert!(end.code == Some(1) && end.text.contains("interrupted"), "{end:?}");
    let waiting = newest(&host);
    assert_eq!((&waiting["status"], &waiting["runner"]), (&json!("waiting"), &Value::Null));
    assert_eq!(host.item(["executions", "input", id(&waiting), "--value", "true"])["result"], "approved");
}

#[test]
fn w2_ctrl_c_tells_a_command_that_goes_on() {
    let host = Host::new();
    let mut terminal = asked(&host, "wait_bool", &json!({}), &[]);
    terminal.press(CTRL_C);
    let end = terminal.end();
    assert!(end.text.contains(&format!("executions input {}", id(&newest(&host)))), "{end:?}");
    assert_eq!(host.text(told(&end)).ok().stdout, "\"approved\"\n", "{end:?}");
}

#[test]
fn w12_abort_ends_the_question() {
    let host = Host::new();
    let mut terminal = asked(&host, "wait_bool", &json!({}), &[]);
    terminal.enter("abort");
    let end = terminal.end();
    assert!(end.code == Some(1) && end.text.contains("wait 'approve' aborted"), "{end:?}");
    assert_eq!(newest(&host)["failure"]["exception_type"], "aborted");
}

#[test]
fn w15_closing_the_terminal_loses_nothing() {
    let host = Host::new();
    asked(&host, "wait_bool", &json!({}), &[]).close();
    let waiting = newest(&host);
    assert_eq!(waiting["status"], "waiting");
    assert_eq!(host.item(["executions", "input", id(&waiting), "--value", "true"])["result"], "approved");
}

#[test]
fn w2_nothing_is_asked_where_nobody_can_answer() {
    let host = Host::new();
    let run = host.command(["run", &fixture("conformance:wait_bool")]);
    let talk = host.path("talk");
    let no_keyboard = Terminal::without_keyboard(&run).end();
    let no_screen = Terminal::with_talk_in(&run, File::create(&talk).unwrap()).end();
    for (end, text) in [(&no_keyboard, &no_keyboard.text), (&no_screen, &std::fs::read_to_string(&talk).unwrap())] {
        assert_eq!(end.code, Some(0), "{end:?}");
        assert!(!text.contains(PROMPT) && text.contains("Answer it: kitaru-host executions input"), "{text}");
    }
    assert_eq!(host.json(["executions", "list", "--status", "waiting"]).items().len(), 2);
}

#[test]
fn programs_and_background_runs_are_not_asked_at_a_terminal_either() {
    let host = Host::new();
    let target = fixture("conformance:wait_bool");
    let json = Terminal::start(&host.command(["run", &target, "--output", "json"])).end();
    assert_eq!(json.code, Some(0), "{json:?}");
    let envelope: Value = serde_json::from_str(&json.screen).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    assert_eq!(envelope["item"]["status"], "waiting");
    let detached = Terminal::start(&host.command(["run", &target, "--detach"])).end();
    assert!(detached.code == Some(0) && !detached.screen.contains("Approve?"), "{detached:?}");
    // It still runs in the background, and must not outlive its data folder.
    until("the wait", || (host.json(["executions", "pending-waits"]).items().len() == 2).then_some(()));
}

#[test]
fn data_goes_to_its_file_and_the_question_to_the_terminal() {
    let host = Host::new();
    let data = host.path("data.json");
    let run = host.command(["run", &fixture("conformance:wait_bool")]);
    let mut terminal = Terminal::with_data_in(&run, File::create(&data).unwrap());
    assert!(terminal.see(PROMPT).contains("Approve?"));
    terminal.enter("y");
    let end = terminal.end();
    assert_eq!((end.code, std::fs::read_to_string(data).unwrap().as_str()), (Some(0), "\"approved\"\n"), "{end:?}");
}

/// What a run prints at a terminal up to its question, with escape sequences.
fn printed(host: &Host, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let example = example("release-approval");
    let mut run = host.command([&["run", &example, "--arg", "topic=v1.0"], flags].concat());
    run.envs(variables.iter().copied());
    let mut terminal = Terminal::start(&run);
    let _ = terminal.see(PROMPT);
    terminal.press(CTRL_D);
    terminal.end().raw
}

#[test]
fn a_terminal_gets_colours() {
    let host = Host::new();
    for variables in [[].as_slice(), &[("NO_COLOR", "")]] {
        let raw = printed(&host, variables, &[]);
        assert!(has_colour(&raw) && raw.contains("\u{1b}[32m✓"), "{variables:?}: {raw:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_no_escape_sequence() {
    let dumb = printed(&Host::new(), &[("TERM", "dumb")], &[]);
    assert!(!dumb.contains('\u{1b}') && dumb.contains("✓ write_draft"), "{dumb:?}");
}

/// Whether there is an escape sequence beside the one that takes the moving line away, which is no colour.
fn has_colour(raw: &str) -> bool {
    raw.replace("\u{1b}[2K", "").contains('\u{1b}')
}

#[test]
fn no_color_means_no_colour() {
    let raw = printed(&Host::new(), &[("NO_COLOR", "1")], &[]);
    assert!(!has_colour(&raw) && raw.contains("✓ write_draft"), "{raw:?}");
}

#[test]
fn color_never_means_no_colour() {
    let raw = printed(&Host::new(), &[], &["--color", "never"]);
    assert!(!has_colour(&raw) && raw.contains("✓ write_draft"), "{raw:?}");
}

/// Whoever answers did not come to sit through the sleep of a child.
#[test]
fn an_answered_flow_whose_child_sleeps_long_is_left_with_it() {
    let host = Host::new();
    let parent = host.flow("asks_and_calls_a_sleeper", &json!({ "milliseconds": 3_600_000 }), &[]);
    let end = Terminal::start(&host.command(["executions", "input", id(&parent), "--value", "true"])).end();
    assert_eq!(end.code, Some(0), "{end:?}");
    let child = host.json(["executions", "list", "--parent", id(&parent)]).items().remove(0);
    for execution in [&parent, &child] {
        let left = host.get(id(execution));
        assert_eq!((&left["status"], left["wakes_at"].is_string()), (&json!("waiting"), true), "{left:#}");
    }
}

#[test]
fn an_answered_flow_whose_child_naps_waits_for_it() {
    let host = Host::new();
    let parent = host.flow("asks_and_calls_a_sleeper", &json!({ "milliseconds": 3_000 }), &[]);
    let end = Terminal::start(&host.command(["executions", "input", id(&parent), "--value", "true"])).end();
    assert_eq!((end.code, host.get(id(&parent))["status"].as_str()), (Some(0), Some("completed")), "{end:?}");
    assert!(end.screen.len() < 4_000, "it says what happens once: {end:?}");
}

#[test]
fn an_answer_from_elsewhere_ends_the_question_at_once() {
    let cases: [(&[&str], i32, &str); 2] =
        [(&["input", "--value", "false"], 0, r#""declined""#), (&["abort-wait"], 1, "wait 'approve' aborted")];
    for (elsewhere, code, said) in cases {
        let host = Host::new();
        let terminal = asked(&host, "wait_bool", &json!({}), &[]);
        let waiting = newest(&host);
        let _ = host.text([&["executions"], elsewhere, &[id(&waiting)]].concat()).ok();
        let end = terminal.end();
        assert!(end.code == Some(code) && end.text.contains(said), "{end:?}");
    }
}

#[test]
fn a_deadline_that_passes_ends_the_question() {
    let host = Host::new();
    let end = asked(&host, "wait_or_after", &json!({ "milliseconds": 6_000 }), &[]).end();
    assert!(end.code == Some(0) && end.text.ends_with("false\n"), "{end:?}");
}

#[test]
fn commands_that_drive_an_execution_on_ask_too() {
    let host = Host::new();
    let waiting = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let mut answering = Terminal::start(&host.command(["executions", "input", id(&waiting), "--value", "true"]));
    assert!(answering.see(PROMPT).contains("Which version is it"));
    answering.enter(r#"{"notes":"n","major_version":2}"#);
    let end = answering.end();
    assert!(end.code == Some(0) && end.text.contains("PUBLISHED v2"), "{end:?}");
    let mut replaying = Terminal::start(&host.command(["executions", "replay", id(&waiting), "--from", "write_draft"]));
    assert!(replaying.see(PROMPT).contains("Publish this draft?"));
    replaying.enter("n");
    let end = replaying.end();
    assert!(end.code == Some(0) && end.text.contains("REJECTED"), "{end:?}");
}

/// A flow at a terminal that asks one of two open questions, 1 and 2, whichever opened first; its execution, and which it asks.
fn asked_one_of_two(host: &Host) -> (Terminal, String, usize) {
    let mut terminal = Terminal::start(&host.command(["run", &fixture("conformance:same_name_twice")]));
    let asked = if terminal.see(PROMPT).contains("The first?") { 1 } else { 2 };
    let open =
        until("both questions", || Some(host.json(["executions", "pending-waits"]).items()).filter(|open| open.len() == 2));
    (terminal, id(&open[0]).to_owned(), asked)
}

#[test]
fn w10_of_two_open_questions_both_are_asked() {
    let host = Host::new();
    let (mut terminal, _, asked) = asked_one_of_two(&host);
    terminal.enter(&asked.to_string());
    let other = 3 - asked;
    let _ = terminal.see(["The first?", "The second?"][other - 1]);
    let _ = terminal.see(PROMPT);
    terminal.enter(&other.to_string());
    let end = terminal.end();
    assert!(end.code == Some(0) && end.text.contains("[1,2]"), "{end:?}");
}

#[test]
fn w10_an_answer_to_another_question_leaves_the_one_that_is_asked() {
    let host = Host::new();
    let (mut terminal, exec, asked) = asked_one_of_two(&host);
    let other = 3 - asked;
    let name = ["go", "go_2"][other - 1];
    let _ = host.text(["executions", "input", &exec, "--wait", name, "--value", &other.to_string()]).ok();
    until("the answer", || (host.journal(&exec)[other - 1]["status"] == "completed").then_some(()));
    terminal.enter(&asked.to_string());
    let end = terminal.end();
    assert!(end.code == Some(0) && end.text.contains("[1,2]"), "{end:?}");
}

#[test]
fn work_beside_a_question_does_not_repeat_its_prompt_in_the_line() {
    let host = Host::new();
    let input = json!({ "path": "out/traces", "milliseconds": 500 });
    let mut terminal = asked(&host, "works_while_it_waits", &input, &[&host.writable()]);
    let exec = newest(&host);
    until("the work", || host.journal(id(&exec)).iter().any(|call| call["status"] == "completed").then_some(()));
    terminal.enter("y");
    let end = terminal.end();
    assert!(end.code == Some(0) && end.text.ends_with("true\n"), "{end:?}");
    assert!(end.screen.lines().all(|line| line.matches(PROMPT).count() <= 1), "{end:?}");
}

#[test]
fn a_secret_that_is_asked_for_does_not_show() {
    let host = Host::new();
    let ask = ["secrets", "set", "creds", "--from-prompt", "KEY", "--from-prompt", "OTHER"];
    let mut terminal = Terminal::start(&host.command(ask));
    for (key, typed) in [("KEY", "typed-marker"), ("OTHER", "with spaces-marker ")] {
        let shown = terminal.see("is not shown) > ");
        assert!(shown.contains(key), "{shown}");
        terminal.enter(typed);
    }
    let end = terminal.end();
    assert!(end.code == Some(0) && !end.raw.contains("marker"), "{end:?}");
    let view = host.item(["secrets", "show", "creds", "--reveal"]);
    assert_eq!(view["values"], json!({ "KEY": "typed-marker", "OTHER": "with spaces-marker" }));

    let mut terminal = Terminal::start(&host.command(["secrets", "set", "creds", "--from-prompt", "KEY"]));
    let _ = terminal.see("is not shown) > ");
    terminal.press(CTRL_C);
    let end = terminal.end();
    assert!(end.code == Some(1) && end.text.contains("nothing was set"), "{end:?}");
    assert_eq!(host.item(["secrets", "show", "creds"])["version"], 1);
}
