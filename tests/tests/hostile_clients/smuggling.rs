//! Requests whose end can be seen in two places, with another request behind it: somebody in front of the host may see one, and the host the other.
//! Each is refused or carried out once, and then the connection is closed: what follows is answered to nobody.

use super::*;

/// A host, the requests that are sent to it, and what must never be carried out.
struct Stage {
    served: Served,
    admin: Asking,
    author: Asking,
    component: String,
}

/// What became of a connection.
struct Heard {
    /// The statuses of its answers, in order.
    statuses: Vec<u16>,
    is_closed: bool,
    text: String,
}

impl Stage {
    fn new(host: &Host) -> Self {
        let served = Served::start(host);
        let (admin, author) = (served.account(host, "root", "admin", &[]), served.account(host, "ci", "author", &[]));
        let bytes = std::fs::read(fixture("conformance")).unwrap();
        let view = author.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
        Self { served, admin, author, component: text(&view["digest"]) }
    }

    /// What every request says of itself.
    fn head(&self) -> String {
        format!("Host: {}\r\n{}Content-Type: application/json\r\n", self.served.address, self.author.lines())
    }

    /// The beginning of a request that starts a flow.
    fn run(&self) -> String {
        format!("POST {API}/executions HTTP/1.1\r\n{}", self.head())
    }

    fn body(&self, flow: &str) -> String {
        order(&self.component, flow, &json!({})).to_string()
    }

    /// What is hidden behind other requests: a whole one, which starts a flow that nothing else starts.
    fn hidden(&self) -> String {
        let body = self.body("null_result");
        format!("{}Content-Length: {}\r\n\r\n{body}", self.run(), body.len())
    }

    fn heard(&self, bytes: &str) -> Heard {
        let mut stream = self.served.connect();
        stream.set_read_timeout(Some(PROMPTLY)).unwrap();
        let _ = stream.write_all(bytes.as_bytes());
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let is_closed = loop {
            match stream.read(&mut piece) {
                Ok(0) => break true,
                Ok(count) => all.extend_from_slice(&piece[..count]),
                Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        };
        let text = String::from_utf8_lossy(&all).into_owned();
        let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
        Heard { statuses, is_closed, text }
    }

    /// How often a flow was started.
    fn started(&self, flow: &str) -> u64 {
        self.admin.get(&format!("{API}/executions?flow={flow}")).expect(200)["total"].as_u64().unwrap()
    }

    #[track_caller]
    fn hid_nothing(&self, shown: &str) {
        assert_eq!(self.started("null_result"), 0, "the hidden request was carried out, behind {shown}");
    }
}

/// As a body in one chunk.
fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// The beginning of a request, to be told apart from others.
fn shown(request: &str) -> String {
    let at = request.find("Content-Type").unwrap_or_default();
    request.chars().skip(at).take(300).collect()
}

/// Both ends at once: the encoding counts, as it must, and the connection is good for nothing else.
#[test]
fn a_request_with_two_ends_is_answered_once_and_the_connection_closed() {
    let host = Host::new();
    let stage = Stage::new(&host);
    let (run, hidden, body) = (stage.run(), stage.hidden(), stage.body("no_calls"));
    let (chunks, encoded) = (chunked(&body), "Transfer-Encoding: chunked\r\n");
    let extended = format!("{:x};name=value;other=\"a b\"\r\n{body}\r\n0;last\r\nX-Trailer: y\r\n\r\n", body.len());
    let mut expected = 0;
    for length in [0, 1, 4, body.len(), chunks.len(), chunks.len() + hidden.len(), 100_000] {
        let length = format!("Content-Length: {length}\r\n");
        for headers in [format!("{length}{encoded}"), format!("{encoded}{length}"), format!("{length}{encoded}{length}")] {
            for body in [&chunks, &extended] {
                let request = format!("{run}{headers}\r\n{body}{hidden}");
                let heard = stage.heard(&request);
                assert_eq!(
                    (heard.statuses.as_slice(), heard.is_closed),
                    ([201].as_slice(), true),
                    "{}\n→ {}",
                    shown(&request),
                    heard.text
                );
                expected += 1;
            }
        }
    }
    assert_eq!((stage.started("no_calls"), stage.started("null_result")), (expected, 0));
    still_serves(&stage.author);
}

#[test]
fn a_request_that_ends_nowhere_for_sure_is_refused_and_nothing_follows_it() {
    let host = Host::new();
    let stage = Stage::new(&host);
    let (run, hidden, body) = (stage.run(), stage.hidden(), stage.body("no_calls"));
    let (chunks, size, length) = (chunked(&body), format!("{:x}", body.len()), body.len());
    let encoded = format!("{run}Transfer-Encoding: chunked\r\n\r\n");
    let heads = [
        // Lengths that differ, or are none.
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: {length}, 0\r\n"),
        format!("Content-Length: {length} 0\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: {length}.0\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
        "Content-Length:\r\n".into(),
        format!("Content-Length : {length}\r\n"),
        format!(" Content-Length: {length}\r\n"),
        // Encodings that are none, or not the last.
        "Transfer-Encoding: identity\r\n".into(),
        format!("Transfer-Encoding: identity\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nTransfer-Encoding: identity\r\n"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: chunked, gzip\r\n".into(),
        "Transfer-Encoding: chunked;q=1\r\n".into(),
        "Transfer-Encoding: \u{b}chunked\r\n".into(),
        "Transfer-Encoding: \"chunked\"\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
        "Transfer-Encoding\t: chunked\r\n".into(),
        // Lines that go on in the next one.
        "Transfer-Encoding:\r\n chunked\r\n".into(),
        format!("X-Folded: a\r\n Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\n\tContent-Length: 0\r\n"),
        format!("Content-Length:\r\n {length}\r\n"),
        " X-First: a\r\n".into(),
        // Lines that end in another way than the others.
        "X-Feed: a\nTransfer-Encoding: chunked\r\n".into(),
        format!("X-Feed: a\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nX-Feed: a\nX: b\r\n"),
        format!("Content-Length: {length}\n"),
        format!("X-Return: a\rContent-Length: {length}\r\n"),
        "X-Return: a\rTransfer-Encoding: chunked\r\n".into(),
        format!("Content-Length: {length}\r\r\n"),
    ];
    let mut cases = Vec::new();
    for head in heads {
        let is_encoded = head.contains("chunked");
        cases.push(format!("{run}{head}\r\n{}{hidden}", if is_encoded { &chunks } else { &body }));
    }
    let first = run.replacen("HTTP/1.1\r\n", "HTTP/1.1\n", 1);
    cases.extend([
        // A head that ends twice.
        format!("{run}X-Feed: a\n\n{hidden}"),
        format!("{run}X-Feed: a\r\n\n{hidden}"),
        format!("{run}X-Feed: a\n\r\n{hidden}"),
        format!("{first}Content-Length: {length}\r\n\r\n{body}{hidden}"),
        format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}{hidden}", run.replacen("HTTP/1.1", "HTTP/1.0", 1)),
        // Chunks that end twice, or whose sizes can be read in two ways.
        format!("{encoded}{size}\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}{size};a\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}{size};a\rb\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}{size};{}\r\n{body}\r\n0\r\n\r\n{hidden}", "a".repeat(20_000)),
        format!("{encoded}{size} 0\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}0x{size}\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}+{size}\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded} {size}\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}1{:016x}\r\n{body}\r\n0\r\n\r\n{hidden}", body.len()),
        format!("{encoded}\r\n{size}\r\n{body}\r\n0\r\n\r\n{hidden}"),
        format!("{encoded}{size}\r\n{body}0\r\n\r\n{hidden}"),
        format!("{encoded}{size}\r\n{body}\n0\r\n\r\n{hidden}"),
        format!("{encoded}{size}\r\n{body}\r\n\r\n{hidden}"),
        // Trailers that end twice.
        format!("{encoded}{size}\r\n{body}\r\n0\r\nX-Feed: a\n\n{hidden}"),
        format!("{encoded}{size}\r\n{body}\r\n0\r\nX-Feed: a\nX: b\r\n\r\n{hidden}"),
        format!("{encoded}{size}\r\n{body}\r\n0\r\nX-Return: a\rb\r\n\r\n{hidden}"),
        format!("{encoded}{size}\r\n{body}\r\n0\r\n\n{hidden}"),
    ]);
    for case in cases {
        let heard = stage.heard(&case);
        let said = format!("{}\n→ {}", shown(&case), heard.text);
        // It may have closed before it has taken all, and its answer is lost then.
        assert!(heard.is_closed && heard.statuses.len() <= 1, "{said}");
        assert!(heard.statuses.iter().all(|status| (400..500).contains(status)), "{said}");
        stage.hid_nothing(&said);
    }
    assert_eq!(stage.started("no_calls"), 0);
    still_serves(&stage.author);
}

/// A request within the body of another is a body, whoever reads it or not: the answer after it is that to the next request.
#[test]
fn a_request_within_a_body_is_no_request() {
    let host = Host::new();
    let stage = Stage::new(&host);
    let (run, hidden) = (stage.run(), stage.hidden());
    let nobody = format!("POST {API}/executions HTTP/1.1\r\nHost: {}\r\n", stage.served.address);
    let last = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", stage.served.address);
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let paths = [
        run,
        nobody,
        format!("POST {API}/nowhere HTTP/1.1\r\n{}", stage.head()),
        format!("GET {API}/executions HTTP/1.1\r\n{}", stage.head()),
        format!("DELETE {API}/executions HTTP/1.1\r\n{}", stage.head()),
        format!("GET /healthz HTTP/1.1\r\n{}", stage.head()),
        format!("GET / HTTP/1.1\r\n{}", stage.head()),
        format!("POST /mcp HTTP/1.1\r\n{}", stage.head()),
    ];
    for path in paths {
        for head in [length.clone(), format!("{length}{length}")] {
            let request = format!("{path}{head}\r\n{hidden}{last}");
            let heard = stage.heard(&request);
            let said = format!("{}\n→ {}", shown(&request), heard.text);
            // Whose body nobody reads may find the connection closed.
            assert!(heard.is_closed && (1..=2).contains(&heard.statuses.len()), "{said}");
            assert!(heard.statuses.get(1).is_none_or(|status| *status == 200), "{said}");
            stage.hid_nothing(&said);
        }
        let request = format!("{path}Transfer-Encoding: chunked\r\n\r\n{}{last}", chunked(&hidden));
        let heard = stage.heard(&request);
        let said = format!("{}\n→ {}", shown(&request), heard.text);
        assert!(heard.is_closed && (1..=2).contains(&heard.statuses.len()), "{said}");
        stage.hid_nothing(&said);
    }
    still_serves(&stage.author);
}
