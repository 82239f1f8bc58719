//! The description of the HTTP API, held against a real host by a property-based tester that is not ours: schemathesis. It asks each route with what
//! fits the description and with what does not, and looks whether the answers are as the description says.

use std::process::Command;

use kitaru_tests::served::order;
use kitaru_tests::{Asking, Host, Served, fixture, python, until};
use serde_json::{Value, json};

const API: &str = "/api/v1";

/// All but two. That a value which fits is accepted: the description says what form a value has, and not which flows, tags and models there are.
/// That a wrong credential is always 401: after some of them it is 429, as `hostile_clients.rs` has it for every route.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,allow_header_conformance";
/// The same questions each time.
const SEED: &str = "20261122";
/// Of random ones, for each route; those at the edges of what is described come on top.
const EXAMPLES: &str = "4";

/// What is there to be found, by the names of parameters.
fn found(host: &Host, admin: &Asking) -> Vec<(&'static str, String)> {
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let component = admin.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    let digest = component["digest"].as_str().unwrap().to_owned();
    let deployed = admin.post(&format!("{API}/flows/no_calls/versions"), &json!({ "component": digest }));
    assert_eq!(deployed.status, 201, "{}", String::from_utf8_lossy(&deployed.body));
    let mut ids = Vec::new();
    for flow in ["log_lines", "wait_bool"] {
        let begun = admin.post(&format!("{API}/executions"), &order(&digest, flow, &json!({}))).expect(201);
        let id = begun["exec_id"].as_str().unwrap().to_owned();
        let path = format!("{API}/executions/{id}");
        until("its stop", || (admin.get(&path).expect(200)["status"] != "running").then_some(()));
        ids.push(id);
    }
    let _ = host.item(["auth", "service-accounts", "create", "somebody"]);
    let _ = host.item(["auth", "api-keys", "create", "somebody", "key"]);
    vec![
        ("execution", ids[0].clone()),
        ("wait", format!("{}:0", ids[1])),
        ("digest", digest),
        ("flow", "no_calls".into()),
        ("account", "somebody".into()),
        ("key", "key".into()),
    ]
}

/// The description, with an example for each parameter of a path that names something, but where it would be removed.
fn with_examples(mut document: Value, found: &[(&str, String)]) -> Value {
    for operations in document["paths"].as_object_mut().unwrap().values_mut() {
        for (_, operation) in operations.as_object_mut().unwrap().iter_mut().filter(|(method, _)| *method != "delete") {
            for parameter in operation["parameters"].as_array_mut().unwrap() {
                let named = found.iter().find(|(name, _)| parameter["in"] == "path" && parameter["name"] == *name);
                if let Some((_, value)) = named {
                    parameter["example"] = json!(value);
                }
            }
        }
    }
    document
}

#[test]
fn the_host_answers_as_the_description_says() {
    let host = Host::new();
    host.file("kitaru.toml", "[server]\nrequests_per_second = 100000\n");
    let served = Served::start(&host);
    let admin = served.account(&host, "tester", "admin", &[]);
    let document = admin.get(&format!("{API}/openapi.json")).expect(200);
    let document = with_examples(document, &found(&host, &admin));
    let file = host.file("openapi.json", document.to_string());
    let key = admin.lines();
    let mut tester = Command::new(python("schemathesis", "schemathesis.txt", "KITARU_TESTS_SCHEMATHESIS"));
    tester.args(["-m", "schemathesis.cli", "run", &file, "--url", &format!("http://{}{API}", served.address)]);
    tester.args(["--header", key.trim(), "--checks", CHECKS, "--seed", SEED, "--max-examples", EXAMPLES]);
    tester.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color", "--warnings", "off"]);
    // What it remembers of one run would make the next another.
    tester.current_dir(host.work()).env("HYPOTHESIS_STORAGE_DIRECTORY", host.work().join("hypothesis"));
    let said = tester.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{text}");
    let count = |word: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(word)?.trim().split('/').next()?.parse::<usize>().ok())
    };
    let operations = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(count("Tested:"), Some(operations), "{text}");
    assert_eq!(admin.get(&format!("{API}/executions")).status, 200, "and is there");
}
