//! What replays load by the IDs that their sources' journals hand them: what their sources could, and nothing of others.

use super::*;

/// Executions of one component, by different people.
struct Scene {
    host: Host,
    served: Served,
    admin: Asking,
    component: String,
}

impl Scene {
    fn set() -> Self {
        let host = Host::new();
        let served = Served::start(&host);
        let admin = served.account(&host, "root", "admin", &[]);
        let (component, _) = waiting(&admin, "wait_bool");
        Self { host, served, admin, component }
    }

    fn account(&self, name: &str, role: &str, flows: &[&str]) -> Asking {
        self.served.account(&self.host, name, role, flows)
    }

    fn ended(&self, execution: &Value) -> Value {
        let path = format!("{API}/executions/{}", text(execution));
        until("its end", || Some(self.admin.get(&path).expect(200)).filter(|view| view["ended_at"].is_string()))
    }

    fn run(&self, asking: &Asking, flow: &str, input: &Value) -> Value {
        let begun = asking.post(&format!("{API}/executions"), &order(&self.component, flow, input)).expect(201);
        self.ended(&begun["exec_id"])
    }

    /// A child keeps this, which the flow that started it loads.
    fn kept(&self, asking: &Asking, what: &str) -> Value {
        let done = self.run(asking, "parent_loads", &json!({ "text": what }));
        assert_eq!(done["result"], what, "{done:#}");
        done
    }

    /// The same component with one more section in its file: another one, which does the same.
    fn other_code(&self) -> String {
        let mut bytes = std::fs::read(fixture("conformance")).unwrap();
        bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
        let view = self.admin.send("PUT", &format!("{API}/components"), Some("application/wasm"), &bytes).expect(200);
        text(&view["digest"])
    }

    /// A replay in which the checkpoint runs again that loads.
    fn replay(&self, asking: &Asking, source: &Value, change: &Value) -> Value {
        let mut order = json!({ "exec_ids": [source["exec_id"]], "from": "loads_json" });
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let made = asking.post(&format!("{API}/replays"), &order).expect(201);
        self.ended(&made["results"][0]["replay_exec_id"])
    }

    /// What it loaded or wanted to, and whether it might.
    fn loads(&self, execution: &Value) -> Vec<(String, bool)> {
        let path = format!("{API}/executions/{}/accesses?kind=load", text(&execution["exec_id"]));
        let records = self.admin.get(&path).expect(200)["items"].as_array().unwrap().clone();
        records.iter().map(|record| (text(&record["target"]), record["allowed"] == true)).collect()
    }

    /// It was told that there is no such execution, and that is on record.
    #[track_caller]
    fn is_refused(&self, replay: &Value, execution: &str) {
        assert_eq!((&replay["failure"]["exception_type"], &replay["result"]), (&json!("not-found"), &Value::Null), "{replay:#}");
        assert_eq!(self.loads(replay), [(format!("{execution}/kept"), false)]);
    }
}

/// The child that the flow started.
fn child_of(scene: &Scene, parent: &Value) -> String {
    let listed = scene.admin.get(&format!("{API}/executions?parent={}", text(&parent["exec_id"]))).expect(200);
    text(&listed["items"][0]["exec_id"])
}

#[test]
fn e10_a_replay_loads_what_its_source_could() {
    let scene = Scene::set();
    let (ada, bob) = (scene.account("ada", "author", &["parent*"]), scene.account("bob", "author", &["load_*", "parent*"]));
    let source = scene.kept(&ada, "of the child");
    let child = child_of(&scene, &source);
    assert_eq!(ada.get(&format!("{API}/executions/{child}")).status, 404, "no flow of hers");
    // Again, by somebody who may start all that she may, and a replay of a replay, in whose tree there is no child.
    let replay = scene.replay(&ada, &source, &json!({}));
    for replay in [&replay, &scene.replay(&bob, &source, &json!({})), &scene.replay(&bob, &replay, &json!({}))] {
        assert_eq!(replay["result"], "of the child", "{replay:#}");
        assert_eq!(scene.loads(replay), [(format!("{child}/kept"), true)]);
    }
    // What was made for one of them is not the others'.
    let again = scene.run(
        &ada,
        "parent_of_other",
        &json!({
            "component": scene.component, "flow": "load_json", "input": { "execution": child, "name": "kept" },
        }),
    );
    assert_eq!(again["failure"]["exception_type"], "not-found", "{again:#}");
}

#[test]
fn e10_a_replay_loads_nothing_that_others_kept() {
    let scene = Scene::set();
    let (ada, eve) = (scene.account("ada", "author", &["parent*"]), scene.account("eve", "author", &["parent_loads"]));
    let (hers, hidden) = (scene.kept(&ada, "hers"), scene.kept(&scene.admin, "hidden"));
    let [her_child, hidden_child] = [&hers, &hidden].map(|parent| child_of(&scene, parent));
    // By those who may start less than whoever started the source: the journal has the ID, and it opens nothing.
    let narrowed = scene.replay(&eve, &hers, &json!({}));
    scene.is_refused(&narrowed, &her_child);
    let owned = scene.replay(&ada, &hidden, &json!({}));
    scene.is_refused(&owned, &hidden_child);
    // Nor by a detour: what the replay in between could not read, a replay of that cannot.
    let detour = scene.replay(&ada, &narrowed, &json!({}));
    scene.is_refused(&detour, &her_child);
    // What is outside of the source's tree stays there, whoever gives the replay its ID.
    let input = json!({ "checkpoint_overrides": { "loads_json": { "input": { "execution": hidden_child, "name": "kept" } } } });
    let given = scene.replay(&ada, &hers, &input);
    scene.is_refused(&given, &hidden_child);
}

/// Other code gets what its replayer may see, and no more, whether it takes the place of the source's or is started by it.
#[test]
fn e10_a_replay_hands_its_sources_ids_to_no_other_code() {
    let scene = Scene::set();
    let ada = scene.account("ada", "author", &["load_*", "parent*"]);
    let other = scene.other_code();
    let source = scene.kept(&ada, "hers");
    let child = child_of(&scene, &source);
    // Only admins give a replay other code; this one has the flows of whoever started the source.
    let scoped = scene.account("scoped", "admin", &["load_*", "parent*"]);
    let replaced = scene.replay(&scoped, &source, &json!({ "component": other }));
    scene.is_refused(&replaced, &child);
    for asking in [&scoped, &scene.admin] {
        let same = scene.replay(asking, &source, &json!({}));
        assert_eq!(same["result"], "hers", "{same:#}");
    }

    let input = json!({ "component": scene.component, "flow": "keeps", "input": { "text": "of the child" } });
    let source = scene.run(&ada, "parent_keeps_and_calls", &input);
    let child = text(&source["result"]);
    let loads = |component: &str| {
        let load = json!({ "component": component, "flow": "load_json", "input": { "execution": child, "name": "kept" } });
        scene.replay(&ada, &source, &json!({ "from": "keep", "flow_overrides": load }))
    };
    assert_eq!(loads(&scene.component)["result"], "of the child");
    let replay = loads(&other);
    assert_eq!((&replay["failure"]["exception_type"], &replay["result"]), (&json!("not-found"), &Value::Null), "{replay:#}");
}

/// It would start and read what whoever started the execution may.
#[test]
fn e10_nobody_brings_other_code_to_what_may_do_more_than_they() {
    let scene = Scene::set();
    let other = scene.other_code();
    let (scoped, ada) =
        (scene.account("scoped", "admin", &["load_*", "wait_*"]), scene.account("ada", "author", &["load_*", "wait_*"]));
    let missing = json!({ "execution": "01a204ab-9e39-75ef-bc82-00e1ad2d6395", "name": "kept" });
    // Whoever drove it may be about to let go of it.
    let retried = |asking: &Asking, execution: &Value, order: &Value| {
        let path = format!("{API}/executions/{}/retry", text(&execution["exec_id"]));
        until("its runner to let go", || Some(asking.post(&path, order)).filter(|answer| answer.status != 409))
    };
    // In the server's memory, where they wait.
    let upgraded = |asking: &Asking, execution: &str| {
        asking.post(&format!("{API}/upgrades"), &json!({ "executions": [execution], "component": other }))
    };
    let [of_admin, of_ada] = [&scene.admin, &ada].map(|starter| {
        let failed = scene.run(starter, "load_json", &missing);
        (failed, waiting(starter, "wait_bool").1)
    });
    for refused in [retried(&scoped, &of_admin.0, &json!({ "component": other })), upgraded(&scoped, &of_admin.1)] {
        let refused = refused.expect(403);
        assert!(text(&refused["detail"]).contains("may start and read"), "{refused:#}");
    }
    // With its own code it is tried again, and whoever has all flows may do either.
    retried(&scoped, &of_admin.0, &json!({})).expect(200);
    retried(&scoped, &of_ada.0, &json!({ "component": other })).expect(200);
    for (asking, execution) in [(&scene.admin, &of_admin.1), (&scoped, &of_ada.1)] {
        let moved = upgraded(asking, execution).expect(200);
        assert_eq!(moved["items"][0]["upgraded"], true, "{moved:#}");
    }
}

/// A replay that was made with the source's code may be given other code later, and what it inherited was not given to that.
#[test]
fn e10_other_code_that_takes_over_a_replay_does_not_get_its_trees() {
    let scene = Scene::set();
    let other = scene.other_code();
    let ada = scene.account("ada", "author", &["load_*", "parent*"]);
    let scoped = scene.account("scoped", "admin", &["load_*", "parent*"]);

    let source = scene.kept(&ada, "hers");
    let missing = format!("{}/missing", child_of(&scene, &source));
    let input = json!({ "execution": child_of(&scene, &source), "name": "missing" });
    let failed = scene.replay(&scoped, &source, &json!({ "checkpoint_overrides": { "loads_json": { "input": input } } }));
    assert_eq!(scene.loads(&failed), [(missing.clone(), true)]);
    for (order, allowed) in [(json!({}), true), (json!({ "component": other }), false)] {
        let path = format!("{API}/executions/{}/retry", text(&failed["exec_id"]));
        // Whoever drove it may be about to let go of it.
        until("its runner to let go", || Some(scoped.post(&path, &order)).filter(|answer| answer.status != 409)).expect(200);
        let _ = scene.ended(&failed["exec_id"]);
        assert_eq!(scene.loads(&failed).last(), Some(&(missing.clone(), allowed)), "{order}");
    }

    let answered = |asking: &Asking, execution: &Value| {
        let path = format!("{API}/executions/{}/input", text(execution));
        // It may have to wait for its child before it asks.
        until("its question", || (asking.post(&path, &json!({ "value": true })).status < 300).then_some(()));
        scene.ended(execution)
    };
    let begun =
        ada.post(&format!("{API}/executions"), &order(&scene.component, "parent_asks_and_loads", &json!({ "text": "hers" })));
    let source = answered(&ada, &begun.expect(201)["exec_id"]);
    assert_eq!(source["result"], "hers", "{source:#}");
    let child = child_of(&scene, &source);
    for moves in [false, true] {
        let order = json!({ "exec_ids": [source["exec_id"]], "from": "loads_json", "ask_again": true });
        let made = scoped.post(&format!("{API}/replays"), &order).expect(201);
        let replay = &made["results"][0]["replay_exec_id"];
        let path = format!("{API}/executions/{}", text(replay));
        until("its question", || (scoped.get(&path).expect(200)["status"] == "waiting").then_some(()));
        if moves {
            let order = json!({ "executions": [replay], "component": other });
            let moved = scoped.post(&format!("{API}/upgrades"), &order).expect(200);
            assert_eq!(moved["items"][0]["upgraded"], true, "{moved:#}");
            scene.is_refused(&answered(&scoped, replay), &child);
        } else {
            assert_eq!(answered(&scoped, replay)["result"], "hers");
        }
    }
}
