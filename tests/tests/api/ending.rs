//! A host that is asked to end, and what it says of itself until it has.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use kitaru_tests::Traces;

use super::*;

/// Asks it to end (SIGTERM).
fn ask_to_end(served: &Served) {
    let asked = Command::new("kill").args(["-TERM", &served.running.id().to_string()]).stdout(Stdio::null()).status().unwrap();
    assert!(asked.success());
}

#[test]
fn a_host_that_is_stopped_ends_its_streams() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let execution = started(&author, &sent(&author), "wait_bool", &json!({}));
    until_it_is(&author, &execution, "waiting");
    let mut all = author.follow(&format!("{API}/stream"), None);
    let mut logs = author.follow(&format!("{API}/executions/{execution}/logs/stream"), None);
    assert_eq!(logs.read().unwrap().name, "waiting");
    let second = started(&author, &sent(&author), "wait_bool", &json!({}));
    let told = std::iter::from_fn(|| all.read()).find(|event| event.data["exec_id"] == second.as_str()).unwrap();
    assert!(matches!(told.name.as_str(), "execution" | "waits") && told.id.is_some(), "{told:?}");
    ask_to_end(&served);
    let _ = (all.rest(), logs.rest());
    let address = served.address;
    assert_eq!(served.running.finish().code, Some(0));
    assert!(TcpStream::connect(address).is_err());
}

/// A body runs that ends when the test says so, and a host is asked to end: it lives, and hands out no more work.
#[test]
fn a_host_that_ends_is_well_and_not_ready_until_its_bodies_have_ended() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 1, "milliseconds": Traces::HELD }).to_string();
    let words = ["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    running.kill();
    let served = Served::start(&host);
    let (nobody, viewer) = (served.nobody(), served.account(&host, "eyes", "viewer", &[]));
    until("the body again", || (traces.steps().len() == 2).then_some(()));
    assert_eq!((nobody.get("/healthz").status, nobody.get("/readyz").status), (200, 200));

    ask_to_end(&served);
    let refused = until("a word of the end", || Some(nobody.get("/readyz")).filter(|answer| answer.status != 200));
    assert_eq!(refused.expect(503)["detail"], "the host is ending");
    assert_eq!(nobody.get("/healthz").expect(200)["status"], "ok");
    for path in ["/api/v1/executions", "/", "/mcp"] {
        assert_eq!(viewer.get(path).expect(503)["class"], "KitaruBackendError", "{path}");
    }
    traces.open([1]);
    let address = served.address;
    let ended = served.running.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(TcpStream::connect(address).is_err());
    let left = host.item(["executions", "latest"]);
    assert_eq!(left["checkpoints"][0]["status"], "completed", "the body came to its end: {left:#}");
}
