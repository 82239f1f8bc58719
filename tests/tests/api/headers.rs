//! What browsers are told with every answer.

use kitaru_tests::served::Answered;

use super::*;

/// Headers, each with what it says.
type Headers = &'static [(&'static str, &'static str)];

/// Of everything.
const ALL: Headers = &[("x-content-type-options", "nosniff")];
/// Of the page and its files.
const PAGE: Headers = &[
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    // Asked for each time: after an upgrade, other files have the same names.
    ("cache-control", "no-cache"),
];
/// Of the API.
const OF_API: Headers = &[
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];
/// What the page may load: nothing but its own.
const POLICY: [&str; 8] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
];

#[track_caller]
fn has(answer: &Answered, headers: Headers, of: &str) {
    for (name, value) in headers {
        let said: Vec<&str> =
            answer.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, said)| said.as_str()).collect();
        assert_eq!(said, [*value], "{of}: {name}, once");
    }
}

#[test]
fn every_answer_has_the_headers_of_its_kind() {
    let host = Host::new();
    let served = Served::start(&host);
    let (nobody, viewer) = (served.nobody(), served.account(&host, "eyes", "viewer", &[]));
    for path in ["/", "/login", "/executions/x", "/js/app.js"] {
        let page = nobody.get(path);
        assert_eq!(page.status, 200, "{path}");
        has(&page, ALL, path);
        has(&page, PAGE, path);
        let policy = page.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {page:?}"));
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        assert_eq!(directives, POLICY, "{path}");
        let again = nobody.clone().with("If-None-Match", page.header("etag").unwrap()).get(path);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        has(&again, ALL, path);
        has(&again, PAGE, path);
    }
    assert_eq!(nobody.get("/").header("content-type"), Some("text/html; charset=utf-8"));
    // What is refused has them too.
    let answers = [
        ("a list", viewer.get(&format!("{API}/executions")), 200),
        ("nobody", nobody.get(&format!("{API}/executions")), 401),
        ("no route", viewer.get(&format!("{API}/teas")), 404),
        ("no method", viewer.send("PATCH", &format!("{API}/executions"), Some("application/json"), b"{}"), 405),
        ("no role", viewer.post(&format!("{API}/executions"), &json!({})), 403),
    ];
    for (of, answer, status) in answers {
        assert_eq!(answer.status, status, "{of}");
        has(&answer, ALL, of);
        has(&answer, OF_API, of);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        has(&nobody.get(path), ALL, path);
    }
    assert_eq!(nobody.post("/executions", &json!({})).status, 405, "the page takes nothing");
}

/// What only those are told who come over TLS: here by a proxy that says so, and is believed or not.
#[test]
fn who_comes_by_a_proxy_with_tls_is_to_come_by_it_always() {
    let host = Host::new();
    let entering = |served: &Served| {
        let page = served.nobody().with("X-Forwarded-Proto", "https").with("Sec-Fetch-Site", "same-origin");
        let entered = page.post(&format!("{API}/session"), &json!({ "code": served.login_code }));
        assert_eq!(entered.status, 200);
        let cookie = entered.header("set-cookie").unwrap().to_owned();
        assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
        (cookie.contains("; Secure"), page.get("/").header("strict-transport-security").map(str::to_owned))
    };
    assert_eq!(entering(&Served::start(&host)), (false, None), "anybody may say that");
    host.file("kitaru.toml", "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let served = Served::start(&host);
    assert_eq!(entering(&served), (true, Some("max-age=31536000".into())));
    assert_eq!(served.nobody().get("/").header("strict-transport-security"), None, "this one came without");
}
