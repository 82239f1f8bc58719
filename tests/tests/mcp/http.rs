//! The protocol over HTTP: the endpoint as a part of a server, with visitors who are told by their credentials.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use kitaru_host::access::Role;
use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings, Observer};
use kitaru_host::ids::{Ids as _, SystemIds};
use kitaru_host::mcp::{Endpoint, Visitor, service};
use kitaru_host::sandbox::Sandbox;
use kitaru_host::service::LocalService;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::{Assistant, Host, Mode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{BOTH, named, started};

/// A server on the loopback interface. `Bearer admin` may everything, `Bearer viewer` only look.
struct Server {
    runtime: Option<Runtime>,
    service: Arc<LocalService>,
    endpoint: Endpoint,
    address: SocketAddr,
    component: String,
    _host: Host,
}

impl Server {
    fn start() -> Self {
        let host = Host::warm();
        let component = host.flow("no_calls", &json!({}), &[])["component_digest"].as_str().unwrap().to_owned();
        let runtime = Runtime::new().unwrap();
        let (service, endpoint, address) = runtime.block_on(async {
            let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
            let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
            let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
            let local = Arc::new(LocalService::new(engine));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let visited = local.clone();
            let visitor = move |parts: &axum::http::request::Parts| {
                let said = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
                let role = said.strip_prefix("Bearer ")?.parse::<Role>().ok()?;
                Some(Visitor {
                    service: visited.clone(),
                    guarded: None,
                    who: role.to_string(),
                    role,
                    stays: None,
                    cleaning: None,
                })
            };
            let endpoint = service(visitor, &[address.to_string()]);
            let answering = endpoint.clone();
            let answer = move |request: Request| {
                let endpoint = answering.clone();
                async move { endpoint.handle(request).await }
            };
            let router = Router::new().fallback(answer);
            tokio::spawn(async move { axum::serve(listener, router).await });
            let looked = local.clone();
            tokio::spawn(async move { looked.look_after(Observer::silent()).await });
            (local, endpoint, address)
        });
        Self { runtime: Some(runtime), service, endpoint, address, component, _host: host }
    }

    fn assistant(&self, role: &str, mode: Mode, elicits: bool) -> Assistant {
        let credential = format!("Bearer {role}");
        Assistant::of_url(&format!("http://{}/mcp", self.address), &[("authorization", &credential)], mode, elicits)
    }

    /// Sends a request as it stands, and returns the answer as it came, up to its end or the first event of a stream.
    fn raw(&self, method: &str, host: &str, headers: &[&str], body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut request =
            format!("{method} /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str(&format!("\r\n{body}"));
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut piece).unwrap();
            answer.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&answer);
            if count == 0 || text.contains("\"jsonrpc\"") {
                return text.into_owned();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.service.stop();
        self.endpoint.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const JSON: &str = "Content-Type: application/json";
const ACCEPT: &str = "Accept: application/json, text/event-stream";

fn status(answer: &str) -> u16 {
    answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

fn initialize() -> String {
    let about = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about }).to_string()
}

#[test]
fn the_same_server_over_http() {
    for mode in BOTH {
        let server = Server::start();
        let mut assistant = server.assistant("admin", mode, true);
        let target = format!("{}:wait_bool", server.component);
        let answers = json!([{ "action": "accept", "content": { "answer": true } }]);
        let told = assistant.answering("kitaru_executions_run", &json!({ "target": target }), &answers);
        assert_eq!(told.value()["execution"]["result"], "approved", "{mode:?}: {told:?}");
        assert_eq!(told.asked().len(), 1, "{mode:?}");
        let uri = format!("kitaru://executions/{}", started(&told));
        let read = assistant.tell(&json!({ "do": "read", "uri": uri }));
        let view: Value = serde_json::from_str(read.result()["contents"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(view["status"], "completed");
        let log = assistant.call("get_execution_logs", &json!({ "exec_id": started(&told) }));
        assert_eq!(log.text(), "No log entries found.");
        assistant.end();
    }
}

#[test]
fn each_visitor_has_tools_of_his_own() {
    for mode in BOTH {
        let server = Server::start();
        let names = |role: &str| -> Value {
            let mut assistant = server.assistant(role, mode, false);
            assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone()
        };
        let (all, looking) = (names("admin"), names("viewer"));
        assert!(named(&all, "name", "kitaru_executions_run").is_object());
        let looking = looking.as_array().unwrap();
        assert!(looking.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true), "{looking:#?}");
        assert!(!looking.is_empty());
    }
}

#[test]
fn other_names_other_pages_and_nobody_are_refused() {
    let server = Server::start();
    let (own, admin) = (server.address.to_string(), "Authorization: Bearer admin");
    let origin = format!("Origin: http://{own}");
    let cases: [(&str, &[&str], u16); 7] = [
        (&own, &[admin], 200),
        (&own, &[admin, &origin], 200),
        (&own, &[], 401),
        (&own, &["Authorization: Bearer nobody"], 401),
        // A name of somebody else's that resolves to this machine.
        ("evil.example", &[admin], 403),
        (&own, &[admin, "Origin: http://evil.example"], 403),
        (&own, &[admin, "Origin: null"], 403),
    ];
    for (host, headers, expected) in cases {
        let answer = server.raw("POST", host, &[&[JSON, ACCEPT], headers].concat(), &initialize());
        assert_eq!(status(&answer), expected, "{host} {headers:?}: {answer}");
    }
}

#[test]
fn a_session_is_of_whoever_began_it() {
    let server = Server::start();
    let own = server.address.to_string();
    let answer = server.raw("POST", &own, &[JSON, ACCEPT, "Authorization: Bearer admin"], &initialize());
    let session =
        answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap_or_else(|| panic!("{answer}")).trim();
    let session = format!("Mcp-Session-Id: {session}");
    let begun = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let answer = server.raw("POST", &own, &[JSON, ACCEPT, "Authorization: Bearer admin", &session], &begun);
    assert_eq!(status(&answer), 202, "{answer}");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    for (method, body) in [("POST", list.as_str()), ("GET", ""), ("DELETE", "")] {
        let answer = server.raw(method, &own, &[JSON, ACCEPT, "Authorization: Bearer viewer", &session], body);
        assert_eq!(status(&answer), 404, "{method}: {answer}");
    }
    let answer = server.raw("POST", &own, &[JSON, ACCEPT, "Authorization: Bearer admin", &session], &list);
    assert_eq!(status(&answer), 200, "{answer}");
    let unknown = "Mcp-Session-Id: 00000000-0000-0000-0000-000000000000";
    let answer = server.raw("POST", &own, &[JSON, ACCEPT, "Authorization: Bearer admin", unknown], &list);
    assert_eq!(status(&answer), 404, "{answer}");
}
