//! The web page in a real Chromium: what people do with it, by mouse, by keyboard and on a phone; what hostile guests try with it; how it looks.
//! Each test sets up a host, and a file of `tests/page` looks at its page. Pictures of all views are in `target/page-screenshots`.

use kitaru_tests::page::{Page, modules_pass};
use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Framed, Host, Models, Traces, example, fixture, id};
use serde_json::{Value, json};

#[path = "page/crowd.rs"]
mod crowd;
#[path = "page/gallery.rs"]
mod gallery;
#[path = "page/speaking.rs"]
mod speaking;

/// Publishes a flow.
fn publish(host: &Host, target: &str, flags: &[&str]) -> Value {
    host.item([&["deploy", target], flags].concat())
}

#[test]
fn its_modules_do_what_they_say() {
    modules_pass();
}

#[test]
fn who_may_enters_and_who_may_not_is_refused() {
    let host = Host::warm();
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    publish(&host, &fixture("conformance:wait_bool"), &[]);
    Page::of(&host).and(&host, "viewer").and(&host, "author").with("waiting", id(&waiting)).passes("entering.test.mjs");
}

#[test]
fn a_flow_is_started_from_its_form_and_watched_as_it_runs() {
    let host = Host::warm();
    publish(&host, &fixture("conformance:count_slow"), &[&host.writable()]);
    publish(&host, &fixture("conformance:log_wait"), &[]);
    publish(&host, &fixture("conformance:arguments"), &[]);
    let page = Page::of(&host).and(&host, "author").with("held", Traces::HELD).with("traces", host.path("traces"));
    page.with("guest_traces", Traces::guest_path()).passes("watching.test.mjs");
}

#[test]
fn questions_are_answered_with_the_keyboard_alone() {
    let host = Host::warm();
    for flow in ["wait_object", "wait_bool", "wait_choice", "wait_abort"] {
        let _ = host.flow(flow, &json!({}), &[]);
    }
    let linked = host.flow("wait_integer", &json!({}), &[]);
    Page::of(&host).and(&host, "operator").with("linked", id(&linked)).passes("answering.test.mjs");
}

#[test]
fn an_execution_is_replayed_with_another_output_and_compared() {
    let host = Host::new();
    let source = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    Page::of(&host).and(&host, "author").with("source", id(&source)).passes("replaying.test.mjs");
}

#[test]
fn an_answer_is_read_while_a_model_makes_it() {
    speaking::Speaking::new().page().passes("speaking.test.mjs");
}

#[test]
fn artifacts_model_calls_and_capabilities_can_be_read() {
    let provider = Provider::answering([
        Reaction::text("# Tides\n\n1. The moon **pulls**.").usage(31, 12),
        Reaction::text("The moon pulls the sea.").usage(64, 9),
        Reaction::text("The sea follows the moon.").usage(64, 9),
    ]);
    let models = Models::of(provider);
    let host = &models.host;
    let written = models.item(&["run", &example("llm-writer"), "--arg", "topic=tides", "--allow-llm"]);
    let again = models.item(&["executions", "replay", id(&written), "--from", "write_draft"]);
    let overridden = r#"checkpoint.write_draft="The sea moves.""#;
    let given = host.item(["executions", "replay", id(&written), "--override", overridden]);
    let saved = host.item(["run", &fixture("markup:markup"), "--arg", "text=plain"]);
    let documents = kitaru_tests::repository().join("examples/content-pipeline/documents");
    let read = [
        "run",
        &example("content-pipeline"),
        "--arg",
        "topic=moon",
        "--arg",
        "document=documents/tides.md",
        &format!("--allow-read={}::documents", documents.display()),
    ];
    let read = host.item(read);
    let denied = host.try_flow("connect", &json!({ "address": "127.0.0.1:9" }), &[]);
    let page = Page::of(host).and(host, "author").with("written", id(&written)).with("saved", id(&saved));
    let page = page.with("again", id(&again)).with("given", id(&given)).with("read", id(&read));
    page.with("denied", denied.failed_execution()).passes("reading.test.mjs");
}

#[test]
fn attempts_lanes_folded_waiting_and_the_way_to_a_failure_are_shown() {
    let host = Host::warm();
    let writes = host.writable();
    let run = |flow, arguments| host.flow(flow, &arguments, &[&writes]);
    let flaky = run("count_flaky", json!({ "path": "out/traces", "succeed_on": 2 }));
    let beside = run("fan_out", json!({ "path": "out/traces", "steps": 2, "milliseconds": 1000 }));
    // Longer than what is folded at all.
    let idle = run("sleeps", json!({ "path": "out/traces", "milliseconds": 3000 }));
    let failed = host.try_flow("parent_of_a_failure", &json!({ "path": "out/traces" }), &[&writes]).failed_execution();
    let page = Page::of(&host).and(&host, "viewer").with("flaky", id(&flaky)).with("beside", id(&beside));
    page.with("idle", id(&idle)).with("failed", failed).passes("timeline.test.mjs");
}

#[test]
fn the_list_is_narrowed_by_label_and_time_and_stays_so() {
    let host = Host::warm();
    let old = host.flow("no_calls", &json!({}), &[]);
    crowd::multiply(&host, id(&old), 90);
    let red = host.flow("no_calls", &json!({}), &["--tag", "red"]);
    let both = host.flow("no_calls", &json!({}), &["--tag", "red", "--tag", "blue"]);
    let page = Page::of(&host).and(&host, "viewer").with("executions", 93).with("red", id(&red));
    page.with("both", id(&both)).passes("narrowing.test.mjs");
}

#[test]
fn an_admin_publishes_and_keeps_models_secrets_and_keys() {
    let host = Host::warm();
    let exported = host.flow("thrice", &json!({}), &[]);
    let page = Page::of(&host).with("component", example("hello")).with("changed", example("release-approval"));
    page.with("execution", id(&exported)).with("folder", host.path("")).passes("administering.test.mjs");
}

/// Whatever a guest says is text, wherever it stands, and whatever a model says to it.
#[test]
fn nothing_that_a_guest_or_a_model_says_becomes_markup() {
    let text = concat!(
        "<script>window.__xss='script'</script><img src=x onerror=\"window.__xss='img'\"><svg/onload=\"window.__xss='svg'\">",
        "\"><a href=\"javascript:window.__xss='link'\">x</a> [x](javascript:window.__xss='md') ${window.__xss='template'} ",
        "<style>*{display:none}</style> \u{1b}[31mred\u{1b}[0m \u{1b}]0;owned\u{7} \u{202e}gnp.exe\u{2066} __proto__"
    );
    let gate = Gate::new();
    let refusal = json!({ "error": { "message": text, "type": text, "code": text } });
    let models = Models::answering([
        Reaction::text(text),
        Reaction::tool_call("call_1", text, json!({ text: text })).and_text(text).from_model(text),
        Reaction::status(400).body(refusal.to_string()),
        Reaction::text(text).held_after(3, &gate),
    ]);
    models.settings(&format!("[grants]\nllm = [\"*\"]\n{}", Models::ONCE));
    let _ = models.alias("fast", "vllm/teller", &models.provider.openai(), &[]);
    let host = &models.host;
    let input = json!({ "text": text }).to_string();
    let readable = host.path("readable");
    std::fs::create_dir_all(&readable).unwrap();
    let grant = format!("--allow-read={readable}::files");
    let reached = host.item(["run", &fixture("markup:reaches_with_markup"), "--input", &input, &grant]);
    let asking = host.item(["run", &fixture("markup:markup"), "--input", &input]);
    let failed = host.json(["run", &fixture("markup:fails_with_markup"), "--input", &input]).failed_execution();
    // What a manifest says, of a component by hand: parameters, their titles and defaults, what it is about.
    let property = json!({ "type": "string", "title": text, "description": text, "default": text, "enum": [text, "other"] });
    let schema =
        json!({ "type": "object", "title": text, "description": text, "properties": { text: property }, "required": [text] });
    let flow = json!({ "name": "odd", "doc": text, "parameters": [text], "input": schema, "result": { "title": text } });
    let manifest = json!({ "manifest": 1, "flows": [flow], "checkpoints": [{ "name": "step", "doc": text, "input": schema, "result": schema }] });
    let component = host.file("odd.wasm", Framed::default().with("manifest", manifest.to_string()).bytes());
    publish(host, &format!("{component}:odd"), &["--tag", "canary"]);
    publish(host, &fixture("markup:markup"), &[]);
    publish(host, &fixture("markup:hears_markup"), &[]);
    let _ = host.item(["secrets", "set", "plain", "--key=value"]);
    let page = Page::of(host).with("text", text).with("asking", id(&asking)).with("failed", failed);
    page.with("reached", id(&reached)).passes("hostile_texts.test.mjs");
    gate.open();
}

#[test]
fn ten_thousand_executions_and_ten_thousand_calls_stay_smooth() {
    let host = Host::warm();
    let long = host.flow("sequence", &json!({ "steps": 10_000 }), &[]);
    let one = host.flow("no_calls", &json!({}), &[]);
    crowd::multiply(&host, id(&one), 10_000);
    Page::of(&host).and(&host, "viewer").with("long", id(&long)).with("executions", 10_002).passes("crowds.test.mjs");
}

#[test]
fn of_a_long_execution_that_goes_on_only_what_is_new_is_fetched() {
    const BEHIND: u64 = 5_000;
    let host = Host::warm();
    // Its first steps are not held up.
    Traces::new(&host).open(1..=BEHIND);
    publish(&host, &fixture("conformance:count_slow"), &[&host.writable()]);
    let page = Page::of(&host).and(&host, "author").with("behind", BEHIND).with("held", Traces::HELD);
    let page = page.with("traces", host.path("traces")).with("guest_traces", Traces::guest_path());
    page.passes("long_run.test.mjs");
}

#[test]
fn every_view_is_accessible_and_has_its_picture_in_light() {
    let gallery = gallery::Gallery::new();
    gallery.page().with("theme", "light").passes("views.test.mjs");
}

#[test]
fn every_view_is_accessible_and_has_its_picture_in_dark() {
    let gallery = gallery::Gallery::new();
    gallery.page().with("theme", "dark").passes("views.test.mjs");
}
