//! The same under TLS, and over HTTP/2.

use std::sync::Arc;

use h2::client::SendRequest;
use http::Request;
use kitaru_tests::repository;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;

/// A host with the certificate of the tests.
fn encrypted(host: &Host) -> Served {
    let file = |name: &str| repository().join("tests/src/tls").join(name).display().to_string();
    Served::start_with(host, &["--tls-certificate", &file("localhost.pem"), "--tls-key", &file("localhost.key")])
}

type Tls = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// A client that trusts the tests' authority, and speaks this protocol.
async fn client(served: &Served, protocol: &[u8]) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(repository().join("tests/src/tls/authority.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

/// A client over HTTP/2, whose connection is held by a task.
async fn over_http_2(served: &Served) -> SendRequest<bytes::Bytes> {
    let (sender, connection) = h2::client::handshake(client(served, b"h2").await).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

fn request(path: &str, key: &str) -> Request<()> {
    Request::get(format!("https://localhost{path}")).header("authorization", key).body(()).unwrap()
}

/// Asks over HTTP/2, and reads the answer to its end.
async fn asked(sender: &SendRequest<bytes::Bytes>, path: &str, key: &str) -> Result<(u16, Vec<u8>), h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (answer, _) = sender.send_request(request(path, key), true)?;
    let answer = answer.await?;
    let (status, mut body, mut whole) = (answer.status().as_u16(), answer.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok((status, whole))
}

/// The key of somebody, as a header has it.
fn key_of(asking: &Asking) -> String {
    asking.lines().trim().strip_prefix("Authorization: ").unwrap().to_owned()
}

#[test]
fn a_host_with_a_certificate_speaks_http_1_and_2() {
    let host = Host::new();
    let served = encrypted(&host);
    let key = key_of(&served.account(&host, "eyes", "viewer", &[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = client(&served, b"http/1.1").await;
        let head =
            format!("GET {API}/executions HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert_eq!(answered(&said).unwrap().expect(200)["total"], 0);
        let sender = over_http_2(&served).await;
        let path = format!("{API}/executions");
        // As many as one connection has at a time, before the host has said how many those are.
        let all = (0..50).map(|_| asked(&sender, &path, &key));
        for answer in futures_util::future::join_all(all).await {
            let (status, body) = answer.unwrap();
            assert_eq!((status, serde_json::from_slice::<Value>(&body).unwrap()["total"].clone()), (200, json!(0)));
        }
        assert_eq!(asked(&sender, &path, "Bearer kh_wrong").await.unwrap().0, 401);
        assert_eq!(asked(&sender, "/", "").await.unwrap().0, 200);
    });
    // What is no TLS is none.
    let plain = said(&served, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!plain.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&plain));
}

/// Asks over HTTP/1.1, with these lines.
async fn said_over_tls(served: &Served, lines: &str, body: &str) -> Answered {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = client(served, b"http/1.1").await;
    let head = format!("{lines}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    answered(&said).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&said)))
}

#[test]
fn what_a_browser_gets_over_tls_stays_there() {
    let host = Host::new();
    let served = encrypted(&host);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let lines = format!(
            "POST {API}/session HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/json"
        );
        let code = json!({ "code": served.login_code }).to_string();
        let entered = said_over_tls(&served, &lines, &code).await;
        assert_eq!(entered.expect(200)["who"], "owner");
        let cookie = entered.header("set-cookie").unwrap();
        for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.split("; ").any(|part| part == word), "{word}: {cookie}");
        }
        // Names of this machine are other programs' too, which may have no TLS.
        for (name, expected) in [
            ("flows.example", Some("max-age=31536000")),
            ("flows.example:8383", Some("max-age=31536000")),
            ("localhost", None),
            ("LocalHost:8383", None),
            ("flows.localhost", None),
        ] {
            for path in ["/", "/healthz", &format!("{API}/executions")] {
                let answer = said_over_tls(&served, &format!("GET {path} HTTP/1.1\r\nHost: {name}"), "").await;
                assert_eq!(answer.header("strict-transport-security"), expected, "{name}{path}");
            }
        }
    });
}

#[test]
fn requests_that_are_taken_back_at_once_and_handshakes_that_stall_keep_nobody_waiting() {
    let host = Host::new();
    let served = encrypted(&host);
    let key = key_of(&served.account(&host, "eyes", "viewer", &[]));
    let before = memory_of(&served);
    // The beginning of a client's first message, and nothing at all.
    let stalled: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = served.connect();
            if number % 2 == 0 {
                stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
            }
            stream
        })
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let path = format!("{API}/executions");
        let mut refused = 0;
        for _ in 0..4 {
            let sender = over_http_2(&served).await;
            for _ in 0..2_000 {
                let Ok(mut ready) = sender.clone().ready().await else { break };
                let Ok((answer, mut stream)) = ready.send_request(request(&path, "Bearer kh_wrong"), false) else { break };
                stream.send_reset(h2::Reason::CANCEL);
                drop(answer);
                // Otherwise neither would be sent.
                tokio::task::yield_now().await;
            }
            // Whoever does that is told to calm down, or answered.
            refused += usize::from(asked(&sender, "/healthz", "").await.is_err());
        }
        println!("{refused} of 4 connections were cut");
        let began = Instant::now();
        let (status, _) = asked(&over_http_2(&served).await, &path, &key).await.unwrap();
        assert_eq!(status, 200);
        assert!(began.elapsed() < PROMPTLY, "after {:?}", began.elapsed());
    });
    if let (Some(before), Some(after)) = (before, memory_of(&served)) {
        assert!(after.saturating_sub(before) < 150, "{before} MiB before, {after} MiB after");
    }
    drop(stalled);
}
