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

#[test]
fn whoever_has_no_credential_that_counts_gets_nothing_by_any_route() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let (component, execution) = waiting(&admin, "wait_bool");
    let hidden = Hidden { component, execution };
    let routes = routes(&admin);
    let token = host.item(["auth", "token", "--seconds", "1"])["token"].as_str().unwrap().to_owned();
    let revoked = served.account(&host, "gone", "admin", &[]);
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
        each_says(&routes, &stranger, &hidden, |_, status| matches!(status, 400 | 401 | 429));
    }
    still_serves(&admin);
    let view = admin.get(&format!("{API}/executions/{}", hidden.execution)).expect(200);
    assert_eq!(view["status"], "waiting", "nobody has touched it");
}

#[test]
fn a_viewer_changes_nothing_and_a_scope_hides_what_it_has_not_by_any_route() {
    let host = Host::new();
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let (component, execution) = waiting(&admin, "wait_bool");
    let hidden = Hidden { component, execution };
    let routes = routes(&admin);
    let viewer = served.account(&host, "eyes", "viewer", &[]);
    for route in routes.iter().filter(|route| route.role != "viewer") {
        let path = route.at(|name| hidden.value(name));
        let answer = sent(&viewer, &route.method, &path);
        assert_eq!(answer.status, 403, "{} {path}: {}", route.method, String::from_utf8_lossy(&answer.body));
    }
    for role in ["viewer", "operator", "author", "admin"] {
        let scoped = served.account(&host, &format!("other-{role}"), role, &["other-*"]);
        // Lists are there, and empty; streams of all would go on.
        let mine: Vec<Route> = self::routes(&admin).into_iter().filter(|route| route.path != "/stream").collect();
        each_says(&mine, &scoped, &hidden, |_, status| matches!(status, 200 | 201 | 204 | 400 | 403 | 404 | 409));
    }
    let view = admin.get(&format!("{API}/executions/{}", hidden.execution)).expect(200);
    assert_eq!(view["status"], "waiting", "nobody has touched it");
    assert!(!routes.is_empty());
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
