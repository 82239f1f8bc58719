//! A host with something of everything, for pictures.

use kitaru_tests::page::Page;
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Host, Models, example, fixture, id};
use serde_json::{Value, json};

const OUTLINE: &str = "## Outline\n\n1. Why the sea **moves** at all\n2. The moon's share, and the sun's\n3. Where tides are largest\n\n> Two bulges, and a planet that turns below them.";
const DRAFT: &str = "The moon pulls the sea towards it, and the earth away from the sea on the other side. So there are two bulges, and a coast that turns through both meets high water twice a day.";

/// The host, and what is to be looked at.
pub(crate) struct Gallery {
    models: Models,
    shown: Value,
}

impl Gallery {
    pub(crate) fn new() -> Self {
        let provider = Provider::reacting(|received| {
            let asks_outline = received.conversation().iter().any(|(_, text)| text.starts_with("Outline"));
            let text = if asks_outline { OUTLINE } else { DRAFT };
            Reaction::text(text).usage(312, 148)
        });
        let models = Models::of(provider);
        let host = &models.host;
        for (target, flags) in [
            ("hello", &["--tag", "canary"][..]),
            ("content-pipeline", &[]),
            ("release-approval", &[]),
            ("llm-writer", &["--allow-llm"]),
        ] {
            let _ = host.item([&["deploy", &example(target)], flags].concat());
        }
        let _ = host.item(["deploy", &example("hello"), "--arg", "name=World", "--tag", "stable"]);
        for name in ["Ada", "Grace", "Barbara", "Margaret"] {
            let _ = host.item(["run", &example("hello"), "--arg", &format!("name={name}"), "--tag", "greetings"]);
        }
        let written = models.item(&["run", &example("llm-writer"), "--arg", "topic=tides", "--allow-llm", "--tag", "essay"]);
        let pipeline = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru", "--tag", "weekly"]);
        let edit = r#"checkpoint.research="edited notes for kitaru""#;
        let replay = host.item(["executions", "replay", id(&pipeline), "--from", "write_draft", "--override", edit]);
        let documents = kitaru_tests::repository().join("examples/content-pipeline/documents");
        let grant = format!("--allow-read={}::documents", documents.display());
        let target = example("content-pipeline");
        let read = ["run", &target, "--arg", "topic=moon", "--arg", "document=documents/tides.md", &grant];
        let read = host.item(read);
        let off_topic = ["run", &target, "--arg", "topic=compilers", "--arg", "document=documents/tides.md", &grant];
        let failed = host.json(off_topic).failed_execution();
        let saved = host.item(["run", &fixture("markup:markup"), "--arg", "text=Field notes"]);
        for topic in ["v1.0", "v2.0"] {
            let _ = host.item(["run", &example("release-approval"), "--arg", &format!("topic={topic}")]);
        }
        let _ = host.flow("wait_object", &json!({}), &[]);
        let family = host.flow("parent_of_many", &json!({ "path": "out/traces", "count": 4 }), &[&host.writable()]);
        let beside = host.flow("fan_out", &json!({ "path": "out/traces", "steps": 6, "milliseconds": 20 }), &[&host.writable()]);
        let lines = host.flow("log_lines", &json!({}), &[]);
        accounts(host);
        let shown = json!({
            "written": id(&written), "pipeline": id(&pipeline), "replay": id(&replay), "read": id(&read), "failed": failed,
            "saved": id(&saved), "family": id(&family), "beside": id(&beside), "lines": id(&lines),
        });
        Self { models, shown }
    }

    /// Its page.
    pub(crate) fn page(&self) -> Page {
        Page::of(&self.models.host).with("shown", self.shown.clone())
    }
}

fn accounts(host: &Host) {
    for (name, role) in [("ci", "author"), ("desk", "operator"), ("dashboard", "viewer")] {
        let _ = host.item(["auth", "service-accounts", "create", name, "--role", role, "--flow", "content_*"]);
        let _ = host.item(["auth", "api-keys", "create", name, "default"]);
    }
    for (name, value) in [("github", "--token=ghp_planted"), ("mail", "--password=planted")] {
        let _ = host.item(["secrets", "set", name, value]);
    }
}
