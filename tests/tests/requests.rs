//! HTTP requests of checkpoints: what a grant lets through, what is refused in which words, and how each of them ends.

use std::net::TcpListener;

use kitaru_tests::web::{Asked, Say};
use kitaru_tests::{Host, Reply, Web, fixture};
use serde_json::{Value, json};

fn run(host: &Host, flow: &str, input: &Value, flags: &[&str]) -> Reply {
    let (target, input) = (fixture(&format!("requests:{flow}")), input.to_string());
    host.json([&["run", &target, "--input", &input], flags].concat())
}

fn get(url: &str) -> Value {
    json!({ "asked": { "method": "GET", "url": url } })
}

fn fetch(host: &Host, asked: &Value, flags: &[&str]) -> Reply {
    run(host, "fetch", &json!({ "asked": asked }), flags)
}

/// The request was refused, and the failure names the flag.
#[track_caller]
fn denied(reply: &Reply, flag: &str) {
    let error = reply.refused("KitaruExecutionError", &[flag]);
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("capability"), &json!("runtime")), "{reply:?}");
}

#[test]
fn a_request_is_sent_and_answered() {
    let (host, web) = (Host::new(), Web::new(|asked| Say::text(asked.body.clone()).with("X-Said", "yes")));
    let asked = json!({
        "method": "PUT", "url": web.url("/notes/1?a=b#c"), "headers": [["X-Own", "1"], ["X-Own", "2"]], "query": [["q", "tea & cake"]],
        "body": "a note",
    });
    let answer = fetch(&host, &asked, &[&web.grant()]).item()["result"].clone();
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("a note")));
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-said", "yes"])), "{answer}");
    let [asked] = web.asked().try_into().unwrap();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", "/notes/1?a=b&q=tea%20%26%20cake"));
    assert_eq!((asked.header("x-own"), asked.header("content-length")), (vec!["1", "2"], vec!["6"]));
    assert_eq!(asked.header("host"), [format!("127.0.0.1:{}", web.port)]);
}

#[test]
fn a_request_is_granted_by_host_scheme_port_method_and_path() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi")));
    let port = web.port;
    let url = web.url("/v1/users");
    for grant in [
        format!("127.0.0.1:{port}"),
        "127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/v1/*"),
        format!("GET,HEAD http://127.0.0.1:{port}/v1/users"),
        "GET 127.0.0.1".to_owned(),
    ] {
        let flag = format!("--allow-net={grant}");
        assert_eq!(run(&host, "fetch", &get(&url), &[&flag]).item()["result"]["body"], "hi", "{grant}");
    }
    let count = web.asked().len();
    for grant in [
        "*".to_owned(),
        "example.com".to_owned(),
        "localhost".to_owned(),
        "127.0.0.1:1".to_owned(),
        "http://127.0.0.1".to_owned(),
        format!("https://127.0.0.1:{port}"),
        format!("POST http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/v2/*"),
        format!("http://127.0.0.1:{port}/v1"),
    ] {
        denied(
            &run(&host, "fetch", &get(&url), &[&format!("--allow-net={grant}")]),
            &format!("--allow-net=http://127.0.0.1:{port}"),
        );
    }
    // What leaves the granted path by another way of writing it.
    let flag = format!("--allow-net=http://127.0.0.1:{port}/v1/*");
    for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/..%2fadmin", "/v1/%252e%252e/admin", "/v1//admin", "/v1/..;/admin"] {
        denied(&run(&host, "fetch", &get(&web.url(path)), &[&flag]), "--allow-net=");
    }
    for header in ["X-HTTP-Method-Override", "X-Original-URL"] {
        let asked = json!({ "method": "GET", "url": url, "headers": [[header, "/admin"]] });
        denied(&fetch(&host, &asked, &[&flag]), "--allow-net=");
    }
    assert_eq!(web.asked().len(), count, "nothing of this was sent");
}

#[test]
fn a_name_is_granted_as_a_name() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi")));
    let flag = format!("--allow-net=http://localhost:{}", web.port);
    for name in ["localhost", "LOCALHOST", "localhost."] {
        let url = format!("http://{name}:{}/", web.port);
        assert_eq!(run(&host, "fetch", &get(&url), &[&flag]).item()["result"]["body"], "hi", "{name}");
    }
    assert!(web.asked().iter().all(|asked| asked.header("host") == [format!("localhost:{}", web.port)]));
    denied(&run(&host, "fetch", &get(&web.url("/")), &[&flag]), "--allow-net=http://127.0.0.1");
    // Names that a resolver reads as the address, under a grant for all names.
    for name in ["127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "[::1]"] {
        let reply = run(&host, "fetch", &get(&format!("http://{name}:{}/", web.port)), &["--allow-net=*"]);
        assert_eq!(reply.code, Some(1), "{name}{reply:?}");
    }
    assert_eq!(web.asked().len(), 3);
}

/// The host follows nothing: a guest that follows makes a request of its own, which is checked like any other.
#[test]
fn a_redirect_leads_nowhere_that_is_not_granted() {
    let (host, inner) = (Host::new(), Web::always(Say::text("inner")));
    let targets = ["http://169.254.169.254/latest/meta-data/".to_owned(), inner.url("/"), "http://[::1]:1/".to_owned()];
    for target in &targets {
        let to = target.clone();
        let web = Web::new(move |_| Say::redirect(&to));
        let answer = run(&host, "fetch", &get(&web.url("/")), &[&web.grant(), "--allow-net=*"]).item()["result"].clone();
        assert_eq!(answer["status"], 302, "the guest sees the redirect itself");
        assert!(answer["headers"].as_array().unwrap().contains(&json!(["location", target])), "{answer}");
        let origin = target.trim_end_matches("/latest/meta-data/").trim_end_matches('/');
        denied(
            &run(&host, "follow", &json!({ "url": web.url("/") }), &[&web.grant(), "--allow-net=*"]),
            &format!("--allow-net={origin}"),
        );
    }
    assert!(inner.asked().is_empty());
    let web = Web::new({
        let to = inner.url("/");
        move |_| Say::redirect(&to)
    });
    let followed = run(&host, "follow", &json!({ "url": web.url("/") }), &[&web.grant(), &inner.grant()]).item();
    assert_eq!(followed["result"]["body"], "inner", "where both are granted, a guest may follow");
}

#[test]
fn what_a_guest_may_not_say_is_refused() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi")));
    let with = |headers: Value| json!({ "method": "POST", "url": web.url("/"), "headers": headers, "body": "12345" });
    let bad = [
        with(json!([["Host", "other.example"]])),
        with(json!([["Connection", "Upgrade"]])),
        with(json!([["Transfer-Encoding", "chunked"]])),
        with(json!([["Upgrade", "h2c"]])),
        with(json!([["Proxy-Authorization", "Basic eA=="]])),
        with(json!([["X", "a\r\nX-Injected: b"]])),
        with(json!([["X-Injected: b\r\nX", "a"]])),
        with(json!([["Content-Length", "3"], ["Content-Length", "5"]])),
        with(json!([["Content-Length", "+5"]])),
        json!({ "method": "CONNECT", "url": web.url("/") }),
        json!({ "method": "TRACE", "url": web.url("/") }),
        json!({ "method": "GET / HTTP/1.1\r\nX-Injected: b\r\n\r\nGET", "url": web.url("/") }),
        json!({ "method": "GET", "url": format!("http://user@127.0.0.1:{}/", web.port) }),
        json!({ "method": "GET", "url": format!("http://127.0.0.1:{}/a b", web.port) }),
        json!({ "method": "GET", "url": "http://127.0.0.1:99999/" }),
        json!({ "method": "GET", "url": format!("ftp://127.0.0.1:{}/", web.port) }),
    ];
    for asked in bad {
        let reply = fetch(&host, &asked, &[&web.grant()]);
        let error = reply.error();
        assert_eq!(error["failure_kind"], "http", "{asked}{reply:?}");
    }
    assert!(web.asked().is_empty(), "{:?}", web.asked());
    // A body that is not as long as it says is sent to nobody as if it were whole.
    let short = json!({ "method": "POST", "url": web.url("/"), "headers": [["Content-Length", "9"]], "body": "12345" });
    assert_eq!(fetch(&host, &short, &[&web.grant()]).code, Some(1));
    assert!(web.asked().is_empty());
}

/// The proxy of the host's environment is for the host's own requests: it would look names up, and nobody could check the address.
#[test]
fn no_proxy_stands_between() {
    let (host, web, proxy) = (Host::new(), Web::always(Say::text("hi")), Web::always(Say::text("a proxy")));
    let mut command =
        host.json_command(["run", &fixture("requests:fetch"), "--input", &get(&web.url("/")).to_string(), &web.grant()]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        command.env(name, proxy.url("/"));
    }
    assert_eq!(Reply::from(command).item()["result"]["body"], "hi");
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_flow_sends_nothing() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi")));
    let seen =
        run(&host, "misplaced", &json!({ "url": web.url("/") }), &[&web.grant(), "--allow-secret=gh"]).item()["result"].clone();
    assert!(seen["request"].as_str().unwrap().starts_with("Err(Denied"), "{seen}");
    assert_eq!(seen["secret"], "Err(\"context\")");
    assert!(web.asked().is_empty());
}

/// A limit is a failure of its own, which names it, whatever the guest made of it.
#[track_caller]
fn limited(reply: &Reply, key: &str) -> Value {
    let error = reply.refused("KitaruExecutionError", &[key]);
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("limit"), &json!("runtime")), "{reply:?}");
    error
}

#[test]
fn a_response_that_is_too_large_is_cut_off() {
    let (host, web) = (Host::new(), Web::always(Say::text(vec![b'x'; 3 << 20])));
    let reply = run(&host, "fetch", &get(&web.url("/?secret=1")), &[&web.grant(), "--max-response=2"]);
    let error = limited(&reply, "`response_mib` of 2 MiB");
    assert!(error["hint"].as_str().unwrap().contains("--max-response"), "{error}");
    assert!(!error["message"].as_str().unwrap().contains("secret"), "a query is nobody's business: {error}");
    let carried = run(&host, "carry", &json!({ "url": web.url("/"), "kib": 1 }), &[&web.grant(), "--max-response=3"]);
    assert_eq!(carried.item()["result"], 3 << 20);
}

#[test]
fn large_bodies_stream_in_both_directions() {
    let (host, web) = (Host::new(), Web::new(|asked| Say::text(asked.body.clone())));
    let input = json!({ "url": web.url("/"), "kib": 20 * 1024 });
    assert_eq!(run(&host, "carry", &input, &[&web.grant()]).item()["result"], 20 << 20);
}

#[test]
fn a_server_that_does_not_go_on_is_left() {
    let host = Host::new();
    let paused = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart".to_vec();
    for say in [Say::nothing(), Say::Raw(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Say::Raw(paused)] {
        let web = Web::always(say.clone());
        limited(&run(&host, "fetch", &get(&web.url("/")), &[&web.grant(), "--request-seconds=1"]), "`request_seconds` of 1 s");
        // The author's own patience is a failure that can be tried again, and no limit.
        let asked = json!({ "method": "GET", "url": web.url("/"), "timeout_ms": 50 });
        let error = fetch(&host, &asked, &[&web.grant()]).error();
        assert_eq!(error["failure_kind"], "http", "{say:?}: {error}");
    }
}

/// Of all limits, this one may not be reached the next time.
#[test]
fn a_slow_server_is_asked_again() {
    let host = Host::new();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let web = Web::new(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Say::nothing(),
        1 => Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart".to_vec()),
        _ => Say::text("at last"),
    });
    let done = run(&host, "fetch_again", &get(&web.url("/")), &[&web.grant(), "--request-seconds=1"]).item();
    assert_eq!(done["result"]["body"], "at last");
    assert_eq!(web.asked().len(), 3);
}

#[test]
fn requests_and_sockets_that_are_open_are_counted() {
    let (host, web) = (Host::new(), Web::always(Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart".to_vec())));
    let hoard = |responses: u32, sockets: u32| {
        let input = json!({ "url": web.url("/"), "responses": responses, "sockets": sockets });
        run(&host, "hoard", &input, &[&web.grant(), "--max-requests=4"])
    };
    assert_eq!(hoard(4, 0).item()["result"], 4);
    assert_eq!(hoard(2, 2).item()["result"], 4);
    for (responses, sockets) in [(5, 0), (0, 5), (3, 2)] {
        limited(&hoard(responses, sockets), "`requests` of 4");
    }
}

#[test]
fn what_is_no_http_is_no_answer() {
    let host = Host::new();
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    let many = ["HTTP/1.1 200 OK\r\n".to_owned(), "X: y\r\n".repeat(2_000), "\r\n".to_owned()].concat();
    for raw in [endless, many.into_bytes(), b"220 mail.example\r\n".to_vec()] {
        let web = Web::always(Say::Raw(raw));
        let error = run(&host, "fetch", &get(&web.url("/")), &[&web.grant()]).error();
        assert_eq!(error["failure_kind"], "http", "{error}");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        run(&host, "fetch", &get(&format!("http://127.0.0.1:{port}/")), &[&format!("--allow-net=127.0.0.1:{port}")]).error();
    assert!(error["message"].as_str().unwrap().contains("refused the connection"), "{error}");
}

/// No cookies, no cache, and no connection outlive a request.
#[test]
fn requests_have_nothing_in_common() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi").with("Set-Cookie", "a=b").with("Cache-Control", "max-age=600")));
    let one = json!({ "method": "GET", "url": web.url("/") });
    let answers = run(&host, "fetch_each", &json!({ "asked": [one, one] }), &[&web.grant()]).item()["result"].clone();
    assert_eq!(answers, json!([{ "status": 200, "body": "hi" }, { "status": 200, "body": "hi" }]));
    assert_eq!(web.asked().len(), 2);
    assert!(web.asked().iter().all(|asked: &Asked| asked.header("cookie").is_empty()));
}

/// More than an instance may hold handles.
#[test]
fn requests_leave_nothing_behind() {
    let (host, web) = (Host::new(), Web::always(Say::text("hi")));
    let one = json!({ "method": "GET", "url": web.url("/"), "timeout_ms": 60_000 });
    let done = run(&host, "fetch_each", &json!({ "asked": vec![one; 600] }), &[&web.grant()]).item();
    let answers = done["result"].as_array().unwrap();
    assert!(answers.len() == 600 && answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
}

/// With the certificates that the system trusts, under the name that the guest asked for.
#[test]
fn a_server_with_tls_proves_its_name() {
    let (host, web) = (Host::new(), Web::tls(|asked| Say::text(asked.header("host")[0])));
    let fetch = |url: &str, is_trusted: bool| {
        let flag = format!("--allow-net={url}");
        let mut command =
            host.json_command(["run", &fixture("requests:fetch"), "--input", &get(&format!("{url}/")).to_string(), &flag]);
        command.env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        if is_trusted {
            command.env("SSL_CERT_FILE", Web::authority());
        }
        Reply::from(command)
    };
    let url = format!("https://localhost:{}", web.port);
    assert_eq!(fetch(&url, true).item()["result"]["body"], format!("localhost:{}", web.port));
    let plain = Web::always(Say::text("plain"));
    for (url, is_trusted) in [
        (url, false),
        (format!("https://127.0.0.1:{}", web.port), true),
        (format!("https://localhost:{}", plain.port), true),
        (format!("http://localhost:{}", web.port), true),
    ] {
        let error = fetch(&url, is_trusted).error();
        assert_eq!(error["failure_kind"], "http", "{url}: {error}");
    }
    assert_eq!(web.asked().len(), 1);
}
