//! No credential, and wrong ones.

use super::*;

/// What each route says to somebody, and that it is nothing of an execution that is none of theirs.
fn each_says(routes: &[Route], asking: &Asking, hidden: &Hidden, allowed: impl Fn(&Route, u16) -> bool) {
    for route in routes {
        let path = route.at(|name| hidden.value(name));
        let answer = sent(asking, &route.method, &path);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(allowed(route, answer.status), "{} {path}: {} {text}", route.method, answer.status);
        let of_the_path = if path.contains(&hidden.execution) { 1 } else { 0 };
        // A refusal may repeat what was asked for, and the question stands in the code, which is not the execution's.
        let has_question = text.contains(hidden.question()) && !path.contains("/components/");
        let told = text.matches(&hidden.execution).count() > of_the_path || has_question;
        assert!(!told, "{} {path}: {text}", route.method);
    }
}

/// An execution that asks something, and whatever names it.
struct Hidden {
    component: String,
    execution: String,
}

impl Hidden {
    /// What stands in nothing else.
    fn question(&self) -> &'static str {
        "Approve?"
    }

    fn value(&self, parameter: &str) -> String {
        match parameter {
            "execution" => self.execution.clone(),
            "artifact" | "wait" => format!("{}:0", self.execution),
            "digest" | "component" => self.component.clone(),
            "flow" => "wait_bool".into(),
            _ => "x".into(),
        }
    }
}

/// A host that serves what others are not to have, by so many routes.
struct Scene {
    host: Host,
    served: Served,
    admin: Asking,
    hidden: Hidden,
    routes: Vec<Route>,
}

impl Scene {
    fn set() -> Self {
        let host = Host::new();
        let served = Served::start(&host);
        let admin = served.account(&host, "root", "admin", &[]);
        let (component, execution) = waiting(&admin, "wait_bool");
        let routes = routes(&admin);
        Self { host, served, admin, hidden: Hidden { component, execution }, routes }
    }

    /// Nobody has answered or ended what was hidden.
    #[track_caller]
    fn is_as_it_was(&self) {
        let view = self.admin.get(&format!("{API}/executions/{}", self.hidden.execution)).expect(200);
        assert_eq!(view["status"], "waiting", "nobody has touched it");
    }
}

#[test]
fn whoever_has_no_credential_that_counts_gets_nothing_by_any_route() {
    let scene = Scene::set();
    let Scene { host, served, admin, hidden, routes } = &scene;
    let token = host.item(["auth", "token", "--seconds", "1"])["token"].as_str().unwrap().to_owned();
    let revoked = served.account(host, "gone", "admin", &[]);
    assert_eq!(revoked.get(&format!("{API}/executions")).status, 200);
    let _ = host.item(["auth", "service-accounts", "delete", "gone"]);
    std::thread::sleep(Duration::from_millis(1_100));
    let bearer = |text: &str| served.nobody().with("Authorization", text);
    let strangers = [
        served.nobody(),
        bearer(&format!("Bearer {token}")),
        revoked,
        bearer("Bearer kh_0000000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        bearer("Bearer "),
        bearer("Basic b3duZXI6"),
        bearer("Bearer \u{1}\u{7f}"),
        served.nobody().with("Cookie", "kitaru_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ];
    for stranger in strangers {
        // Of wrong ones, further tries have to wait.
        each_says(routes, &stranger, hidden, |_, status| matches!(status, 400 | 401 | 429));
    }
    still_serves(admin);
    scene.is_as_it_was();
}

#[test]
fn a_viewer_changes_nothing_and_a_scope_hides_what_it_has_not_by_any_route() {
    let scene = Scene::set();
    let Scene { host, served, admin, hidden, routes } = &scene;
    let viewer = served.account(host, "eyes", "viewer", &[]);
    for route in routes.iter().filter(|route| route.role != "viewer") {
        let path = route.at(|name| hidden.value(name));
        let answer = sent(&viewer, &route.method, &path);
        assert_eq!(answer.status, 403, "{} {path}: {}", route.method, String::from_utf8_lossy(&answer.body));
    }
    for role in ["viewer", "operator", "author", "admin"] {
        let scoped = served.account(host, &format!("other-{role}"), role, &["other-*"]);
        // Lists are there, and empty; streams of all would go on.
        let mine: Vec<Route> = self::routes(admin).into_iter().filter(|route| route.path != "/stream").collect();
        each_says(&mine, &scoped, hidden, |_, status| matches!(status, 200 | 201 | 204 | 400 | 403 | 404 | 409));
    }
    scene.is_as_it_was();
}

#[test]
fn a_flow_starts_no_flow_of_another_component_that_its_starter_may_not() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let scoped = served.account(&host, "some", "author", &["parent*"]);
    let (component, _) = waiting(&admin, "wait_bool");
    let bytes = std::fs::read(fixture("versioned-v1")).unwrap();
    let other = admin.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
    let flow = text(&other["manifest"]["flows"][0]["name"]);
    let started = |asking: &Asking, child: &str, flow: &str| {
        let input = json!({ "component": child, "flow": flow, "input": {} });
        let begun = asking.post(&format!("{API}/executions"), &order(&component, "parent_of_other", &input)).expect(201);
        let path = format!("{API}/executions/{}", text(&begun["exec_id"]));
        until("its end", || {
            Some(asking.get(&path).expect(200)).filter(|view| view["status"] != "running" && view["status"] != "waiting")
        })
    };
    let refused = started(&scoped, &text(&other["digest"]), &flow);
    let failure = &refused["failure"];
    assert_eq!((&refused["status"], &failure["exception_type"]), (&json!("failed"), &json!("capability")), "{refused:#}");
    assert!(text(&failure["message"]).contains("parent*"), "{failure:#}");
    let listed = admin.get(&format!("{API}/executions?flow={flow}")).expect(200);
    assert_eq!(listed["total"], 0, "nothing was started");
    // What one component does by itself is its own affair.
    let own = started(&scoped, &component, "no_calls");
    assert_eq!(own["status"], "completed", "{own:#}");
}

/// The ID of an execution is no key to what it kept, whoever runs the code that has it, and however it came by it.
#[test]
fn a_flow_loads_nothing_that_its_starter_may_not_see() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let scoped = served.account(&host, "some", "author", &["load_*", "parent*"]);
    let (component, _) = waiting(&admin, "wait_bool");
    let done = |asking: &Asking, flow: &str, input: &Value| {
        let begun = asking.post(&format!("{API}/executions"), &order(&component, flow, input)).expect(201);
        let path = format!("{API}/executions/{}", text(&begun["exec_id"]));
        until("its end", || Some(admin.get(&path).expect(200)).filter(|view| view["ended_at"].is_string()))
    };
    let loaded = |asking: &Asking, id: &str| done(asking, "load_json", &json!({ "execution": id, "name": "echo" }));
    let message = |view: &Value| {
        let failure = &view["failure"];
        assert_eq!(failure["exception_type"], "not-found", "{view:#}");
        text(&failure["message"])
    };
    let accesses = |view: &Value| {
        let path = format!("{API}/executions/{}/accesses?kind=load", text(&view["exec_id"]));
        let records = admin.get(&path).expect(200)["items"].as_array().unwrap().clone();
        records.iter().map(|record| (text(&record["target"]), record["allowed"] == true)).collect::<Vec<_>>()
    };

    let kept = done(&admin, "echo_value", &json!({ "value": "of the others" }));
    let (hidden, missing) = (text(&kept["exec_id"]), "01990000-0000-7000-8000-000000000000");
    assert_eq!(scoped.get(&format!("{API}/executions/{hidden}")).status, 404, "it is none of theirs");
    let whole = loaded(&admin, &hidden);
    assert_eq!(whole["result"], "of the others", "there is something to be had: {whole:#}");
    assert_eq!(accesses(&whole), [(format!("{hidden}/echo"), true)]);

    let (refused, unknown) = (loaded(&scoped, &hidden), loaded(&scoped, missing));
    assert_eq!(message(&refused).replace(&hidden, missing), message(&unknown), "nobody learns that it is there");
    assert_eq!(accesses(&refused), [(format!("{hidden}/echo"), false)]);
    assert_eq!(accesses(&unknown), [(format!("{missing}/echo"), false)], "nor by what is recorded");
    assert!(!refused.to_string().contains("of the others"), "{refused:#}");

    // Nor by a child, which is started for the same person.
    let child = json!({ "component": component, "flow": "load_json", "input": { "execution": hidden, "name": "echo" } });
    let parent = done(&scoped, "parent_of_other", &child);
    assert_eq!(message(&parent).replace(&hidden, missing), message(&unknown));

    // What they may see they may load: here, what the child before this one came to.
    let theirs = loaded(&admin, &hidden);
    let again = done(&scoped, "load_json", &json!({ "execution": text(&theirs["exec_id"]), "name": "loads_json" }));
    assert_eq!(again["result"], "of the others", "an execution of a flow of theirs: {again:#}");
}

#[test]
fn an_author_gives_no_other_input_to_a_run_with_grants_of_an_admin() {
    let host = Host::new();
    let served = Served::start(&host);
    let (admin, author) = (served.account(&host, "root", "admin", &[]), served.account(&host, "ci", "author", &[]));
    let (component, _) = waiting(&admin, "wait_bool");
    let run = |asking: &Asking, grants: Value| {
        let mut order = order(&component, "uncaught", &json!({ "message": "no" }));
        if grants != Value::Null {
            order["grants"] = grants;
        }
        let begun = asking.post(&format!("{API}/executions"), &order).expect(201);
        let path = format!("{API}/executions/{}", text(&begun["exec_id"]));
        until("its end", || (asking.get(&path).expect(200)["status"] == "failed").then(|| text(&begun["exec_id"])))
    };
    let granted = run(&admin, json!({ "env": ["LANG"] }));
    let replay = |asking: &Asking, body: Value| asking.post(&format!("{API}/replays"), &body);
    for change in [
        json!({ "exec_ids": [granted], "from": "fail", "flow_overrides": { "message": "other" } }),
        json!({ "exec_ids": [granted], "overrides": { "checkpoint.fail": "other" } }),
        json!({ "exec_ids": [granted], "on_error": "collect", "invocation_overrides": { "fail": { "input": {} } } }),
        json!({ "exec_ids": [granted], "from": "fail", "skip": ["fallback"] }),
        json!({ "exec_ids": [granted], "from": "fail", "ask_again": true }),
    ] {
        let refused = replay(&author, change.clone());
        assert_eq!(refused.expect(403)["class"], "KitaruAuthorizationError", "{change}");
    }
    // As it is, it may run again; whoever does that answers for nothing that the admin gave.
    let same = replay(&author, json!({ "exec_ids": [granted], "from": "fail" })).expect(201);
    let again = text(&same["results"][0]["replay_exec_id"]);
    let path = format!("{API}/executions/{again}");
    until("its end", || (author.get(&path).expect(200)["status"] == "failed").then_some(()));
    let change = json!({ "exec_ids": [again], "from": "fail", "flow_overrides": { "message": "other" } });
    assert_eq!(replay(&author, change.clone()).status, 403, "nor by a detour");
    assert_eq!(replay(&admin, change).status, 201);
    let own = run(&author, Value::Null);
    assert_eq!(
        replay(&author, json!({ "exec_ids": [own], "from": "fail", "flow_overrides": { "message": "other" } })).status,
        201
    );
    // Who could grant once, and can no more, is anybody.
    let demoted = served.account(&host, "once", "admin", &[]);
    let granted = run(&demoted, json!({ "env": ["LANG"] }));
    let change = json!({ "exec_ids": [granted], "from": "fail", "flow_overrides": { "message": "other" } });
    assert_eq!(replay(&demoted, change.clone()).status, 201);
    let _ = host.item(["auth", "service-accounts", "update", "once", "--role", "author"]);
    assert_eq!(replay(&demoted, change).status, 403);
}

/// What an admin raised for one run is raised for that run: not for what somebody makes of it who could not raise it.
#[test]
fn a_replay_has_no_limits_that_its_replayer_could_not_give() {
    let host = Host::new();
    host.file("kitaru.toml", "[limits]\ncalls = 1000\nllm_usd = 1.0\n");
    let served = Served::start(&host);
    let (admin, author) = (served.account(&host, "root", "admin", &[]), served.account(&host, "ci", "author", &[]));
    let (component, _) = waiting(&admin, "wait_bool");
    let ended = |execution: &str| {
        let path = format!("{API}/executions/{execution}");
        until("its end", || Some(admin.get(&path).expect(200)).filter(|view| view["status"] == "failed"))
    };
    let limits = |view: &Value| {
        let limits = &view["frozen_execution_spec"]["limits"];
        json!([limits["calls"], limits["llm_usd"], limits["log_mib"], limits["checkpoint_seconds"]])
    };
    let replayed = |asking: &Asking, source: &str| {
        let made = asking.post(&format!("{API}/replays"), &json!({ "exec_ids": [source], "from": "fail" })).expect(201);
        let id = text(&made["results"][0]["replay_exec_id"]);
        (limits(&ended(&id)), id)
    };
    let mut wide = order(&component, "uncaught", &json!({ "message": "no" }));
    wide["limits"] = json!({ "calls": 5000, "llm_usd": 500.0, "log_mib": 1, "checkpoint_seconds": 9 });
    let refused = author.post(&format!("{API}/executions"), &wide);
    assert_eq!(refused.expect(403)["class"], "KitaruAuthorizationError");
    let source = text(&admin.post(&format!("{API}/executions"), &wide).expect(201)["exec_id"]);
    assert_eq!(limits(&ended(&source)), json!([5000, 500.0, 1, 9]));
    // Lower ones stay; and what somebody else replayed before gives nothing back.
    let (narrowed, replay) = replayed(&author, &source);
    assert_eq!(narrowed, json!([1000, 1.0, 1, 9]));
    assert_eq!(replayed(&author, &replay).0, json!([1000, 1.0, 1, 9]));
    let (kept, replay) = replayed(&admin, &source);
    assert_eq!(kept, json!([5000, 500.0, 1, 9]), "who may raise limits keeps them");
    assert_eq!(replayed(&author, &replay).0, json!([1000, 1.0, 1, 9]), "nor by a detour");
    let raised = json!({ "exec_ids": [source], "from": "fail", "limits": { "calls": 5000 } });
    assert_eq!(author.post(&format!("{API}/replays"), &raised).status, 403);
    assert_eq!(admin.post(&format!("{API}/replays"), &raised).status, 201);

    // A published version says what its executions may, whoever starts them; until it is gone.
    let version = json!({ "component": component, "limits": { "calls": 3000, "llm_usd": 30.0 } });
    let _ = admin.post(&format!("{API}/flows/uncaught/versions"), &version).expect(201);
    let started =
        author.post(&format!("{API}/executions"), &json!({ "flow": "uncaught", "input": { "message": "no" } })).expect(201);
    let source = text(&started["exec_id"]);
    let of_version = limits(&ended(&source));
    assert_eq!((&of_version[0], &of_version[1]), (&json!(3000), &json!(30.0)));
    assert_eq!(replayed(&author, &source).0, of_version);
    let _ = host.item(["flow", "delete", "uncaught"]);
    let narrowed = replayed(&author, &source).0;
    assert_eq!((&narrowed[0], &narrowed[1]), (&json!(1000), &json!(1.0)), "{narrowed}");
}

#[test]
fn guessed_log_ins_wait_and_the_owner_does_not() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let page = served.nobody().with("Origin", &format!("http://{}", served.address)).with("Sec-Fetch-Site", "same-origin");
    let path = format!("{API}/session");
    let statuses: Vec<u16> = (0..100)
        .map(|number| {
            let wrong =
                if number % 2 == 0 { json!({ "code": format!("wrong-{number}") }) } else { json!({ "api_key": "kh_wrong" }) };
            page.post(&path, &wrong).status
        })
        .collect();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 401).count() < 12, "{statuses:?}");
    still_serves(&admin);
    assert_eq!(page.post(&path, &json!({ "code": served.login_code })).status, 200, "from the same address");
    let noted = admin.get(&format!("{API}/audit?who=unknown&limit=1000")).expect(200);
    assert!(noted["count"].as_u64().unwrap() <= 21, "{noted}");
}
