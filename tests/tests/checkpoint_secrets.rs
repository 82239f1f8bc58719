//! Secrets of checkpoints: a value is in the requests that its grant names, and nowhere else.

use kitaru_tests::web::Say;
use kitaru_tests::{Host, Planted, Reply, Web, fixture};
use serde_json::{Value, json};

/// A part of every value that these tests plant.
const MARKER: &str = "planted-9c4e-marker";
const PLANTED: Planted = Planted(MARKER);
const MARK: &str = "kitaru_secret_";

/// A host with the secret `gh`, which has one value.
fn host() -> Host {
    let host = Host::new();
    let _ = host.item(["secrets", "set", "gh", &format!("--TOKEN={MARKER}")]);
    host
}

fn run(host: &Host, flow: &str, input: &Value, flags: &[&str]) -> Reply {
    let (target, input) = (fixture(&format!("requests:{flow}")), input.to_string());
    host.json([&["-vv", "run", &target, "--input", &input], flags].concat())
}

fn fetch(host: &Host, asked: &Value, flags: &[&str]) -> Reply {
    run(host, "fetch", &json!({ "asked": asked }), flags)
}

fn bearer(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "headers": [["Authorization", "Bearer {gh}"]] })
}

/// What the guest holds.
fn given(reply: Reply) -> String {
    let letters = reply.item()["result"].clone();
    String::from_utf8(serde_json::from_value(letters).unwrap()).unwrap()
}

fn to(web: &Web) -> String {
    format!("--allow-secret=gh@127.0.0.1:{}", web.port)
}

#[track_caller]
fn refused(reply: &Reply, parts: &[&str]) {
    let error = reply.refused("KitaruExecutionError", parts);
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("capability"), &json!("runtime")), "{reply:?}");
    PLANTED.is_not_shown_in(reply);
}

#[test]
fn a_checkpoint_holds_a_placeholder_and_its_requests_the_value() {
    let (host, web) = (host(), Web::always(Say::text("hi")));
    let asked = json!({
        "method": "POST", "url": web.url("/items"), "query": [["key", "{gh.TOKEN}"]], "basic": ["robot", "{gh}"],
        "headers": [["X-Token", "token={gh};"]], "body": "{gh}",
    });
    let done = fetch(&host, &asked, &[&web.grant(), &to(&web)]);
    PLANTED.is_not_shown_in(&done);
    assert_eq!(done.item()["result"]["status"], 200);
    let [asked] = web.asked().try_into().unwrap();
    assert_eq!(asked.path, format!("/items?key={MARKER}"));
    assert_eq!(asked.header("x-token"), [format!("token={MARKER};")]);
    // `robot:planted-9c4e-marker`.
    assert_eq!(asked.header("authorization"), ["Basic cm9ib3Q6cGxhbnRlZC05YzRlLW1hcmtlcg=="]);
    let body = String::from_utf8(asked.body).unwrap();
    assert!(body.starts_with(MARK) && !body.contains(MARKER), "a body stays as the guest wrote it: {body}");

    let hold = |key: Value| given(run(&host, "given", &json!({ "name": "gh", "key": key }), &["--allow-secret=gh"]));
    let (one, other) = (hold(json!(null)), hold(json!("TOKEN")));
    assert!(one.starts_with(MARK) && other.starts_with(MARK) && one != other, "each attempt has its own: {one} {other}");
    PLANTED.is_in_no_file_of(&host);
}

/// With encryption the network grants say where it may go, unless the secret's own says less.
#[test]
fn a_value_goes_encrypted_to_every_granted_host() {
    let (host, web) = (host(), Web::tls(|_| Say::text("hi")));
    let url = format!("https://localhost:{}", web.port);
    let input = json!({ "asked": bearer(&format!("{url}/")) }).to_string();
    let net = format!("--allow-net={url}");
    let fetch = |secret: &str| {
        let mut command = host.json_command(["run", &fixture("requests:fetch"), "--input", &input, &net, secret]);
        Reply::from({
            command.env("SSL_CERT_FILE", Web::authority());
            command
        })
    };
    assert_eq!(fetch("--allow-secret=gh").item()["result"]["status"], 200);
    assert_eq!(web.asked()[0].header("authorization"), [format!("Bearer {MARKER}")]);
    refused(&fetch("--allow-secret=gh@api.github.com"), &["gh.TOKEN"]);
    assert_eq!(web.asked().len(), 1);
    PLANTED.is_in_no_file_of(&host);
}

#[test]
fn a_placeholder_that_goes_elsewhere_stops_its_request() {
    let (host, web, other) = (host(), Web::always(Say::text("hi")), Web::always(Say::text("other")));
    let flags = [web.grant(), other.grant(), to(&web)];
    let flags = flags.each_ref().map(String::as_str);
    let reply = fetch(&host, &bearer(&other.url("/")), &flags);
    refused(&reply, &["the secret gh.TOKEN", &format!("--allow-secret=gh.TOKEN@127.0.0.1:{}", other.port)]);
    let basic = json!({ "method": "GET", "url": other.url("/"), "basic": ["x", "{gh}"] });
    refused(&fetch(&host, &basic, &flags), &["gh.TOKEN"]);
    let query = json!({ "method": "GET", "url": other.url("/?a={gh}") });
    refused(&fetch(&host, &query, &flags), &["gh.TOKEN"]);
    // Not to a host that the network grants leave out, whatever the secret's own says.
    let elsewhere = format!("--allow-secret=gh@127.0.0.1:{}", other.port);
    refused(&fetch(&host, &bearer(&other.url("/")), &[&web.grant(), &elsewhere]), &["--allow-net="]);
    // Without encryption nowhere but to a server of this machine that the grant names.
    refused(&fetch(&host, &bearer(&web.url("/")), &[&web.grant(), "--allow-secret=gh"]), &["gh.TOKEN", "without encryption"]);
    for asked in [
        json!({ "method": "GET", "url": web.url("/{gh}") }),
        json!({ "method": "GET", "url": web.url("/"), "headers": [["X-{gh}", "1"]] }),
    ] {
        refused(&fetch(&host, &asked, &flags), &["gh.TOKEN", "outside of headers and the query"]);
    }
    assert!(web.asked().is_empty() && other.asked().is_empty());
}

#[test]
fn what_is_not_granted_or_not_there_is_told() {
    let host = host();
    let ask = |name: &str, key: Value, flags: &[&str]| run(&host, "given", &json!({ "name": name, "key": key }), flags);
    refused(&ask("gh", json!(null), &[]), &["--allow-secret=gh"]);
    refused(&ask("gh", json!("OTHER"), &["--allow-secret=gh.TOKEN"]), &["--allow-secret=gh.OTHER"]);
    refused(&ask("no-such", json!(null), &["--allow-secret=gh"]), &["--allow-secret=no-such"]);
    let missing = ask("no-such", json!(null), &["--allow-secret=no-such"]);
    let error = missing.refused("KitaruExecutionError", &["there is no secret `no-such`", "kitaru-host secrets set no-such"]);
    assert_eq!(error["failure_kind"], "not-found");
    let no_key = ask("gh", json!("OTHER"), &["--allow-secret=gh"]);
    assert_eq!(no_key.refused("KitaruExecutionError", &["no value `OTHER`"])["failure_kind"], "not-found");
    let _ = host.item(["secrets", "set", "gh", "--OTHER=another-value"]);
    let several = ask("gh", json!(null), &["--allow-secret=gh"]);
    assert!(several.error()["message"].as_str().unwrap().contains("name one of OTHER, TOKEN"), "{several:?}");
    assert!(given(ask("gh", json!(null), &["--allow-secret=gh.TOKEN"])).starts_with(MARK), "the grant names the key");
    // Sealed with a key that is not there.
    let input = json!({ "name": "gh", "key": "TOKEN" }).to_string();
    let mut command = host.json_command(["run", &fixture("requests:given"), "--input", &input, "--allow-secret=gh"]);
    command.env("KITARU_SECRETS_KEY", "0".repeat(64));
    let error = Reply::from(command).refused("KitaruExecutionError", &["sealed with another key"]);
    assert_eq!(error["failure_kind"], "credentials");
}

#[test]
fn what_a_server_repeats_is_taken_out_of_headers() {
    let host = host();
    let web = Web::new(|asked| Say::text("hi").with("X-Echo", asked.header("authorization")[0]));
    let answer = fetch(&host, &bearer(&web.url("/")), &[&web.grant(), &to(&web)]).item()["result"].clone();
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-echo", "Bearer [redacted]"])), "{answer}");
    PLANTED.is_in_no_file_of(&host);
}

#[test]
fn a_value_that_is_revealed_is_not_in_logs_and_errors_by_mistake() {
    let (host, web) = (host(), Web::always(Say::text("hi")));
    let flag = "--allow-secret=gh=reveal";
    assert_eq!(given(run(&host, "given", &json!({ "name": "gh", "key": null }), &[flag])), MARKER);
    let reply = run(&host, "blurt", &json!({ "name": "gh" }), &[flag]);
    PLANTED.is_not_shown_in(&reply);
    let error = reply.refused("KitaruUserCodeError", &["it failed with [redacted]"]);
    assert_eq!(error["details"], json!({ "value": "[redacted]" }), "{error}");
    let failed = reply.failed_execution();
    let logs = host.json(["executions", "logs", &failed]).items();
    let said: Vec<&str> = logs.iter().filter_map(|line| line["message"].as_str()).collect();
    for line in ["standard output: [redacted]", "standard error: [redacted]", "a line: [redacted]"] {
        assert!(said.contains(&line), "{said:?}");
    }
    // In a path it is the guest's to send, and no record names it.
    let asked = json!({ "method": "GET", "url": web.url("/bot{gh}/send") });
    assert_eq!(fetch(&host, &asked, &[&web.grant(), flag]).item()["result"]["status"], 200);
    assert_eq!(web.asked()[0].path, format!("/bot{MARKER}/send"));
    refused(&fetch(&host, &asked, &[flag]), &["/bot[redacted]/send"]);
    PLANTED.is_in_no_file_of(&host);
}

/// The value of today, also where the execution began with another one.
#[test]
fn the_version_that_counts_is_the_one_of_the_attempt() {
    let (host, web) = (host(), Web::always(Say::text("hi")));
    let done = fetch(&host, &bearer(&web.url("/")), &[&web.grant(), &to(&web)]).item();
    let _ = host.item(["secrets", "set", "gh", &format!("--TOKEN={MARKER}-2")]);
    let again = host.item(["executions", "replay", done["exec_id"].as_str().unwrap(), "--from", "fetches"]);
    assert_eq!(again["result"]["status"], 200);
    let sent: Vec<_> = web.asked().iter().map(|asked| asked.header("authorization")[0].to_owned()).collect();
    assert_eq!(sent, [format!("Bearer {MARKER}"), format!("Bearer {MARKER}-2")]);
    assert_eq!(again["frozen_execution_spec"]["grants"]["secrets"], json!([format!("gh@127.0.0.1:{}", web.port)]));
}

#[test]
fn a_grant_shows_no_value_that_stands_in_its_place() {
    let host = host();
    let reply = run(&host, "given", &json!({ "name": "gh", "key": null }), &[&format!("--allow-secret=gh={MARKER}")]);
    assert_eq!(reply.code, Some(1));
    assert!(reply.stderr.contains("nothing but `reveal`"), "{reply:?}");
}

#[test]
fn a_project_file_grants_secrets() {
    let (host, web) = (host(), Web::always(Say::text("hi")));
    let grants = format!("[grants]\nnet = [\"GET http://127.0.0.1:{0}\"]\nsecrets = [\"gh.TOKEN@127.0.0.1:{0}\"]\n", web.port);
    host.file("kitaru.toml", grants);
    assert_eq!(fetch(&host, &bearer(&web.url("/")), &[]).item()["result"]["status"], 200);
    assert_eq!(web.asked()[0].header("authorization"), [format!("Bearer {MARKER}")]);
}

#[test]
fn the_marker_would_be_found() {
    let (host, web) = (host(), Web::new(|asked| Say::text(asked.header("authorization")[0])));
    let done = fetch(&host, &bearer(&web.url("/")), &[&web.grant(), &to(&web)]);
    assert!(PLANTED.is_in(done.stdout.as_bytes()), "a server that is trusted with a value can say it in a body{done:?}");
}
