//! What a person is asked who answers everything that waits (X7).

use kitaru_tests::{Host, id};
use serde_json::json;

use super::terminal::{CTRL_C, CTRL_D, Terminal};
use super::{PROMPT, newest};

#[test]
fn x7_interactive_input_asks_for_all_that_wait() {
    let host = Host::new();
    let sweep = || Terminal::start(&host.command(["executions", "input", "--interactive"]));
    let none = sweep().end();
    assert!(none.code == Some(0) && none.text.contains("No pending waits."), "{none:?}");
    for _ in 0..2 {
        let _ = host.flow("wait_bool", &json!({}), &[]);
    }
    let mut terminal = sweep();
    let _ = terminal.see(PROMPT);
    terminal.enter("y");
    let _ = terminal.see("\"approved\"");
    let _ = terminal.see(PROMPT);
    terminal.press(CTRL_D);
    assert_eq!(terminal.end().code, Some(0), "the rest is left open");
    let items = host.json(["executions", "list"]).items();
    let mut statuses: Vec<&str> = items.iter().filter_map(|item| item["status"].as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["completed", "waiting"]);
}

#[test]
fn x7_an_answer_that_came_too_late_fails_the_sweep() {
    let host = Host::new();
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    let mut terminal = Terminal::start(&host.command(["executions", "input", "--interactive"]));
    let _ = terminal.see(PROMPT);
    let _ = host.item(["executions", "input", id(&waiting), "--value", "false"]);
    terminal.enter("y");
    let end = terminal.end();
    assert!(end.code == Some(1) && end.text.contains("no pending waits"), "{end:?}");
    assert_eq!(newest(&host)["result"], "declined");
}

#[test]
fn x7_ctrl_c_ends_the_sweep_with_exit_code_1() {
    let host = Host::new();
    let _ = host.flow("wait_bool", &json!({}), &[]);
    let mut terminal = Terminal::start(&host.command(["executions", "input", "--interactive"]));
    let _ = terminal.see(PROMPT);
    terminal.press(CTRL_C);
    let end = terminal.end();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert_eq!(newest(&host)["status"], "waiting");
}
