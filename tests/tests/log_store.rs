//! The log store: where log lines go beside the data folder, with a collector that really gets them.

use kitaru_tests::web::{Asked, Say};
use kitaru_tests::{Host, Reply, Web, id, until};
use serde_json::{Value, json};

fn contains(asked: &Asked, text: &str) -> bool {
    asked.body.windows(text.len()).any(|part| part == text.as_bytes())
}

/// How often a text is in all that was sent.
fn count(web: &Web, text: &str) -> usize {
    let of = |asked: &Asked| asked.body.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
    web.asked().iter().map(of).sum()
}

fn with(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    command.envs(variables.iter().copied());
    Reply::from(command)
}

#[test]
fn lines_go_to_the_collector_that_was_set_and_stay_in_the_data_folder() {
    let host = Host::new();
    let web = Web::always(Say::text(""));
    let _ = host.item(["secrets", "set", "logs", "--API_KEY=planted-log-key"]);
    let set = host.item(["log-store", "set", "otlp", "--endpoint", &web.url(""), "--api-key", "logs"]);
    assert_eq!(
        (&set["backend"], &set["source"], &set["reachable"]),
        (&json!("otlp"), &json!("data folder"), &json!(true)),
        "{set:#}"
    );
    assert_eq!((&set["api_key_configured"], &set["api_key_secret"]), (&json!(true), &json!("logs")));
    assert_eq!(web.asked().last().unwrap().header("authorization"), ["Bearer planted-log-key"]);
    let run = host.flow("log_lines", &json!({}), &[]);
    let kept = host.json(["executions", "logs", id(&run)]).items();
    assert!(kept.iter().any(|line| line["message"] == "flow stdout after"), "{kept:#?}");
    let asked = web.asked();
    let sent: Vec<&Asked> = asked.iter().filter(|asked| !asked.body.is_empty()).collect();
    assert!(!sent.is_empty() && sent.iter().all(|asked| asked.path == "/v1/logs" && asked.method == "POST"), "{asked:?}");
    for line in &kept {
        let message = line["message"].as_str().unwrap();
        assert!(sent.iter().any(|asked| contains(asked, message)), "`{message}` was not sent");
    }
    assert_eq!(count(&web, "flow stdout after"), 1, "each line once");
    assert!(sent.iter().any(|asked| contains(asked, id(&run)) && contains(asked, "kitaru.execution_id")));
    assert!(!sent.iter().any(|asked| contains(asked, "planted-log-key")));
    let reset = host.item(["log-store", "reset"]);
    assert_eq!((&reset["backend"], &reset["source"]), (&json!("local"), &json!("default")));
    let before = web.asked().len();
    let _ = host.flow("log_lines", &json!({}), &[]);
    assert_eq!(web.asked().len(), before, "nothing goes anywhere any more");
}

#[test]
fn an_execution_that_goes_on_elsewhere_sends_each_line_once() {
    let host = Host::new();
    let web = Web::always(Say::text(""));
    let _ = host.item(["log-store", "set", "otlp", "--endpoint", &web.url("")]);
    let waiting = host.flow("log_wait", &json!({}), &[]);
    assert_eq!(waiting["status"], "waiting");
    let before = host.json(["executions", "logs", id(&waiting)]).items();
    let server = host.serving();
    let _ = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    until("its end", || (host.get(id(&waiting))["status"] == "completed").then_some(()));
    let all = host.json(["executions", "logs", id(&waiting)]).items();
    assert!(all.len() > before.len(), "{all:#?}");
    let last = all.last().unwrap()["message"].as_str().unwrap();
    until("its last line", || (count(&web, last) > 0).then_some(()));
    server.kill();
    for (at, line) in all.iter().enumerate() {
        // The name of a line is its own.
        let message = line["message"].as_str().unwrap();
        let times = all.iter().filter(|other| other["message"].as_str().unwrap().contains(message)).count();
        assert_eq!(count(&web, message), times, "line {at}: `{message}`");
    }
}

#[test]
fn a_collector_that_is_gone_fails_nothing_and_is_told() {
    let host = Host::new();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let set = host.item(["log-store", "set", "otlp", "--endpoint", &format!("http://{gone}")]);
    assert!(set["reachable"] == json!(false) && set["warning"].is_string(), "{set:#}");
    let run = host.text(["run", &kitaru_tests::fixture("conformance:log_lines")]).ok();
    assert!(
        run.stderr.contains("log store: lines of 1 execution were not sent") && run.stderr.contains("data folder"),
        "{run:?}"
    );
    assert_eq!(host.json(["log-store", "show"]).item()["reachable"], false);
}

#[test]
fn who_is_nearest_says_where_lines_go() {
    let host = Host::new();
    let show = |variables: &[(&str, &str)]| {
        let item = with(&host, variables, &["log-store", "show"]).item();
        (item["endpoint"].clone(), item["source"].as_str().unwrap().to_owned())
    };
    let said = |endpoint: Value, source: &str| (endpoint, source.to_owned());
    assert_eq!(show(&[]), said(Value::Null, "default"));
    let user = host.configure("[log_store]\nendpoint = \"http://127.0.0.1:11\"\n");
    assert_eq!(show(&[]), said(json!("http://127.0.0.1:11"), "user"));
    let _ = host.item(["log-store", "set", "otlp", "--endpoint", "http://127.0.0.1:12"]);
    assert_eq!(show(&[]), said(json!("http://127.0.0.1:12"), "data folder"));
    let _ = host.file("kitaru.toml", "[log_store]\nbackend = \"otlp\"\nendpoint = \"http://127.0.0.1:13\"\n");
    assert_eq!(show(&[]), said(json!("http://127.0.0.1:13"), "project"));
    assert_eq!(show(&[("KITARU_LOG_STORE_ENDPOINT", "http://127.0.0.1:14")]), said(json!("http://127.0.0.1:14"), "environment"));
    assert_eq!(show(&[("KITARU_LOG_STORE_BACKEND", "local")]), said(Value::Null, "environment"));
    std::fs::remove_file(user).unwrap();
}

#[test]
fn what_cannot_be_set_is_refused_and_no_key_is_shown() {
    let host = Host::new();
    let refused = |arguments: &[&str], class: &str, said: &str| {
        let reply = host.json([&["log-store", "set"], arguments].concat());
        let error = reply.refused(class, &[said]);
        assert!(!error.to_string().contains("planted"), "{error}");
    };
    refused(&["otlp"], "KitaruUsageError", "address of a collector");
    refused(&["local", "--endpoint", "http://c.example"], "KitaruUsageError", "`local` has no endpoint");
    refused(&["otlp", "--endpoint", "http://me:planted@c.example"], "KitaruUsageError", "the endpoint");
    refused(
        &["otlp", "--endpoint", "http://c.example", "--api-key", "sk planted/=="],
        "KitaruUsageError",
        "name of a stored secret",
    );
    let reply = host.json(["log-store", "set", "otlp", "--endpoint", "http://c.example", "--api-key", "nobody"]);
    reply.refused("KitaruRuntimeError", &["Secret `nobody` was not found"]);
    assert_eq!(host.item(["log-store", "show"])["source"], "default", "nothing was set");
    let variables = [("KITARU_LOG_STORE_BACKEND", "s3")];
    with(&host, &variables, &["run", &kitaru_tests::fixture("conformance:no_calls")])
        .refused("KitaruUsageError", &["KITARU_LOG_STORE_BACKEND"]);
    std::fs::write(host.home().join("log-store.toml"), "backend = 1\n").unwrap();
    host.json(["log-store", "show"]).refused("KitaruUsageError", &["log-store.toml"]);
    let _ = host.item(["log-store", "reset"]);
}
