//! Requests that are none, that can be read in two ways, or that ask for what is elsewhere.

use super::*;

#[test]
fn broken_requests_are_refused_or_cut_and_nothing_follows_them() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let head = format!("Host: {}\r\n{}", served.address, author.lines());
    let json = format!("{head}Content-Type: application/json\r\n");
    let runs = format!("POST {API}/executions HTTP/1.1\r\n");
    let hidden = format!("GET {API}/executions HTTP/1.1\r\n{head}\r\n");
    let long = "x".repeat(200_000);
    let many: String = (0..150).map(|number| format!("X-{number}: y\r\n")).collect();
    let cases = [
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET {API}/executions?flow={long} HTTP/1.1\r\n{head}\r\n"),
        format!("{runs}{json}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{{}}\r\n0\r\n\r\n"),
        format!("{runs}{json}Transfer-Encoding: chunked\r\n\r\n-1\r\n{{}}\r\n0\r\n\r\n"),
        format!("{runs}{json}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        format!("{runs}{json}Transfer-Encoding: chunked\r\n\r\n2{long}\r\n{{}}\r\n0\r\n\r\n"),
        format!("{runs}{json}Transfer-Encoding: chunked\r\n\r\n100\r\n{{}}"),
        // Two ends, or one that is said in two ways: what follows is no request of its own.
        format!("{runs}{json}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{runs}{json}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("{runs}{json}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{runs}{json}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{runs}{json}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{runs}{json}Content-Length: +2\r\n\r\n{{}}{hidden}"),
        format!("{runs}{json}Content-Length: -2\r\n\r\n{{}}{hidden}"),
        format!("{runs}{json}Content-Length: 2, 2\r\n\r\n{{}}{hidden}"),
        format!("{runs}{json}Content-Length: 0x2\r\n\r\n{{}}{hidden}"),
        format!("{runs}{json}Content-Length: 99999999999999999999999\r\n\r\n{{}}{hidden}"),
        format!("{runs}{json}X-Bare: a\nX-Null: \0\r\n\r\n{hidden}"),
        format!("{runs}{json} X-Folded: a\r\n b\r\n\r\n{hidden}"),
        // Nothing that is spoken here.
        "GET /healthz\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
        format!("TRACE /healthz HTTP/1.1\r\n{head}\r\n"),
        "GET / HTTP/9.9\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".into(),
        "\r\n\r\n\r\n".into(),
        String::from_utf8_lossy(&[0xff; 300]).into_owned(),
    ];
    for case in cases {
        let said = said(&served, case.as_bytes());
        let text = String::from_utf8_lossy(&said);
        let shown: String = case.chars().take(400).collect();
        assert!(status(&said).is_none_or(|status| (400..500).contains(&status)), "{shown}\n→ {text}");
        assert!(text.matches("HTTP/1.").count() <= 1, "{shown}\n→ {text}");
    }
    still_serves(&author);
}

#[test]
fn nothing_else_is_spoken_on_request() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    for path in ["/healthz", "/mcp", "/api/v1/stream"] {
        for upgrade in [socket, h2c] {
            let said = said(
                &served,
                format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{}{upgrade}\r\n", served.address, author.lines()).as_bytes(),
            );
            let status = status(&said).unwrap();
            assert!((200..500).contains(&status), "{path} {upgrade}: {status}");
        }
    }
    // A name of somebody else's in the address makes no difference to who is asked.
    let elsewhere =
        format!("GET http://evil.example{API}/executions HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&said(&served, elsewhere.as_bytes())), Some(401));
    still_serves(&author);
}

#[test]
fn paths_lead_nowhere_else() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let up = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..;/",
        "..\\",
        "..%5c",
        "%c0%ae%c0%ae/",
        "%252e%252e%252f",
        "....//",
        "%00/../",
        "./../",
    ];
    let ends = ["etc/passwd", "Cargo.toml", "access.key", "kitaru.db"];
    let below = [
        "/",
        "/js/",
        "/api/v1/",
        "/api/v1/artifacts/",
        "/api/v1/components/",
        "/api/v1/executions/",
        "/answer/",
        "/mcp/",
        "//",
        "/%2f/",
    ];
    for start in below {
        for (number, step) in up.iter().enumerate() {
            let path = format!("{start}{}{}", step.repeat(6), ends[number % ends.len()]);
            let answer = until("an answer", || Some(author.get(&path)).filter(|answer| answer.status != 429));
            let text = String::from_utf8_lossy(&answer.body);
            // A view of the page is the page, whatever stands in its address.
            let is_page = answer.status == 200 && answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert!(is_page || matches!(answer.status, 400 | 404 | 405), "{path}: {} {text}", answer.status);
            assert!(
                !text.contains("root:") && !text.contains("[workspace]") && !text.contains("SQLite format"),
                "{path}: {text}"
            );
        }
    }
    for path in [
        "/api/v1/executions/%00",
        "/api/v1/executions/%ff%fe",
        "/api/v1//executions",
        "/api/v1/executions/",
        "/api/v1/executions/latest/",
    ] {
        let answer = author.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
}

#[test]
fn bodies_that_are_no_honest_json_are_refused() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let path = format!("{API}/executions");
    let digits = "9".repeat(100_000);
    let keys: String = (0..100_000).map(|number| format!("\"k{number}\":0,")).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"{\"flow\": \"a\", \"flow\": \"b\"}".to_vec(), "a field twice"),
        (b"{\"flow\": \"\xff\xfe\"}".to_vec(), "no UTF-8"),
        (b"{\"flow\": \"\\ud800\"}".to_vec(), "half a character"),
        (format!("{{\"input\": {}{}}}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes(), "deep"),
        (
            format!("{{\"input\": {}1{}}}", "[".repeat(127), "]".repeat(127)).into_bytes(),
            "as deep as is read, and nothing to start",
        ),
        (b"{\"retries\": 1e999}".to_vec(), "infinity"),
        (format!("{{\"retries\": {digits}}}").into_bytes(), "many digits"),
        (b"{\"retries\": -1}".to_vec(), "less than nothing"),
        (b"{\"retries\": 0.5}".to_vec(), "a part"),
        (b"{\"retries\": NaN}".to_vec(), "no number"),
        (format!("{{{}\"x\":0}}", keys).into_bytes(), "many fields"),
        (b"{} {}".to_vec(), "two bodies"),
        (b"\xef\xbb\xbf{}".to_vec(), "a mark of order"),
        (b"null".to_vec(), "nothing"),
        (vec![b'['; 4 << 20], "brackets"),
    ];
    for (body, what) in cases {
        let answer = author.send("POST", &path, Some("application/json"), &body);
        assert_eq!(answer.status, 400, "{what}: {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.body.len() < 4_096, "{what}: what was sent is not sent back");
    }
    still_serves(&author);
}
