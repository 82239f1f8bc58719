//! The service over HTTP: a real host on a port of its own, and clients that ask well, badly and too much.

use std::io::{Read as _, Write as _};
use std::time::Instant;

use kitaru_tests::served::{answered, order};
use kitaru_tests::{Asking, Host, Served, fixture, until};
use serde_json::{Value, json};

#[path = "api/changes.rs"]
mod changes;
#[path = "api/ending.rs"]
mod ending;
#[path = "api/headers.rs"]
mod headers;
#[path = "api/keys.rs"]
mod keys;

const API: &str = "/api/v1";

/// Routes of the description, with something in the place of each parameter: method, path, role.
fn routes(admin: &Asking) -> Vec<(String, String, String)> {
    let document = admin.get(&format!("{API}/openapi.json")).expect(200);
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for (method, operation) in operations.as_object().unwrap() {
            // What is for those who have no credential yet.
            if operation["security"] == json!([]) {
                continue;
            }
            let role = operation["x-kitaru-role"].as_str().unwrap().to_owned();
            routes.push((method.to_uppercase(), format!("{API}{}", parts.join("/")), role));
        }
    }
    assert!(routes.len() > 50, "{routes:?}");
    routes
}

/// Sends the fixture component, and returns its digest.
fn sent(author: &Asking) -> String {
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let view = author.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    view["digest"].as_str().unwrap().to_owned()
}

fn started(author: &Asking, component: &str, flow: &str, input: &Value) -> String {
    let view = author.post(&format!("{API}/executions"), &order(component, flow, input)).expect(201);
    view["exec_id"].as_str().unwrap().to_owned()
}

/// Listens until an execution has this status.
fn until_it_is(asking: &Asking, execution: &str, status: &str) {
    let mut changes = asking.follow(&format!("{API}/executions/{execution}/stream"), None);
    let came = std::iter::from_fn(|| changes.read()).any(|change| change.data["status"] == status);
    assert!(came, "{execution} ended before it was {status}");
}

#[test]
fn every_route_needs_a_credential_and_the_role_that_it_says() {
    let host = Host::new();
    let served = Served::start(&host);
    let (admin, viewer) = (served.account(&host, "root", "admin", &[]), served.account(&host, "eyes", "viewer", &[]));
    for (method, path, role) in routes(&admin) {
        let refused = served.nobody().send(&method, &path, Some("application/json"), b"");
        assert_eq!(refused.expect(401)["class"], "KitaruAuthenticationError", "{method} {path}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert!(refused.header("www-authenticate").is_some() && refused.header("x-request-id").is_some());
        if role != "viewer" {
            let refused = viewer.send(&method, &path, Some("application/json"), b"{}");
            assert_eq!(refused.expect(403)["class"], "KitaruAuthorizationError", "{method} {path}");
        }
    }
    let refusals = admin.get(&format!("{API}/audit?outcome=refused&who=eyes&limit=1000")).expect(200);
    assert!(refusals["count"].as_u64().unwrap() > 20, "what was refused is noted: {refusals}");
    for (path, expected) in [("/metrics", 401), ("/healthz", 200), ("/readyz", 200), ("/api/v1/nothing", 404)] {
        assert_eq!(served.nobody().get(path).status, expected, "{path}");
    }
    let metrics = String::from_utf8(admin.get("/metrics").body).unwrap();
    assert!(metrics.contains("kitaru_http_requests_total{route=\"executions.run\",status=\"401\"} 1"), "{metrics}");
}

#[test]
fn wrong_credentials_have_to_wait_and_right_ones_do_not() {
    let host = Host::new();
    let served = Served::start(&host);
    let viewer = served.account(&host, "eyes", "viewer", &[]);
    let path = format!("{API}/executions");
    let stranger = served.nobody().with("Authorization", "Bearer kh_0000000000000000_wrong");
    assert_eq!(stranger.get(&path).status, 401);
    let slowed = until("a wait", || Some(stranger.get(&path)).filter(|answer| answer.status == 429));
    assert!(slowed.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(slowed.json()["class"], "KitaruRateLimitError");
    assert_eq!(viewer.get(&path).status, 200, "from the same address");
}

#[test]
fn a_caller_asks_as_often_as_the_configuration_says() {
    let host = Host::new();
    host.file("kitaru.toml", "[server]\nrequests_per_second = 1\n");
    let served = Served::start(&host);
    let (busy, other) = (served.account(&host, "busy", "viewer", &[]), served.account(&host, "other", "viewer", &[]));
    let path = format!("{API}/session");
    let began = Instant::now();
    let mut answered = 0_u64;
    let refused = until("a refusal", || {
        let answer = busy.get(&path);
        answered += u64::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((refused.expect(429)["class"].as_str(), refused.header("retry-after")), (Some("KitaruRateLimitError"), Some("1")));
    assert!((3..=3 + began.elapsed().as_secs()).contains(&answered), "three at once, and one each second: {answered}");
    assert_eq!(other.get(&path).status, 200, "others have their own");
    let _ = until("another second", || Some(busy.get(&path)).filter(|answer| answer.status == 200));
}

#[test]
fn what_a_host_is_shows_its_folders_to_admins_alone() {
    let host = Host::new();
    let served = Served::start(&host);
    let (admin, viewer) = (served.account(&host, "root", "admin", &[]), served.account(&host, "eyes", "viewer", &[]));
    let home = host.home().display().to_string();
    let told = admin.get(&format!("{API}/info?packages=wasmtime")).expect(200);
    assert_eq!((&told["connection_target"], &told["server_url"]), (&json!(home), &json!(format!("http://{}", served.address))));
    assert_eq!((&told["sdk_version"], &told["packages"]["wasmtime"]), (&json!(env!("CARGO_PKG_VERSION")), &told["wasm_engine"]));
    assert!(
        told["disk_bytes"]["database"].as_u64().unwrap() > 0 && told["limits"]["stack_kib"].as_u64().unwrap() > 0,
        "{told:#}"
    );
    let at_the_terminal = host.item(["info"]);
    for key in
        ["sdk_version", "wit_package", "wasm_engine", "features", "connection_target", "durability", "system_info", "log_store"]
    {
        assert_eq!(told[key], at_the_terminal[key], "{key}");
    }
    for path in ["/info", "/status"] {
        let whole = admin.get(&format!("{API}{path}")).expect(200);
        let seen = viewer.get(&format!("{API}{path}")).expect(200);
        assert!(whole.to_string().contains(&home) && !seen.to_string().contains(&home), "{path}: {seen:#}");
    }
    let some = served.account(&host, "some", "admin", &["wait_b*"]);
    assert_eq!(some.get(&format!("{API}/info")).status, 403, "the host is all flows'");
}

#[test]
fn an_execution_is_started_asks_is_answered_and_ends() {
    let host = Host::new();
    let served = Served::start(&host);
    let (author, operator) = (served.account(&host, "ci", "author", &[]), served.account(&host, "desk", "operator", &[]));
    let component = sent(&author);
    let execution = started(&author, &component, "wait_bool", &json!({}));
    let mut changes = author.follow(&format!("{API}/executions/{execution}/stream"), None);
    until_it_is(&author, &execution, "waiting");
    let waits = operator.get(&format!("{API}/waits?execution={execution}")).expect(200);
    assert_eq!((&waits["count"], &waits["items"][0]["question"]), (&json!(1), &json!("Approve?")));
    let path = format!("{API}/executions/{execution}/input");
    assert_eq!(operator.post(&path, &json!({ "value": "no boolean" })).expect(422)["class"], "KitaruWaitValidationError");
    assert_eq!(operator.post(&path, &json!({ "value": true, "other": 1 })).status, 400, "unknown fields are refused");
    let _ = operator.post(&path, &json!({ "wait": "approve", "value": true })).expect(200);
    let end = changes.rest().pop().unwrap();
    assert_eq!((end.name.as_str(), &end.data["status"]), ("end", &json!("completed")));
    let whole = format!("{API}/executions/{execution}");
    let first = author.get(&whole);
    assert_eq!(first.expect(200)["result"], "approved");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let again = author.clone().with("If-None-Match", first.header("etag").unwrap()).get(&whole);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(operator.post(&path, &json!({ "value": true })).status, 409, "there is no question any more");
    let listed = author.get(&format!("{API}/executions?status=completed&limit=1")).expect(200);
    assert_eq!(listed["items"][0]["exec_id"], execution.as_str());
    assert_eq!(author.get(&format!("{API}/executions?limit=many")).status, 400);
    assert_eq!(author.get(&format!("{API}/executions?colour=red")).status, 400);
}

#[test]
fn a_scope_hides_what_it_has_not() {
    let host = Host::new();
    let served = Served::start(&host);
    let all = served.account(&host, "all", "author", &[]);
    let some = served.account(&host, "some", "author", &["wait_b*"]);
    let component = sent(&all);
    let (seen, hidden) =
        (started(&some, &component, "wait_bool", &json!({})), started(&all, &component, "wait_integer", &json!({})));
    until_it_is(&some, &seen, "waiting");
    until_it_is(&all, &hidden, "waiting");
    assert_eq!(all.get(&format!("{API}/waits")).expect(200)["count"], 2);
    let listed = some.get(&format!("{API}/executions")).expect(200);
    assert_eq!((&listed["total"], &listed["items"][0]["exec_id"]), (&json!(1), &json!(seen)));
    assert_eq!(some.get(&format!("{API}/waits")).expect(200)["count"], 1);
    for path in ["", "/journal", "/logs", "/artifacts", "/stream", "/logs/stream"] {
        assert_eq!(some.get(&format!("{API}/executions/{hidden}{path}")).status, 404, "{path}");
    }
    assert_eq!(some.post(&format!("{API}/executions/{hidden}/cancel"), &json!({})).status, 404);
    let refused = some.post(&format!("{API}/executions"), &order(&component, "wait_integer", &json!({})));
    assert_eq!(refused.status, 403);
    for path in ["/status", "/secrets", "/model-usage"] {
        assert_eq!(some.get(&format!("{API}{path}")).status, 403, "{path} is about all flows");
    }
    let mut granting = order(&component, "wait_bool", &json!({}));
    granting["grants"] = json!({ "env": ["PATH"] });
    assert_eq!(all.post(&format!("{API}/executions"), &granting).status, 403, "grants are an admin's to give");
}

#[test]
fn a_log_that_was_lost_in_the_middle_goes_on_without_loss_or_repetition() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let execution = started(&author, &sent(&author), "log_lines", &json!({}));
    let path = format!("{API}/executions/{execution}/logs/stream");
    let whole = author.follow(&path, None).rest();
    assert_eq!(whole.last().unwrap().name, "terminal");
    let lines = whole.iter().filter(|event| event.name == "log").count();
    assert!(lines >= 3, "{whole:?}");
    for cut in 1..=lines {
        let mut first = author.follow(&path, None);
        let mut seen: Vec<_> = std::iter::from_fn(|| first.read()).take(cut).collect();
        drop(first);
        let last = seen.last().unwrap().id.clone();
        seen.extend(author.follow(&path, last.as_deref()).rest());
        assert_eq!(seen, whole, "cut after {cut}");
    }
    let logs = author.get(&format!("{API}/executions/{execution}/logs")).expect(200);
    assert_eq!(logs["count"].as_u64().unwrap() as usize, lines);
}

#[test]
fn a_browser_logs_in_once_by_link_and_shows_that_its_own_page_asks() {
    let host = Host::new();
    let served = Served::start(&host);
    let origin = format!("http://{}", served.address);
    let page = served.nobody().with("Origin", &origin).with("Sec-Fetch-Site", "same-origin");
    let path = format!("{API}/session");
    let code = json!({ "code": served.login_code });
    let elsewhere = served.nobody().with("Origin", "http://evil.example").with("Sec-Fetch-Site", "cross-site");
    assert_eq!(elsewhere.post(&path, &code).status, 403, "nobody is logged in by another page");
    let form = page.send("POST", &path, Some("application/x-www-form-urlencoded"), code.to_string().as_bytes());
    assert_eq!(form.status, 415);
    let entered = page.post(&path, &code);
    assert_eq!((&entered.expect(200)["who"], &entered.json()["role"]), (&json!("owner"), &json!("admin")));
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    assert_eq!(page.post(&path, &code).status, 401, "a code works once");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let browser = page.clone().with("Cookie", &cookie);
    let token = browser.get(&path).expect(200)["csrf_token"].as_str().unwrap().to_owned();
    let tokens = format!("{API}/tokens");
    assert_eq!(browser.post(&tokens, &json!({})).status, 403, "without the page's token");
    assert_eq!(elsewhere.with("Cookie", &cookie).with("X-Kitaru-CSRF", &token).post(&tokens, &json!({})).status, 403);
    let browser = browser.with("X-Kitaru-CSRF", &token);
    let _ = browser.post(&tokens, &json!({ "seconds": 60 })).expect(201);
    assert_eq!(browser.send("DELETE", &path, None, b"").status, 204);
    assert_eq!(browser.get(&path).status, 401, "the session has ended");
}

#[test]
fn a_link_answers_one_question_once() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let execution = started(&author, &sent(&author), "wait_bool", &json!({}));
    until_it_is(&author, &execution, "waiting");
    let wait = author.get(&format!("{API}/waits")).expect(200)["items"][0]["wait_id"].as_str().unwrap().to_owned();
    let link = author.post(&format!("{API}/waits/{wait}/link"), &json!({})).expect(201);
    // At a terminal, the host's address is for whoever makes it to say.
    let at = format!("http://{}", served.address);
    let made = host.item(["executions", "waits", "link", &execution[..13], "--wait", "approve", "--at", &at]);
    let made = made["url"].as_str().unwrap().strip_prefix(&format!("{at}/answer/")).unwrap().to_owned();
    let _ = served.nobody().get(&format!("{API}/answers/{made}")).expect(200);
    let url = link["url"].as_str().unwrap();
    let token = url.strip_prefix(&format!("{at}/answer/")).unwrap();
    assert!(author.get(&format!("/answer/{token}")).header("content-type").unwrap().starts_with("text/html"));
    let path = format!("{API}/answers/{token}");
    let shown = served.nobody().get(&path).expect(200);
    assert_eq!((&shown["question"], &shown["flow_name"]), (&json!("Approve?"), &json!("wait_bool")));
    assert_eq!(served.nobody().post(&path, &json!({ "value": "no boolean" })).status, 422, "and the link can be used again");
    let _ = served.nobody().post(&path, &json!({ "value": true })).expect(200);
    assert_eq!(served.nobody().post(&path, &json!({ "value": true })).status, 410);
    assert_eq!(served.nobody().get(&format!("{API}/answers/{made}")).status, 410, "the question is closed");
    assert_eq!(served.nobody().get(&format!("{API}/answers/x.y")).status, 404);
    until_it_is(&author, &execution, "completed");
}

#[test]
fn what_is_too_large_too_slow_or_broken_is_refused() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let runs = format!("{API}/executions");
    assert_eq!(author.send("POST", &runs, Some("text/plain"), b"{}").status, 415);
    assert_eq!(author.send("POST", &runs, Some("application/json"), b"[1]").status, 400);
    assert_eq!(author.send("POST", &runs, Some("application/json"), b"{").status, 400);
    let deep = "[".repeat(100_000);
    assert_eq!(author.send("POST", &runs, Some("application/json"), deep.as_bytes()).status, 400);
    assert_eq!(author.send("POST", &runs, Some("application/json"), &vec![b' '; 9 << 20]).status, 413);
    assert_eq!(author.send("PUT", &format!("{API}/components"), None, b"\0asm").status, 400, "no component");
    let refused = author.clone().send("PATCH", &runs, Some("application/json"), b"{}");
    assert_eq!((refused.status, refused.header("allow").is_some()), (405, true));
    for path in [
        "/js/../../Cargo.toml",
        "/js/..%2f..%2fCargo.toml",
        "/api/v1/artifacts/..%2F..%2Fetc%2Fpasswd/content",
        "/js//etc/passwd",
    ] {
        assert_eq!(author.get(path).status, 404, "{path}");
    }
    assert_eq!(author.get(&format!("{API}/executions/%ff")).status, 400, "no text");

    // More than is taken is refused by its length alone, before any of it has come.
    let mut stream = served.connect();
    let head = format!("PUT {API}/components HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9999999999\r\n");
    stream.write_all(format!("{head}{}\r\n", author.lines()).as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert_eq!(answered(&said).unwrap().status, 413);

    // Headers that never end are not waited for.
    let (mut slow, began) = (served.connect(), Instant::now());
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    let mut said = Vec::new();
    let _ = slow.read_to_end(&mut said);
    assert!(began.elapsed().as_secs() >= 5, "it was given some time");
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    let mut endless = served.connect();
    endless.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let line = format!("X-Long: {}\r\n", "x".repeat(8_000));
    while endless.write_all(line.as_bytes()).is_ok() {}
    assert_eq!(served.nobody().get("/healthz").status, 200, "others are served");
}
