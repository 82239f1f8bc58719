//! What an execution may spend on models is for it and all that it starts: children at once, those that nobody waits for, and what is made again after
//! a crash, a failure, or in a replay (A8).

use kitaru_tests::models::{failed, told};
use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Models, Running, fixture, id, until};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// The most that a call can cost which is asked for so many tokens: $0.06, and a little for the question.
const TOKENS: u64 = 100_000;
/// What each answer costs.
const COST: f64 = 0.06;

fn requests() -> Value {
    json!([{ "prompt": "x", "max_tokens": TOKENS, "model": "fast" }])
}

/// The command that runs a flow that may spend so many dollars.
fn words(flow: &str, input: &Value, dollars: f64) -> Vec<String> {
    let words = ["run", &fixture(&format!("conformance:{flow}")), "--input", &input.to_string(), "--allow-llm"];
    words.into_iter().map(str::to_owned).chain([format!("--max-llm-cost={dollars}")]).collect()
}

fn run(models: &Models, flow: &str, input: &Value, dollars: f64) -> Value {
    let words = words(flow, input, dollars);
    models.item(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn start(models: &Models, flow: &str, input: &Value, dollars: f64) -> Running {
    let words = words(flow, input, dollars);
    let command = models.command_with(&[("OPENAI_API_KEY", Models::KEY)], &words.iter().map(String::as_str).collect::<Vec<_>>());
    models.host.spawn(command)
}

/// What the account of a tree has, in cents: what is recorded, and what is spent or set aside besides.
fn account(models: &Models, top: &str) -> [i64; 2] {
    let store =
        Connection::open_with_flags(models.host.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store is there");
    let of = |query: &str| {
        let query = format!("{query} WHERE scope = 'tree' AND hex(name) = upper(replace(?1, '-', ''))");
        store.query_row(&query, [top], |row| row.get::<_, i64>(0)).expect("a sum")
    };
    let recorded = of("SELECT coalesce(sum(spent), 0) FROM model_spend");
    let unrecorded = of("SELECT coalesce(sum(unrecorded), 0) FROM model_spend");
    let reserved = of("SELECT coalesce(sum(amount), 0) FROM model_reserved JOIN model_reservations ON id = reservation");
    [recorded, unrecorded + reserved].map(|nanos| nanos / 10_000_000)
}

/// How many were answered, where each of the others was refused by the budget that all share.
#[track_caller]
fn answered(outcomes: &[Value]) -> usize {
    let refused: Vec<_> = outcomes.iter().filter(|told| told["ok"].is_null()).collect();
    for told in &refused {
        failed(told, "budget", &["tree of executions"]);
        assert_eq!(told["details"]["budget"], "tree", "{told:#}");
    }
    outcomes.len() - refused.len()
}

/// What became of the calls of children, one of each.
fn of_children(execution: &Value) -> Vec<Value> {
    told(execution).iter().map(|calls| calls[0].clone()).collect()
}

#[test]
fn a8_children_at_once_spend_no_more_than_their_top_may() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |_| Reaction::text("Said.").cost(COST).held(&held)));
    // Children, their children, and theirs: four calls fit.
    let input = json!({ "depths": [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], "requests": requests() });
    let running = start(&models, "model_children", &input, 0.25);
    // As many as fit are under way at the same time, and none is answered yet: what is set aside keeps the others back.
    gate.until_reached(4);
    let top = models.host.json(["executions", "list", "--flow", "model_children"]).items();
    let top = id(&top[0]).to_owned();
    let refused = || {
        let calls = models.host.json(["executions", "list", "--flow", "model_calls", "--status", "completed"]).items();
        (calls.len() == 8).then_some(())
    };
    until("eight that do not fit", refused);
    assert_eq!((models.hits(), account(&models, &top)), (4, [0, 24]));
    gate.open();
    let done = running.finish().item();
    assert_eq!(answered(&of_children(&done)), 4);
    assert_eq!((models.provider.exchanges().len(), account(&models, &top)), (4, [24, 0]), "nothing was sent for the others");
}

#[test]
fn a8_what_is_let_go_of_spends_from_the_same_budget() {
    let models = Models::of(Provider::reacting(|_| Reaction::text("Said.").cost(COST)));
    let done = run(&models, "model_lets_go", &json!({ "count": 6, "requests": requests() }), 0.15);
    // Whoever drives them, here or in the process that let go of them.
    let server = models.serving(&[("OPENAI_API_KEY", Models::KEY)]);
    let children: Vec<&str> = done["result"].as_array().unwrap().iter().map(|child| child.as_str().unwrap()).collect();
    let ended = children
        .iter()
        .map(|child| until("its end", || Some(models.host.get(child)).filter(|view| view["status"] == "completed")));
    let outcomes: Vec<Value> = ended.map(|view| told(&view)[0].clone()).collect();
    assert_eq!((answered(&outcomes), models.hits()), (2, 2));
    drop(server);
    assert_eq!(account(&models, id(&done)), [12, 0]);
    // Without the top the others have no more: its account goes with the last of them.
    let _ = models.host.item(["executions", "delete", id(&done)]);
    assert_eq!(account(&models, id(&done)), [12, 0]);
    for child in children {
        let _ = models.host.item(["executions", "delete", child]);
    }
    assert_eq!(account(&models, id(&done)), [0, 0]);
}

/// What was under way when the host was killed may be charged: it stays spent, for all of the tree.
#[test]
fn a8_k2_a_kill_gives_no_tree_more_to_spend() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |received| match received.number {
        0..3 => Reaction::text("Never told.").cost(COST).held(&held),
        _ => Reaction::text("Said.").cost(COST),
    }));
    let running = start(&models, "model_children", &json!({ "depths": [1, 2, 3], "requests": requests() }), 0.25);
    gate.until_reached(3);
    running.kill();
    let top = models.host.json(["executions", "list", "--flow", "model_children"]).items();
    let top = id(&top[0]).to_owned();
    assert_eq!(account(&models, &top), [0, 18]);
    let done = models.item(&["executions", "resume", &top]);
    assert_eq!((answered(&of_children(&done)), models.hits()), (1, 4), "{done:#}");
    assert_eq!(account(&models, &top), [6, 18]);
}

/// A retry goes on under the same top, whatever it starts anew; a replay is a top of its own.
#[test]
fn a8_a_retry_spends_from_the_same_budget_and_a_replay_from_another() {
    let models = Models::of(Provider::reacting(|_| Reaction::text("Said.").cost(0.003)));
    models.settings("[llm.budgets]\ndefault_max_tokens = 4096\n");
    // At most $0.0025 for each call, and $0.003 were spent: the top's own call leaves its child nothing.
    let words = words("model_then_child", &json!({ "prompt": "x" }), 0.005);
    let _ = models.reply(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let failure = |execution: &str| models.host.get(execution)["failure"].clone();
    let top = id(&models.host.json(["executions", "list", "--flow", "model_then_child"]).items()[0]).to_owned();
    assert_eq!((failure(&top)["exception_type"].as_str(), models.hits()), (Some("budget"), 1), "{:#}", failure(&top));
    let _ = models.reply(&["executions", "retry", &top]);
    assert_eq!(
        (failure(&top)["exception_type"].as_str(), models.hits()),
        (Some("budget"), 1),
        "another child, and no more money"
    );
    let listed = models.host.json(["executions", "list", "--flow", "model_answer"]).items();
    assert_eq!(listed.len(), 2);
    // With a budget of its own a replay makes the top's call once more, and comes no further.
    let _ = models.reply(&["executions", "replay", &top, "--from", "own"]);
    let replay = models.newest();
    let replay = if replay["flow_name"] == "model_then_child" { replay } else { models.host.get(parent(&replay)) };
    assert_eq!((failure(id(&replay))["exception_type"].as_str(), models.hits()), (Some("budget"), 2), "{replay:#}");
    // Nor does whoever replays a child spend from what its top may.
    let again = models.item(&["executions", "replay", id(&listed[0]), "--from", "answer"]);
    assert_eq!((&again["result"], models.hits()), (&json!("Said."), 3), "{again:#}");
}

/// Who waits for an execution.
fn parent(execution: &Value) -> &str {
    execution["parent_exec_id"].as_str().expect("a child that is waited for")
}

#[test]
fn a8_the_settings_limit_of_one_execution_is_its_trees_too() {
    let models = Models::of(Provider::reacting(|_| Reaction::text("Said.").cost(COST)));
    models.settings("[llm.budgets]\nper_execution = 0.15\n");
    let input = json!({ "depths": [1, 1, 1, 2], "requests": requests() });
    let done = models.run("model_children", &input);
    assert_eq!((answered(&of_children(&done)), models.hits()), (2, 2));
    // Executions of another tree have as much again.
    let done = models.run("model_children", &input);
    assert_eq!((answered(&of_children(&done)), models.hits()), (2, 4));
}
