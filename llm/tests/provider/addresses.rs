//! Which addresses are connected to.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kitaru_llm::provider::{
    AddressPolicy, AnyAddress, Delivery, Endpoint, NameService, SystemNames, Transport, TransportConfig, TransportError,
};
use serde_json::json;

use crate::peer::{Peer, json as json_answer};
use crate::scenes::request;

/// Names that mean another address each time they are asked for.
#[derive(Default)]
struct Changing {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl NameService for Changing {
    async fn addresses(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop().ok_or_else(|| io::Error::other("no such name"))
    }
}

/// Refuses what is not in its list.
struct Only(Vec<IpAddr>, Mutex<Vec<(String, IpAddr)>>);

impl AddressPolicy for Only {
    fn check(&self, host: &str, address: IpAddr) -> Result<(), String> {
        self.1.lock().unwrap().push((host.to_owned(), address));
        if self.0.contains(&address) { Ok(()) } else { Err("private address".into()) }
    }

    fn check_proxied(&self, host: &str) -> Result<(), String> {
        if host == "proxied.example" { Ok(()) } else { Err("not through a proxy".into()) }
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn ask(peer: &Peer, host: &str, names: Arc<Changing>, policy: Arc<dyn AddressPolicy>) -> Result<(), TransportError> {
    let config = TransportConfig { system_proxy: false, ..TransportConfig::default() };
    let transport = Transport::new(&config, names, policy).unwrap();
    let base = format!("http://{host}:{}", peer.address.port());
    let prepared =
        Endpoint::of_provider("ollama", Some(&base), None).unwrap().prepare(&request(), "m-1", Delivery::Whole).unwrap();
    transport.send(&prepared).await.map(|_| ())
}

fn names(answers: &[&[&str]]) -> Arc<Changing> {
    let answers = answers.iter().rev().map(|answer| answer.iter().map(|text| address(text)).collect()).collect();
    Arc::new(Changing { answers: Mutex::new(answers), ..Changing::default() })
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_reached() {
    let peer = Peer::start(|_, _| Some(json_answer(&json!({})))).await;
    // The second answer would lead elsewhere: nobody asks for it.
    let rebinding = names(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let policy = Arc::new(Only(vec![address("127.0.0.1")], Mutex::default()));
    ask(&peer, "api.example", Arc::clone(&rebinding), policy.clone()).await.unwrap();
    assert_eq!(rebinding.asked.load(Ordering::SeqCst), 1);
    assert_eq!(*policy.1.lock().unwrap(), [("api.example".to_owned(), address("127.0.0.1"))]);

    // Of several addresses the refused ones are left out.
    let several = names(&[&["127.0.0.3", "127.0.0.1"]]);
    ask(&peer, "api.example", several, policy).await.unwrap();
    assert_eq!(peer.seen().len(), 2);
}

#[tokio::test]
async fn refused_addresses_are_not_reached() {
    let peer = Peer::start(|_, _| Some(json_answer(&json!({})))).await;
    for (host, answer, refused) in [
        ("api.example", "127.0.0.1", "127.0.0.1"),
        ("api.example", "::ffff:127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "203.0.113.1", "127.0.0.1"),
        // Other ways to write an address are the same address.
        ("2130706433", "203.0.113.1", "127.0.0.1"),
        ("0x7f.1", "203.0.113.1", "127.0.0.1"),
    ] {
        let policy = Arc::new(Only(vec![address("203.0.113.1")], Mutex::default()));
        let error = ask(&peer, host, names(&[&[answer]]), policy).await.unwrap_err();
        let expected = address(refused);
        assert!(
            matches!(&error, TransportError::Refused { address: Some(found), .. } if *found == expected),
            "{host}: {error:?}"
        );
        assert!(error.to_string().ends_with("may not be connected to: private address"), "{error}");
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn names_that_nobody_knows() {
    let peer = Peer::always(200, &[], "{}").await;
    let error = ask(&peer, "nowhere.example", names(&[]), Arc::new(AnyAddress)).await.unwrap_err();
    assert!(matches!(&error, TransportError::Unreachable { reason, .. } if reason == "no such name"), "{error:?}");
    let error = ask(&peer, "nowhere.example", names(&[&[]]), Arc::new(AnyAddress)).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
}

/// Set in the process that the test below starts.
const BEHIND_PROXY: &str = "KITARU_TEST_BEHIND_PROXY";

/// The settings of the system are read from the environment, so they need a process of their own: this test again, with a proxy.
#[tokio::test]
async fn proxies_of_the_system_are_respected() {
    if std::env::var_os(BEHIND_PROXY).is_some() {
        return in_a_process_with_a_proxy().await;
    }
    let proxy = Peer::start(|_, _| Some(json_answer(&json!({})))).await;
    let child = tokio::task::spawn_blocking({
        let url = proxy.url();
        move || {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "addresses::proxies_of_the_system_are_respected"])
                .env(BEHIND_PROXY, "1")
                .env("http_proxy", &url)
                .env("no_proxy", "direct.example")
                .env_remove("REQUEST_METHOD")
                .output()
                .unwrap()
        }
    });
    let output = child.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let [seen] = proxy.seen().try_into().unwrap();
    assert_eq!(seen.path, "http://proxied.example/chat/completions");
    assert_eq!(seen.header("authorization"), Some("Bearer planted-key"));
}

async fn in_a_process_with_a_proxy() {
    let policy = Arc::new(Only(vec![], Mutex::default()));
    let transport = Transport::new(&TransportConfig::default(), Arc::new(SystemNames), policy.clone()).unwrap();
    let ask = async |host: &str| {
        let key = kitaru_llm::provider::Secret::new("planted-key");
        let endpoint = Endpoint::of_provider("openai", Some(&format!("http://{host}")), Some(key)).unwrap().allow_plain_http();
        transport.send(&endpoint.prepare(&request(), "m-1", Delivery::Whole).unwrap()).await
    };
    ask("proxied.example").await.unwrap();
    let refused = |outcome| matches!(outcome, Err(TransportError::Refused { .. }));
    assert!(refused(ask("other.example").await), "a policy may refuse names behind a proxy");
    assert!(refused(ask("10.0.0.1").await), "an address is an address, with a proxy too");
    let own = ask("localhost:9").await.unwrap_err();
    assert!(
        matches!(&own, TransportError::Refused { address: Some(_), .. }),
        "looked up here and not asked of the proxy: {own:?}"
    );
    assert!(
        matches!(ask("direct.example").await, Err(TransportError::Unreachable { .. })),
        "named by no_proxy, and no such name"
    );
}

/// Set in the process that the test below starts.
const BEHIND_SOCKS: &str = "KITARU_TEST_BEHIND_SOCKS";

/// A proxy that speaks SOCKS 5, as far as it must: it is told a name, and connects to `to` whatever that is. The names that it was told.
async fn socks(to: std::net::SocketAddr) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, told) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heard = told.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting).await.unwrap();
            let mut methods = vec![0; usize::from(greeting[1])];
            client.read_exact(&mut methods).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            let mut wanted = [0; 5];
            client.read_exact(&mut wanted).await.unwrap();
            assert_eq!((wanted[0], wanted[1], wanted[3]), (5, 1, 3), "a connection, by name");
            let mut name = vec![0; usize::from(wanted[4]) + 2];
            client.read_exact(&mut name).await.unwrap();
            heard.lock().unwrap().push(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned());
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let mut peer = tokio::net::TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut peer).await });
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_proxy_may_speak_socks() {
    if std::env::var_os(BEHIND_SOCKS).is_some() {
        return in_a_process_with_a_proxy_that_speaks_socks().await;
    }
    let peer = Peer::start(|_, _| Some(json_answer(&json!({})))).await;
    let to = peer.url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let (proxy, told) = socks(to).await;
    let child = tokio::task::spawn_blocking(move || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "addresses::a_proxy_may_speak_socks"])
            .env(BEHIND_SOCKS, "1")
            .env("all_proxy", format!("socks5h://{proxy}"))
            .env_remove("REQUEST_METHOD")
            .output()
            .unwrap()
    });
    let output = child.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(*told.lock().unwrap(), ["proxied.example"]);
    let [seen] = peer.seen().try_into().unwrap();
    assert_eq!(seen.header("authorization"), Some("Bearer planted-key"));
}

async fn in_a_process_with_a_proxy_that_speaks_socks() {
    let policy = Arc::new(Only(vec![], Mutex::default()));
    let transport = Transport::new(&TransportConfig::default(), Arc::new(SystemNames), policy).unwrap();
    let ask = async |host: &str| {
        let key = kitaru_llm::provider::Secret::new("planted-key");
        let endpoint = Endpoint::of_provider("openai", Some(&format!("http://{host}")), Some(key)).unwrap().allow_plain_http();
        transport.send(&endpoint.prepare(&request(), "m-1", Delivery::Whole).unwrap()).await
    };
    ask("proxied.example").await.unwrap();
    assert!(matches!(ask("other.example").await, Err(TransportError::Refused { .. })), "the policy counts here too");
}
