//! A host that serves its API, and somebody who speaks to it: over sockets of the test's own, so that a request can be whatever a test wants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Host, Running, until};

/// How long an answer may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host that serves its API.
pub struct Served {
    /// Its process.
    pub running: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// The code of its login link.
    pub login_code: String,
}

/// What the host answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answered {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// Somebody who asks, with what they say of themselves in each request.
#[derive(Clone, Debug)]
pub struct Asking {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

impl Served {
    /// Serves a data folder on any free port.
    pub fn start(host: &Host) -> Self {
        Self::start_with(host, &[])
    }

    /// The same, with these flags.
    pub fn start_with(host: &Host, flags: &[&str]) -> Self {
        Self::start_at(host, "127.0.0.1:0", flags)
    }

    /// Serves it there, with these flags.
    pub fn start_at(host: &Host, listen: &str, flags: &[&str]) -> Self {
        let words = [&["serve", "--listen", listen, "--grace", "20"], flags].concat();
        Self::ready(host.spawn(host.json_command(words))).expect("a host that serves")
    }

    /// One that was started, when it listens; none if it ended before.
    pub fn ready(mut running: Running) -> Option<Self> {
        let ready = loop {
            let line: Value = serde_json::from_str(&running.next_line()?).expect("lines of JSON");
            if line["event"] == "ready" {
                break line;
            }
        };
        let text = |name: &str| ready["item"][name].as_str().expect("a text").to_owned();
        let url = text("url");
        let bare = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let address = bare.and_then(|rest| rest.parse().ok()).expect("an address");
        let login = text("login_url");
        let login_code = login.split_once("/login#code=").expect("a login link").1.to_owned();
        Some(Self { running, address, login_code })
    }

    /// Somebody without a credential.
    pub fn nobody(&self) -> Asking {
        Asking::at(self.address)
    }

    /// A service account with this role, and, if some are named, for these flows only.
    pub fn account(&self, host: &Host, name: &str, role: &str, flows: &[&str]) -> Asking {
        self.nobody().with("Authorization", &format!("Bearer {}", Self::key(host, name, role, flows)))
    }

    /// The API key of such a service account.
    pub fn key(host: &Host, name: &str, role: &str, flows: &[&str]) -> String {
        let mut words = vec!["auth", "service-accounts", "create", name, "--role", role];
        words.extend(flows.iter().flat_map(|flow| ["--flow", *flow]));
        let _ = host.item(words);
        let made = host.item(["auth", "api-keys", "create", name, "key"]);
        made["key"].as_str().expect("a key").to_owned()
    }

    /// A connection, on which nothing was said yet.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

impl Asking {
    /// Somebody without a credential, who asks there.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    /// What they say of themselves, as lines of a request.
    pub fn lines(&self) -> String {
        self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }

    /// The same, who says this too.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, method: &str, path: &str, version: &str) -> String {
        let mut head = format!("{method} {path} {version}\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    /// Sends bytes, and reads the answer to its end.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, media_type: Option<&str>, body: &[u8]) -> Answered {
        let mut head = self.head(method, path, "HTTP/1.1");
        if let Some(media_type) = media_type {
            head.push_str(&format!("Content-Type: {media_type}\r\n"));
        }
        if !body.is_empty() || !matches!(method, "GET" | "DELETE") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut stream = connect(self.address);
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("the host reads headers");
        // A host that refuses before it has read all may close its side.
        let _ = stream.write_all(body);
        read(stream)
    }

    /// Asks for something.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answered {
        self.send("GET", path, None, b"")
    }

    /// Sends JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answered {
        self.send("POST", path, Some("application/json"), body.to_string().as_bytes())
    }

    /// The same, once the host has time for this caller.
    #[track_caller]
    pub fn get_in_time(&self, path: &str) -> Answered {
        until("an answer", || Some(self.get(path)).filter(|answer| answer.status != 429))
    }

    /// All that can be asked about an execution that has ended, byte for byte: to look in it for what must not be there.
    #[track_caller]
    pub fn everything_of(&self, execution: &str) -> Vec<u8> {
        const API: &str = "/api/v1";
        let of = format!("{API}/executions/{execution}");
        let mut bytes = Vec::new();
        for part in [
            "",
            "/journal",
            "/logs",
            "/artifacts",
            "/accesses",
            "/events?content=true",
            "/trajectory?content=true",
            "/model-calls",
        ] {
            let answer = self.get_in_time(&format!("{of}{part}"));
            assert_eq!(answer.status, 200, "{part}: {answer:?}");
            bytes.extend(answer.body);
        }
        let artifacts = self.get_in_time(&format!("{of}/artifacts")).expect(200);
        for artifact in artifacts["items"].as_array().expect("a list") {
            let id = artifact["artifact_id"].as_str().expect("an ID");
            let content = self.get_in_time(&format!("{API}/artifacts/{id}/content"));
            assert_eq!(content.status, 200, "{content:?}");
            bytes.extend(content.body);
            bytes.extend(content.headers.iter().flat_map(|(name, value)| [name, value]).flat_map(|text| text.bytes()));
        }
        for stream in ["logs/stream", "stream"] {
            bytes.extend(format!("{:?}", self.follow(&format!("{of}/{stream}"), None).rest()).into_bytes());
        }
        bytes.extend(self.get_in_time(&format!("{API}/export?execution={execution}")).body);
        bytes
    }

    /// Follows a stream of events, from after this one.
    #[track_caller]
    pub fn follow(&self, path: &str, last_event_id: Option<&str>) -> Events {
        // As HTTP/1.0 has it, the body ends with the connection and has no parts.
        let mut head = self.head("GET", path, "HTTP/1.0");
        if let Some(id) = last_event_id {
            head.push_str(&format!("Last-Event-ID: {id}\r\n"));
        }
        let mut stream = connect(self.address);
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("the host reads headers");
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        let _ = lines.read_line(&mut line).expect("a status line");
        assert!(line.contains(" 200 "), "{path}: {line}");
        while line != "\r\n" {
            line.clear();
            assert!(lines.read_line(&mut line).expect("headers") > 0, "the answer ends within its headers");
        }
        Events { lines }
    }
}

fn read(mut stream: TcpStream) -> Answered {
    let mut bytes = Vec::new();
    // What came before the connection was reset is the answer.
    let _ = stream.read_to_end(&mut bytes);
    answered(&bytes).unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&bytes)))
}

/// An answer, from its bytes.
pub fn answered(bytes: &[u8]) -> Option<Answered> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers: Vec<(String, String)> = headers.collect();
    let rest = &bytes[at + 4..];
    let is_chunked = headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked");
    let body = if is_chunked { joined(rest)? } else { rest.to_vec() };
    Some(Answered { status, headers, body })
}

/// The chunks of a body, without what separates them.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSent {
    /// Its name.
    pub name: String,
    /// To go on after it.
    pub id: Option<String>,
    /// What it says.
    pub data: Value,
}

/// A stream of events. The connection is cut when the test lets go of it.
pub struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// The next event; none when the stream has ended.
    #[track_caller]
    pub fn read(&mut self) -> Option<EventSent> {
        let mut event = EventSent { name: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("an event in time") == 0 {
                return None;
            }
            match line.trim_end_matches(['\r', '\n']).split_once(':') {
                Some(("event", name)) => event.name = name.trim().to_owned(),
                Some(("id", id)) => event.id = Some(id.trim().to_owned()),
                Some(("data", data)) => event.data = serde_json::from_str(data.trim()).expect("JSON"),
                None if !event.name.is_empty() => return Some(event),
                // What says how long to wait, and that the stream is there.
                _ => {}
            }
        }
    }

    /// All that follow.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<EventSent> {
        std::iter::from_fn(|| self.read()).collect()
    }
}

/// The body of an order for a flow of a component.
pub fn order(component: &str, flow: &str, input: &Value) -> Value {
    json!({ "component": component, "flow": flow, "input": input })
}
