//! Texts that would take over a terminal, in every place where a person sees one.

use kitaru_tests::{Framed, Host, Reply};

/// What a terminal obeys, or what makes a person read something else than what is there.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[track_caller]
fn harmless(reply: &Reply) {
    for text in [&reply.stdout, &reply.stderr] {
        if let Some(harmful) = text.chars().find(|c| is_harmful(*c)) {
            panic!("{harmful:?} reaches the terminal{reply:?}");
        }
    }
}

#[test]
fn escape_sequences_are_shown_and_not_obeyed() {
    let host = Host::new();
    let flow = kitaru_tests::fixture("hostile:shows_itself");
    harmless(&host.text(["run", &flow, "--input", "{}"]));
    let failed = host.json(["executions", "list"]).items()[0]["exec_id"].as_str().unwrap().to_owned();
    let artifact = host.json(["artifacts", "list", &failed]).items()[0]["artifact_id"].as_str().unwrap_or_default().to_owned();
    let commands: [&[&str]; 12] = [
        &["executions", "list"],
        &["executions", "get", &failed],
        &["executions", "latest"],
        &["executions", "journal", &failed],
        &["executions", "logs", &failed],
        &["executions", "logs", &failed, "--follow"],
        &["executions", "diff", &failed, &failed],
        &["executions", "statistics"],
        &["artifacts", "list", &failed],
        &["artifacts", "get", &artifact],
        &["executions", "retry", &failed],
        &["status"],
    ];
    for command in commands {
        harmless(&host.text(command));
    }
    let waiting = host.item(["run", &kitaru_tests::fixture("hostile:wait_until_the_end"), "--input", "{}"]);
    let waiting = waiting["exec_id"].as_str().unwrap();
    harmless(&host.text(["executions", "get", waiting]));
    harmless(&host.text(["executions", "input", waiting, "--value", "{}"]));
    harmless(&host.text(["executions", "input", waiting, "--abort"]));
}

#[test]
fn a_component_that_is_looked_at_is_shown_and_not_obeyed() {
    let host = Host::new();
    let manifest = r#"{"manifest":1,"sdk":{"name":"\u001b[2J","version":"\u202e"},
        "flows":[{"name":"odd","doc":"\u001b[31mred\u202e\r\nmore","parameters":["\u001b[2J"],"result":{"title":"\u001b]0;x\u0007"}}],
        "checkpoints":[{"name":"c","doc":"\u009b2J","options":{"type":"\u001b[2J"}}]}"#;
    let odd = host.file("odd.wasm", Framed::default().with("manifest", manifest).bytes());
    harmless(&host.text(["inspect", &odd]));
    harmless(&host.text(["run", &odd, "--input", "{}"]));
    let errors = r#"{"manifest":1,"flows":[],"checkpoints":[],"errors":["\u001b[2J\u202e"]}"#;
    let odd = host.file("errors.wasm", Framed::default().with("manifest", errors).bytes());
    harmless(&host.text(["inspect", &odd]));
    let import = Framed::default().with("component", "(import \"url=<\\1b[2J\\e2\\80\\ae>\" (instance))");
    let odd = host.file("import.wasm", import.bytes());
    harmless(&host.text(["inspect", &odd]));
}
