//! The header `Idempotency-Key`: a request that is sent again, because no answer came, is carried out once.

use kitaru_tests::id;
use kitaru_tests::served::Answered;

use super::*;

/// Sends this under a key.
fn keyed(asking: &Asking, key: &str, path: &str, body: &Value) -> Answered {
    asking.clone().with("Idempotency-Key", key).post(path, body)
}

#[test]
fn a_key_in_the_header_starts_once_for_each_caller() {
    let host = Host::warm();
    let served = Served::start(&host);
    let (author, other) = (served.account(&host, "ci", "author", &[]), served.account(&host, "bot", "author", &[]));
    let component = sent(&author);
    let runs = format!("{API}/executions");
    let body = order(&component, "echo_value", &json!({ "value": 1 }));
    let start = |asking: &Asking, key: &str| id(&keyed(asking, key, &runs, &body).expect(201)).to_owned();
    let first = start(&author, "k1");
    assert_eq!(start(&author, "k1"), first);
    // The parameter is the same key, alone and beside the header.
    let mut said = body.clone();
    said["idempotency_key"] = json!("k1");
    assert_eq!(id(&author.post(&runs, &said).expect(201)), first);
    assert_eq!(id(&keyed(&author, "k1", &runs, &said).expect(201)), first);
    assert_ne!(start(&author, "k2"), first);
    assert_ne!(start(&other, "k1"), first, "another caller's key is another");

    let changed = order(&component, "echo_value", &json!({ "value": 2 }));
    let taken = keyed(&author, "k1", &runs, &changed);
    assert_eq!(taken.expect(409)["class"], "KitaruStateError");
    assert!(taken.json()["detail"].as_str().unwrap().contains(&first), "{taken:?}");
    assert_eq!(viewed(&author), 3, "and nothing else was started");
}

fn viewed(asking: &Asking) -> u64 {
    asking.get(&format!("{API}/executions")).expect(200)["total"].as_u64().unwrap()
}

#[test]
fn a_published_flow_is_started_once_by_a_key() {
    let host = Host::warm();
    let served = Served::start(&host);
    let _ = host.item(["deploy", &fixture("conformance:no_calls")]);
    let author = served.account(&host, "ci", "author", &[]);
    let path = format!("{API}/flows/no_calls/executions");
    let first = keyed(&author, "k", &path, &json!({})).expect(201);
    assert_eq!(id(&keyed(&author, "k", &path, &json!({})).expect(201)), id(&first));
    assert_eq!(keyed(&author, "k", &path, &json!({ "tags": ["x"] })).status, 409);
    assert_eq!(viewed(&author), 1);
}

#[test]
fn a_key_that_cannot_hold_is_refused() {
    let host = Host::warm();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let component = sent(&author);
    let runs = format!("{API}/executions");
    let mut body = order(&component, "wait_bool", &json!({}));
    body["idempotency_key"] = json!("mine");
    let refused = keyed(&author, "yours", &runs, &body).expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("different keys"), "{refused}");
    let _ = body.as_object_mut().unwrap().remove("idempotency_key");
    for wrong in ["", " ", "\u{e9}"] {
        assert_eq!(keyed(&author, wrong, &runs, &body).expect(400)["class"], "KitaruUsageError", "{wrong:?}");
    }
    assert_eq!(viewed(&author), 0);

    // Whoever sends it relies on it: where it could not be kept, nothing is done.
    let execution = started(&author, &component, "wait_bool", &json!({}));
    until_it_is(&author, &execution, "waiting");
    let cancel = format!("{API}/executions/{execution}/cancel");
    let refused = keyed(&author, "k", &cancel, &json!({})).expect(400);
    assert!(refused["hint"].as_str().unwrap().contains("leave `Idempotency-Key` out"), "{refused}");
    assert_eq!(author.get(&format!("{API}/executions/{execution}")).expect(200)["status"], "waiting");
    let _ = author.post(&cancel, &json!({})).expect(200);
}
