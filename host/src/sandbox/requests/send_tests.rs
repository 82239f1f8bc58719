//! The policy with names that lead where a test wants, and servers that behave in every way.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Empty};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::client::Client;
use super::names::Names;
use super::read::read;
use crate::mutex::lock;
use crate::sandbox::audit::Audit;
use crate::sandbox::limits::Limits;
use crate::sandbox::network::NetPolicy;
use crate::sandbox::secrets::tests::asked;

/// What each name leads to, look-up by look-up; the last answer stays.
#[derive(Default)]
struct Planned {
    answers: Mutex<HashMap<&'static str, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Names for Planned {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = lock(&self.answers);
        let planned = answers.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        Ok(if planned.len() > 1 { planned.remove(0) } else { planned[0].clone() })
    }
}

fn planned(answers: &[(&'static str, &[&[&str]])]) -> Arc<Planned> {
    let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let answers = answers.iter().map(|(name, answers)| (*name, answers.iter().map(parse).collect())).collect();
    Arc::new(Planned { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
}

struct Scene {
    client: Arc<Client>,
    names: Arc<Planned>,
    audit: Audit,
    placeholder: Option<String>,
}

fn scene(grants: &[&str], secret: Option<&str>, limits: Limits, answers: &[(&'static str, &[&[&str]])]) -> Scene {
    let grants: Vec<_> = grants.iter().map(|text| text.parse().unwrap()).collect();
    let (audit, names) = (Audit::default(), planned(answers));
    let (secrets, given) = match secret {
        Some(secret) => asked(&[secret], &["gh"]),
        None => asked(&[], &[]),
    };
    let network = Arc::new(NetPolicy::new(&grants, &audit));
    let client = Client::with_names(&network, &Arc::new(secrets), &audit, limits, names.clone());
    Scene { client, names, audit, placeholder: given.first().cloned() }
}

fn request(url: &str) -> http::Request<WasiBody> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    http::Request::builder().uri(url).body(body).unwrap()
}

impl Scene {
    async fn addresses(&self, url: &str) -> Result<Vec<IpAddr>, Error> {
        let target = read(request(url).into_parts().0)?.target;
        self.client.addresses(&target, &target.to_string()).await
    }

    async fn send(&self, request: http::Request<WasiBody>) -> Result<http::Response<WasiBody>, Error> {
        self.client.send(request, RequestOptions::default(), self.client.place(0)?).await
    }
}

/// Every form in which an address that is not public can be written down.
#[tokio::test]
async fn an_address_that_is_not_public_is_refused_in_every_form() {
    let scene = scene(
        &["*"],
        None,
        Limits::default(),
        &[
            ("intranet.example", &[&["10.0.0.1"]]),
            ("mapped.example", &[&["::ffff:169.254.169.254"]]),
            ("nat64.example", &[&["64:ff9b::a9fe:a9fe"]]),
            // What a resolver makes of other ways to write 127.0.0.1.
            ("0x7f.1", &[&["127.0.0.1"]]),
            ("2130706433", &[&["127.0.0.1"]]),
            ("127.1", &[&["127.0.0.1"]]),
            ("0177.0.0.1", &[&["127.0.0.1"]]),
            ("sub.localhost", &[&["127.0.0.1", "::1"]]),
        ],
    );
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[2001:0:4136:e378:8000:63bf:5601:5601]",
        "intranet.example",
        "mapped.example",
        "nat64.example",
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "sub.localhost",
    ] {
        let found = scene.addresses(&format!("http://{host}/latest/meta-data/")).await;
        assert!(matches!(found, Err(Error::DestinationIpProhibited)), "{host}: {found:?}");
    }
    let found = scene.addresses("http://localhost/").await;
    assert!(matches!(found, Err(Error::HttpRequestDenied)), "`*` is not for localhost: {found:?}");
    let denial = &scene.audit.denials()[0];
    assert!(
        denial.contains("127.0.0.1, no address of the public Internet (grant it with --allow-net=http://127.0.0.1)"),
        "{denial}"
    );
}

/// DNS rebinding: what a name leads to is looked up once for each request, all of it is checked, and the rest is not connected to.
#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_leads_nowhere() {
    let answers: [(&'static str, &[&[&str]]); 2] =
        [("rebinds.example", &[&["93.184.216.34"], &["127.0.0.1"]]), ("both.example", &[&["127.0.0.1", "93.184.216.34"]])];
    let scene = scene(&["rebinds.example", "both.example"], None, Limits::default(), &answers);
    let public: IpAddr = "93.184.216.34".parse().unwrap();
    assert_eq!(scene.addresses("http://rebinds.example/").await.unwrap(), [public]);
    assert!(matches!(scene.addresses("http://rebinds.example/").await, Err(Error::DestinationIpProhibited)));
    assert_eq!(scene.names.asked.load(Ordering::Relaxed), 2, "one look-up for each request");
    assert_eq!(scene.addresses("http://both.example/").await.unwrap(), [public]);
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_not_looked_up() {
    let scene = scene(&["https://a.example", "GET b.example/x"], None, Limits::default(), &[("a.example", &[&["1.1.1.1"]])]);
    for url in ["https://b.example/y", "https://evil.example/", "http://a.example/", "https://a.example.evil.example/"] {
        assert!(matches!(scene.addresses(url).await, Err(Error::HttpRequestDenied)), "{url}");
    }
    assert_eq!(scene.names.asked.load(Ordering::Relaxed), 0);
    let denials = scene.audit.denials();
    assert_eq!(denials[0], "the request GET https://b.example:443/y (grant it with --allow-net=https://b.example)");
}

/// A server that answers each connection with `reply`, and then leaves it as it is. What it was asked comes out of the receiver.
fn server(reply: impl Into<Vec<u8>>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (tell, told), reply) = (listener.local_addr().unwrap().port(), channel(), reply.into());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let _ = tell.send(String::from_utf8_lossy(&head).into_owned());
            let _ = stream.write_all(&reply);
            kept.push(stream);
        }
    });
    (port, told)
}

const HERE: [(&str, &[&[&str]]); 1] = [("here.example", &[&["127.0.0.1"]])];

fn to_here(port: u16, secret: Option<&str>, limits: Limits) -> Scene {
    scene(&["here.example", &format!("127.0.0.1:{port}")], secret, limits, &HERE)
}

#[tokio::test]
async fn the_address_that_was_checked_is_connected_to_under_the_name_that_was_asked_for() {
    let (port, told) = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let scene = to_here(port, None, Limits::default());
    let response = scene.send(request(&format!("http://here.example:{port}/a?b=c"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hi");
    let head = told.recv().unwrap();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert_eq!(head.matches(&format!("host: here.example:{port}\r\n")).count(), 1, "{head}");
    let noted: Vec<_> = scene.audit.accesses().into_iter().map(|access| access.target).collect();
    assert_eq!(noted, ["here.example".to_owned(), format!("GET http://here.example:{port}/a")], "without the query");
}

#[tokio::test]
async fn a_secret_goes_where_it_may_and_comes_back_in_no_header() {
    let (port, told) = server("HTTP/1.1 200 OK\r\nX-Echo: Bearer value-of-gh.KEY\r\nContent-Length: 0\r\n\r\n");
    let scene = to_here(port, Some("gh@here.example"), Limits::default());
    let mut asking = request(&format!("http://here.example:{port}/"));
    let bearer = format!("Bearer {}", scene.placeholder.as_ref().unwrap());
    asking.headers_mut().insert("authorization", bearer.parse().unwrap());
    let response = scene.send(asking).await.unwrap();
    assert_eq!(response.headers()["x-echo"], "Bearer [redacted]");
    assert!(told.recv().unwrap().contains("authorization: Bearer value-of-gh.KEY\r\n"));

    let scene = to_here(port, Some("gh@elsewhere.example"), Limits::default());
    let mut asking = request(&format!("http://here.example:{port}/"));
    asking.headers_mut().insert("authorization", scene.placeholder.as_ref().unwrap().parse().unwrap());
    assert!(matches!(scene.send(asking).await, Err(Error::HttpRequestDenied)));
    assert!(told.try_recv().is_err(), "nobody was asked");
}

fn quick() -> Limits {
    Limits { request_seconds: 1, response_mib: 1, requests: 2, ..Limits::default() }
}

/// The failure that the guest's own becomes.
fn explained(scene: &Scene) -> (String, bool) {
    let failure = scene.client.explained(crate::journal::Failure::user("error", "guest"));
    (failure.message, failure.retryable)
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (port, _told) = server("");
    let scene = to_here(port, None, quick());
    let url = format!("http://here.example:{port}/");
    assert!(matches!(scene.send(request(&url)).await, Err(Error::HttpResponseTimeout)));
    let (message, retryable) = explained(&scene);
    assert!(message.contains("`request_seconds` of 1 s") && message.contains(&format!("GET {url}")) && retryable, "{message}");
    // The guest's own patience is its own affair.
    let options = RequestOptions { first_byte_timeout: Some(std::time::Duration::ZERO), ..RequestOptions::default() };
    let answer = scene.client.send(request(&url), options, scene.client.place(0).unwrap()).await;
    assert!(matches!(answer, Err(Error::HttpResponseTimeout)));
    assert_eq!(explained(&scene), ("guest".to_owned(), false));
}

#[tokio::test]
async fn a_body_that_pauses_is_not_waited_for() {
    let (port, _told) = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    let scene = to_here(port, None, quick());
    let mut body = scene.send(request(&format!("http://here.example:{port}/"))).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
    assert!(matches!(body.frame().await, Some(Err(Error::ConnectionReadTimeout))));
    assert!(explained(&scene).0.contains("`request_seconds`"));
}

#[tokio::test]
async fn a_response_has_a_size() {
    let mut reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    reply.extend(vec![b'x'; (1 << 20) + 1]);
    let (port, _told) = server(reply);
    let scene = to_here(port, None, quick());
    let response = scene.send(request(&format!("http://here.example:{port}/"))).await.unwrap();
    let read = response.into_body().collect().await;
    assert!(matches!(read, Err(Error::HttpResponseBodySize(Some(size))) if size == 1 << 20), "{read:?}");
    let (message, retryable) = explained(&scene);
    assert!(message.contains("`response_mib` of 1 MiB") && !retryable, "{message}");
}

#[tokio::test]
async fn a_head_has_a_size_and_a_form() {
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 4 << 20]].concat();
    let many = ["HTTP/1.1 200 OK\r\n".to_owned(), "X: y\r\n".repeat(1_000), "\r\n".to_owned()].concat();
    for reply in [endless, many.into_bytes(), b"SSH-2.0-server\r\n\r\n".to_vec()] {
        let (port, _told) = server(reply);
        let scene = to_here(port, None, Limits::default());
        let answer = scene.send(request(&format!("http://here.example:{port}/"))).await;
        assert!(matches!(answer, Err(Error::HttpResponseHeaderSectionSize(_) | Error::HttpProtocolError)), "{answer:?}");
    }
}

#[tokio::test]
async fn requests_and_sockets_are_counted_while_they_are_open() {
    let (port, _told) = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    let scene = to_here(port, None, quick());
    let url = format!("http://here.example:{port}/");
    let first = scene.send(request(&url)).await.unwrap();
    let second = scene.send(request(&url)).await.unwrap();
    assert!(matches!(scene.send(request(&url)).await, Err(Error::ConnectionLimitReached)));
    let (message, retryable) = explained(&scene);
    assert!(message.contains("`requests` of 2") && !retryable, "{message}");
    drop(first);
    assert!(!scene.client.has_room(1), "a socket counts");
    drop(scene.send(request(&url)).await.unwrap());
    drop(second);
    assert!(scene.client.has_room(1) && !scene.client.has_room(2));
}

#[tokio::test]
async fn nobody_answers_where_nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scene = to_here(port, None, Limits::default());
    let answer = scene.send(request(&format!("http://here.example:{port}/"))).await;
    assert!(matches!(answer, Err(Error::ConnectionRefused)), "{answer:?}");
    assert_eq!(explained(&scene).0, "guest", "that is no limit");
}
