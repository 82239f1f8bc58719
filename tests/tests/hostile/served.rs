//! Hostile flows that come over the network: a real server runs them for a real client, and serves on. What they were granted, no answer of the server
//! shows.

use kitaru_tests::served::order;
use kitaru_tests::web::Say;
use kitaru_tests::{Asking, Planted, Served, Web, fixture, peak_of, until};
use serde_json::{Value, json};

use super::row::{End, Guest, Row};
use super::{GROUPS, SECRET, host};

const API: &str = "/api/v1";
/// What instances of the server may have together, in MiB: twice what each of the rows may, and so much less than all of them.
const INSTANCES: u64 = 128;
/// The most memory that the server may hold, in MiB: that, and what compiling and answering take in a debug build.
const CEILING: u64 = 2_000;

/// Flows of the guest `hostile` that need nothing of the test's folder.
fn rows() -> impl Iterator<Item = &'static Row> {
    let groups = [
        "Traps and re-entrance",
        "Handles",
        "Results",
        "Names and inputs of durable calls",
        "Addresses",
        "WASI",
        "Models",
        "Artifacts",
    ];
    let rows = GROUPS.into_iter().filter(move |(name, _)| groups.contains(name)).flat_map(|(_, rows)| rows);
    // The others are about one limit, which is not the one here.
    let usual = |row: &&Row| {
        let known = ["--max-memory", "--flow-seconds", "--checkpoint-seconds", "--allow-net"];
        row.flags.iter().all(|flag| known.iter().any(|known| flag.starts_with(known)))
    };
    rows.filter(|row| matches!(row.guest, Guest::Flow(_)) && !matches!(row.end, End::Waits | End::Refused(_))).filter(usual)
}

fn sent(admin: &Asking) -> String {
    let bytes = std::fs::read(fixture("hostile")).unwrap();
    let view = admin.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    view["digest"].as_str().unwrap().to_owned()
}

fn start(admin: &Asking, component: &str, flow: &str, input: &Value, grants: &Value) -> String {
    let mut order = order(component, flow, input);
    order["grants"] = grants.clone();
    order["limits"] = json!({ "memory_mib": 64, "flow_seconds": 5, "checkpoint_seconds": 5, "log_mib": 1 });
    // A caller who asks too much is told to wait.
    let posted = || Some(admin.post(&format!("{API}/executions"), &order)).filter(|answer| answer.status != 429);
    let view = until("its start", posted).expect(201);
    view["exec_id"].as_str().unwrap().to_owned()
}

/// An execution, as soon as it has ended.
fn ended(admin: &Asking, id: &str) -> Value {
    until("its end", || {
        let view = admin.get_in_time(&format!("{API}/executions/{id}")).expect(200);
        view["ended_at"].is_string().then_some(view)
    })
}

#[test]
fn a_server_runs_what_strangers_send_and_serves_on() {
    let host = host();
    let mut served = Served::start_with(&host, &["--max-instances-memory", &INSTANCES.to_string()]);
    let admin = served.account(&host, "root", "admin", &[]);
    let component = sent(&admin);
    let grants = json!({ "net": ["*"] });
    let mut begun = Vec::new();
    for row in rows() {
        let Guest::Flow(flow) = row.guest else { continue };
        let input: Value = serde_json::from_str(row.input).unwrap();
        begun.push((row, start(&admin, &component, flow, &input, &grants)));
    }
    assert!(begun.len() >= 60, "only {} rows", begun.len());
    for (row, id) in &begun {
        let view = ended(&admin, id);
        let failure = &view["failure"];
        assert_ne!(failure["exception_type"], "internal", "`{}`: {failure:#}", row.name);
        assert_ne!(failure["exception_type"], "breach", "`{}`: {failure:#}", row.name);
    }
    assert!(served.running.is_alive());
    assert_eq!(served.nobody().get("/healthz").status, 200);
    let metrics = String::from_utf8(admin.get_in_time("/metrics").body).unwrap();
    let reached = |line: &str| line.starts_with("kitaru_limits_reached_total{limit=\"handles\"} ");
    assert!(metrics.lines().any(reached), "whoever watches the host sees which limits were met: {metrics}");
    for gauge in ["kitaru_bodies 0", "kitaru_bodies_waiting 0", "kitaru_bodies_limit 64", "kitaru_model_cost_dollars_total 0"] {
        assert!(metrics.lines().any(|line| line == gauge), "{gauge}: {metrics}");
    }
    let gauge = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or_else(|| panic!("no `{name}`: {metrics}"))
    };
    let (peak, ceiling) = (gauge("kitaru_instances_peak_bytes"), gauge("kitaru_instances_ceiling_bytes"));
    assert_eq!(ceiling, (INSTANCES << 20) as f64);
    assert!(peak > 1e6 && peak <= ceiling, "what instances had together, whatever they did: {peak} of {ceiling}");
    let good = start(&admin, &component, "asks_beyond_its_secrets", &json!({}), &json!({}));
    assert_eq!(ended(&admin, &good)["status"], "completed", "and does its work");
    let peak = peak_of(served.running.id()).unwrap_or_default();
    assert!(peak < CEILING, "it held {peak} MiB");
}

/// A guest that was granted a secret holds a placeholder: wherever it carries that, no answer, no log line, no artifact and no file of the host shows
/// the value. The only one who has it is the server that the grant names.
#[test]
fn a_granted_secret_is_in_no_answer_of_the_server() {
    let (host, planted) = (host(), Planted(SECRET));
    // It says back what it got, in each part of its answer that the host reads.
    let web = Web::new(|asked| {
        let said = asked.header("authorization").join(",");
        Say::text("heard")
            .with("x-echo", &said)
            .with("set-cookie", &format!("token={said}"))
            .with("location", &format!("/?{said}"))
    });
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let component = sent(&admin);
    let secret = format!("gh@127.0.0.1:{}", web.port);
    let grants = json!({ "net": [format!("127.0.0.1:{}", web.port)], "secrets": [secret] });
    let url = json!({ "url": web.url("") });
    for (flow, input) in [
        ("keeps_a_secret", json!({})),
        ("fails_with_a_secret", json!({})),
        ("panics_with_a_secret", json!({})),
        ("hears_a_secret", url),
        ("asks_beyond_its_secrets", json!({})),
    ] {
        let id = start(&admin, &component, flow, &input, &grants);
        let view = ended(&admin, &id);
        assert_ne!(view["failure"]["exception_type"], "breach", "{flow}: {view:#}");
        assert!(!planted.is_in(&admin.everything_of(&id)), "{flow} shows the secret");
        if flow == "hears_a_secret" {
            assert_eq!(view["result"], "held", "{view:#}");
            assert!(web.asked().iter().any(|asked| asked.header("authorization") == [format!("Bearer {SECRET}")]), "it was sent");
        }
    }
    for path in [format!("{API}/secrets"), format!("{API}/audit?limit=1000"), "/metrics".into(), format!("{API}/executions")] {
        let answer = admin.get_in_time(&path);
        assert!(answer.status == 200 && !planted.is_in(&answer.body), "{path}: {}", answer.status);
    }
    planted.is_in_no_file_of(&host);
}
