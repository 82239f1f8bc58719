//! A host that takes on little at a time, in this process: nobody gets more than a part of it, and nobody keeps what is not theirs any more.

use std::net::SocketAddr;
use std::sync::Arc;

use kitaru_host::access::{Access, NewAccount, Role, Scope};
use kitaru_host::api::{Api, Server, Settings};
use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings};
use kitaru_host::ids::{Ids as _, SystemIds};
use kitaru_host::sandbox::Sandbox;
use kitaru_host::secrets::ExposeSecret as _;
use kitaru_host::service::LocalService;
use kitaru_host::store::sqlite::SqliteStore;
use tokio::runtime::Runtime;

use super::*;

/// What is served, and by whom.
struct Small {
    runtime: Option<Runtime>,
    api: Api,
    access: Access,
    address: SocketAddr,
    _host: Host,
}

impl Small {
    fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let host = Host::warm();
        let runtime = Runtime::new().unwrap();
        let (api, access, address) = runtime.block_on(async {
            let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
            let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
            let access = Access::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemIds), &host.home());
            let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
            let mut settings = Settings::new(host.home());
            settings.listen = "127.0.0.1:0".parse().unwrap();
            settings.recheck = Duration::from_millis(200);
            change(&mut settings);
            let listening = Server::bind(&settings).await.unwrap();
            let address = listening.2;
            settings.names = vec![address.to_string()];
            let service = LocalService::new(engine).with_access(access.clone());
            let api = Api::new(service, access.clone(), settings);
            tokio::spawn(Server::new(api.clone(), listening).serve());
            (api, access, address)
        });
        Self { runtime: Some(runtime), api, access, address, _host: host }
    }

    fn account(&self, name: &str) -> Asking {
        let made = self.runtime.as_ref().unwrap().block_on(async {
            let new = NewAccount { name: name.into(), description: String::new(), role: Role::Author, scope: Scope::ALL };
            self.access.create_account(new).await.unwrap();
            self.access.create_api_key(name, "key", "").await.unwrap()
        });
        Asking::at(self.address).with("Authorization", &format!("Bearer {}", made.text.expose_secret()))
    }

    fn revoke(&self, name: &str) {
        self.runtime.as_ref().unwrap().block_on(self.access.delete_account(name)).unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends a request, and returns the connection with what came of it so far.
    fn ask(&self, request: &str) -> (TcpStream, Vec<u8>) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        (stream, piece[..count].to_vec())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.api.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[test]
fn one_address_does_not_take_all_connections() {
    let small = Small::start(|settings| settings.connections = 8);
    let asking = small.account("ci");
    // Of eight, this machine gets six.
    let held: Vec<TcpStream> = (0..6).map(|_| small.connect()).collect();
    let mut more = small.connect();
    let mut byte = [0];
    assert!(matches!(more.read(&mut byte), Ok(0) | Err(_)), "it is closed without a word");
    // Another address of this machine's, as any other peer.
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(small.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(status(&said), Some(200));
    });
    drop(held);
    let began = Instant::now();
    let answer = until("room", || {
        let said = said_to(
            small.address,
            &format!("GET {API}/executions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", asking.lines()),
        );
        status(&said)
    });
    assert_eq!(answer, 200);
    assert!(began.elapsed() < PROMPTLY);
}

fn said_to(address: SocketAddr, request: &str) -> Vec<u8> {
    let Ok(mut stream) = TcpStream::connect(address) else { return Vec::new() };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    heard(&mut stream)
}

#[test]
fn one_caller_does_not_take_all_streams() {
    let small = Small::start(|settings| settings.streams = 12);
    let (greedy, other) = (small.account("greedy"), small.account("other"));
    let open = |asking: &Asking| small.ask(&format!("GET {API}/stream HTTP/1.1\r\nHost: x\r\n{}\r\n", asking.lines()));
    let mut held: Vec<_> = (0..3).map(|_| open(&greedy)).collect();
    assert!(held.iter().all(|(_, said)| status(said) == Some(200)));
    let refused = greedy.get(&format!("{API}/stream"));
    assert_eq!(refused.expect(429)["class"], "KitaruRateLimitError");
    assert!(refused.header("retry-after").is_some());
    // Of an assistant as of anybody.
    let initialize = initialize();
    assert_eq!(assistant(&small, &greedy, "POST", &initialize, "").status, 429);
    assert_eq!(status(&open(&other).1), Some(200));
    held.pop();
    until("room", || (status(&open(&greedy).1) == Some(200)).then_some(()));
}

fn initialize() -> String {
    let about = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about }).to_string()
}

/// A request of the protocol of assistants, answered to the end.
fn assistant(small: &Small, asking: &Asking, method: &str, body: &str, session: &str) -> Answered {
    answered(&said_to(small.address, &of_assistant(small, asking, method, body, session))).unwrap()
}

fn of_assistant(small: &Small, asking: &Asking, method: &str, body: &str, session: &str) -> String {
    format!(
        "{method} /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}{session}Content-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        small.address,
        asking.lines(),
        body.len()
    )
}

#[test]
fn streams_and_sessions_end_with_the_key_that_opened_them() {
    let small = Small::start(|_| {});
    let (asking, other) = (small.account("ci"), small.account("other"));
    let begun = assistant(&small, &asking, "POST", &initialize(), "");
    let session = format!("Mcp-Session-Id: {}\r\n", begun.header("mcp-session-id").unwrap());
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    for _ in 0..3 {
        assert_eq!(assistant(&small, &asking, "POST", &ready, &session).status, 202);
    }
    let (mut listening, said) = small.ask(&of_assistant(&small, &asking, "GET", "", &session));
    assert_eq!(status(&said), Some(200), "{}", String::from_utf8_lossy(&said));
    let news = format!("GET {API}/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let (mut news_of, said) = small.ask(&format!("{news}{}\r\n", asking.lines()));
    assert_eq!(status(&said), Some(200));
    let (mut kept, said) = small.ask(&format!("{news}{}\r\n", other.lines()));
    assert_eq!(status(&said), Some(200));
    let began = Instant::now();
    small.revoke("ci");
    for stream in [&mut listening, &mut news_of] {
        let _ = heard(stream);
    }
    assert!(began.elapsed() < PROMPTLY, "after {:?}", began.elapsed());
    assert_eq!(assistant(&small, &asking, "POST", &ready, &session).status, 401);
    // Whoever is let in under the same name later is somebody else.
    let again = small.account("ci");
    assert_eq!(assistant(&small, &again, "POST", &ready, &session).status, 404);
    kept.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut byte = [0; 64];
    assert!(!matches!(kept.read(&mut byte), Ok(0)), "others go on listening");
}
