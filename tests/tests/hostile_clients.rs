//! The service over HTTP, and those who want more of it than they may have: without a credential or with the wrong one, with requests that are none,
//! too many of them, or none at all for a long time. After each, whoever behaves is still answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kitaru_tests::served::{Answered, answered, order};
use kitaru_tests::{Asking, Host, Served, fixture, until};
use serde_json::{Value, json};

#[path = "hostile_clients/browsers.rs"]
mod browsers;
#[path = "hostile_clients/credentials.rs"]
mod credentials;
#[path = "hostile_clients/encrypted.rs"]
mod encrypted;
#[path = "hostile_clients/loads.rs"]
mod loads;
#[path = "hostile_clients/many.rs"]
mod many;
#[path = "hostile_clients/requests.rs"]
mod requests;
#[path = "hostile_clients/shares.rs"]
mod shares;
#[path = "hostile_clients/smuggling.rs"]
mod smuggling;

const API: &str = "/api/v1";

/// How long an answer may take to whoever behaves, on a machine that is busy with other tests and with whoever does not.
const PROMPTLY: Duration = Duration::from_secs(10);

/// A route of the description.
struct Route {
    method: String,
    /// With its parameters in braces.
    path: String,
    role: String,
}

impl Route {
    /// Its address, with something in the place of each parameter.
    fn at(&self, value: impl Fn(&str) -> String) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        };
        format!("{API}{}", self.path.split('/').map(part).collect::<Vec<_>>().join("/"))
    }
}

/// All routes for which a credential is needed.
fn routes(admin: &Asking) -> Vec<Route> {
    let document = admin.get(&format!("{API}/openapi.json")).expect(200);
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"] != json!([]) {
                let role = operation["x-kitaru-role"].as_str().unwrap().to_owned();
                routes.push(Route { method: method.to_uppercase(), path: path.clone(), role });
            }
        }
    }
    assert!(routes.len() > 60, "{}", routes.len());
    routes
}

/// Sends a request to a route, with an object in its body where it has one.
fn sent(asking: &Asking, method: &str, path: &str) -> Answered {
    let body: &[u8] = if matches!(method, "GET" | "DELETE") { b"" } else { b"{}" };
    asking.send(method, path, Some("application/json"), body)
}

/// Starts a flow of the fixture that asks a question, and returns the component and the execution.
fn waiting(author: &Asking, flow: &str) -> (String, String) {
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let view = author.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    let component = view["digest"].as_str().unwrap().to_owned();
    let view = author.post(&format!("{API}/executions"), &order(&component, flow, &json!({}))).expect(201);
    let execution = view["exec_id"].as_str().unwrap().to_owned();
    let path = format!("{API}/executions/{execution}");
    until("its question", || (author.get(&path).expect(200)["status"] == "waiting").then_some(()));
    (component, execution)
}

/// Whoever behaves is answered, and soon.
#[track_caller]
fn still_serves(asking: &Asking) {
    let began = Instant::now();
    assert_eq!(asking.get(&format!("{API}/executions?limit=1")).status, 200);
    assert!(began.elapsed() < PROMPTLY, "after {:?}", began.elapsed());
}

/// What a host says to these bytes until it closes the connection, or says nothing for a while.
fn said(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = served.connect();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    heard(&mut stream)
}

fn heard(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..count]);
    }
    all
}

/// The memory that a host has now, in MiB; none where the system does not tell.
fn memory_of(served: &Served) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.running.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The status of an answer, from its bytes.
fn status(bytes: &[u8]) -> Option<u16> {
    String::from_utf8_lossy(bytes).split_whitespace().nth(1)?.parse().ok()
}
