//! `coding-agent`: answers as durable calls, tools as checkpoints, and a person before every write.

use kitaru_tests::provider::{Provider, Reaction, Received};
use kitaru_tests::{Reply, example, id, names};
use serde_json::{Value, json};

use crate::scene::{Scene, said_by};

const SETTINGS: &str = "{\n  \"name\": \"tide-clock\",\n  \"port\": 8080,\n  \"harbour\": \"Oban\"\n}\n";
const MANUAL: &str = "The tide clock shows when the water is high.\n\nIt listens on port 8080.\n";

fn write(id: &str, path: &str, content: &str) -> Reaction {
    Reaction::tool_call(id, "write_file", json!({ "path": path, "content": content }))
}

/// A model that mends the sample project.
fn mends() -> [Reaction; 6] {
    let looks = Reaction::tool_call("call_2", "read_file", json!({ "path": "settings.json" }));
    [
        Reaction::tool_call("call_1", "list_files", json!({})).and_text("Let me look around."),
        looks.and_tool_call("call_3", "run_checks", json!({})),
        write("call_4", "settings.json", SETTINGS),
        write("call_5", "MANUAL.txt", MANUAL),
        Reaction::tool_call("call_6", "run_checks", json!({})),
        Reaction::text("The port is 8080 now, in the settings and in the manual."),
    ]
}

/// The agent's run on the sample project.
fn run(scene: &Scene, access: &str, rest: &[&str]) -> Reply {
    let (target, grant) = (example("coding-agent"), scene.grant(access));
    let words = ["run", &target, "--arg", "task=Make the checks pass.", "--arg", "model=fast", "--allow-llm", &grant];
    scene.reply(&[&words[..], rest].concat())
}

fn results(asked: &Received) -> Vec<String> {
    said_by(asked, "tool")
}

#[test]
fn each_write_waits_for_a_person_who_sees_what_is_written() {
    let scene = Scene::answering(mends());
    let project = scene.project();
    let read = |name: &str| std::fs::read_to_string(project.join(name)).unwrap();
    let before = read("settings.json");

    let waiting = run(&scene, "write", &[]).item();
    let asked = &waiting["pending_wait"];
    assert_eq!((&asked["name"], &asked["metadata"]["tool"]), (&json!("approve_write_file"), &json!("write_file")), "{waiting:#}");
    assert_eq!(asked["metadata"]["arguments"], json!({ "path": "settings.json", "content": SETTINGS }));
    assert!(asked["question"].as_str().unwrap().contains("settings.json"));
    assert_eq!((scene.asked().len(), read("settings.json")), (3, before));

    let waiting = scene.answer(id(&waiting), &json!(true));
    assert_eq!(waiting["pending_wait"]["metadata"]["arguments"]["path"], "MANUAL.txt");
    assert_eq!((scene.asked().len(), read("settings.json").as_str()), (4, SETTINGS));
    let done = scene.answer(id(&waiting), &json!(true));
    assert_eq!(done["result"], "The port is 8080 now, in the settings and in the manual.");
    assert_eq!((read("MANUAL.txt").as_str(), done["metadata"]["turns"].clone()), (MANUAL, json!(6)));

    // The model saw what each tool came to, in the order in which it asked.
    let asked = scene.asked();
    assert_eq!((asked.len(), scene.provider.left()), (6, 0));
    assert_eq!(asked[0].tools(), ["list_files", "read_file", "write_file", "run_checks"]);
    let results = results(&asked[5]);
    assert_eq!(results[0], "MANUAL.txt\nchecks.json\nsettings.json");
    assert!(results[1].contains("tide-clock"), "{results:?}");
    assert!(results[2].starts_with("2 of 2 checks fail:\n- settings.json is not JSON: "), "{results:?}");
    assert!(results[3].starts_with("wrote ") && results[4].starts_with("wrote "), "{results:?}");
    assert_eq!(results[5], "all 2 checks pass");
    // Each turn is a durable call, each tool a checkpoint.
    let calls = names(&done["checkpoints"], "checkpoint_type");
    assert_eq!(
        (calls.iter().filter(|kind| **kind == "llm_call").count(), calls.iter().filter(|kind| **kind == "tool_call").count()),
        (6, 6)
    );
    let turns = names(&done["checkpoints"], "invocation_id");
    for turn in 1..=6 {
        assert!(turns.contains(&format!("turn_{turn}").as_str()), "{turns:?}");
    }
}

#[test]
fn what_a_person_refuses_is_not_written_and_the_model_is_told() {
    let scene = Scene::answering([write("call_1", "settings.json", SETTINGS), Reaction::text("Then I leave it as it is.")]);
    let project = scene.project();
    let before = std::fs::read(project.join("settings.json")).unwrap();
    let waiting = run(&scene, "write", &[]).item();
    let done = scene.answer(id(&waiting), &json!(false));
    assert_eq!(done["result"], "Then I leave it as it is.");
    assert_eq!(std::fs::read(project.join("settings.json")).unwrap(), before);
    let results = results(&scene.asked()[1]);
    assert!(results.len() == 1 && results[0].starts_with("refused: "), "{results:?}");
    assert!(!names(&done["checkpoints"], "name").contains(&"write_file"), "no such checkpoint ran");
}

#[test]
fn a_models_slips_are_answered_and_reach_nothing() {
    let slips = [
        Reaction::tool_call("call_1", "delete_everything", json!({})),
        Reaction::tool_call("call_2", "read_file", json!({ "path": "../secret.txt" })),
        Reaction::tool_call("call_3", "read_file", json!({ "path": 7 })),
        Reaction::tool_call("call_4", "read_file", json!("{ no json")),
        Reaction::tool_call("call_5", "read_file", json!({ "path": "missing.txt" })),
        Reaction::tool_call("call_6", "list_files", json!({ "folder": "/etc" })),
        Reaction::text("I give up."),
    ];
    let scene = Scene::answering(slips);
    let _ = (scene.project(), scene.host.file("secret.txt", "beside the project"));
    let done = run(&scene, "read", &[]).item();
    assert_eq!(done["result"], "I give up.");
    let results = results(&scene.asked()[6]);
    assert_eq!(results.len(), 6);
    for result in &results {
        assert!(result.starts_with("error: ") && !result.contains("beside the project"), "{results:?}");
    }
    assert!(results[0].contains("delete_everything") && results[4].contains("missing.txt"), "{results:?}");
}

#[test]
fn turns_are_limited() {
    let scene = Scene::with(Provider::reacting(|_| Reaction::tool_call("call", "list_files", json!({}))));
    let _ = scene.project();
    let error = run(&scene, "read", &["--arg", "turns=3"]).refused("KitaruUserCodeError", &["not done after 3 turns"]);
    assert_eq!((&error["failure_kind"], scene.asked().len()), (&json!("turn_limit"), 3));
}

#[test]
fn a_missing_grant_is_for_the_person_and_not_for_the_model() {
    let scene = Scene::answering([Reaction::tool_call("call_1", "list_files", json!({}))]);
    let target = example("coding-agent");
    let reply = scene.reply(&["run", &target, "--arg", "task=Look.", "--allow-llm"]);
    reply.refused("KitaruExecutionError", &["--allow-read"]);

    let scene = Scene::answering([write("call_1", "settings.json", SETTINGS)]);
    let project = scene.project();
    let before = std::fs::read(project.join("settings.json")).unwrap();
    let waiting = run(&scene, "read", &[]).item();
    let failed = scene.answer(id(&waiting), &json!(true));
    assert_eq!((&failed["status"], &failed["failure"]["exception_type"]), (&json!("failed"), &json!("capability")), "{failed:#}");
    assert_eq!(std::fs::read(project.join("settings.json")).unwrap(), before);
}

/// Answers by how often the model has spoken, so that a question that is asked again is answered as before.
fn looks_twice(asked: &Received) -> Reaction {
    match said_by(asked, "assistant").len() {
        0 => Reaction::tool_call("call_1", "list_files", json!({})),
        1 => Reaction::tool_call("call_2", "read_file", json!({ "path": "MANUAL.txt" })),
        _ => Reaction::text("It listens on port 80."),
    }
}

/// The host dies, by SIGKILL, before and after each append to the journal in turn, and the execution is resumed.
#[test]
fn a_host_that_dies_between_turns_asks_no_turn_again() {
    let scene = Scene::with(Provider::reacting(looks_twice));
    let _ = scene.project();
    let (target, grant) = (example("coding-agent"), scene.grant("read"));
    let words = ["run", &target, "--arg", "task=Which port?", "--arg", "model=fast", "--allow-llm", &grant];
    // Compiles the component, and is what the others are held against.
    let model = scene.item(&words);
    let bodies: Vec<Vec<u8>> = scene.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies.len(), 3);
    for side in ["KITARU_FAULT_KILL_AT", "KITARU_FAULT_KILL_BEFORE"] {
        for append in 1.. {
            assert!(append < 60, "the run never gets past its fault point");
            let before = scene.asked().len();
            let mut command = scene.command(&words);
            command.env(side, append.to_string());
            let died = Reply::from(command);
            if died.code == Some(0) {
                assert!(append > 3, "this host has fault points, and a run has more appends than that");
                break;
            }
            assert_eq!(died.code, None, "it dies or it works{died:?}");
            let dead = scene.latest();
            let done = if dead["status"] == "completed" { dead } else { scene.item(&["executions", "resume", id(&dead)]) };
            assert_eq!(done["result"], model["result"], "{side}={append}");
            let asked: Vec<usize> = scene.asked()[before..].iter().map(|asked| turn_of(&bodies, asked)).collect();
            let mut turns = asked.clone();
            turns.dedup();
            assert_eq!(turns, [0, 1, 2], "{side}={append}: in order, each turn with the same bytes, none skipped");
            // Whoever dies before an answer is recorded does not know of it: that one turn is asked again.
            let again = asked.len() - turns.len();
            let most = usize::from(side == "KITARU_FAULT_KILL_BEFORE");
            assert!(again <= most, "{side}={append}: {asked:?}");
        }
    }
}

/// Which of the three turns a request is, byte for byte.
fn turn_of(bodies: &[Vec<u8>], asked: &Received) -> usize {
    let found = bodies.iter().position(|body| *body == asked.body);
    let text: Value = asked.json();
    found.unwrap_or_else(|| panic!("no turn of the undisturbed run has this request: {text:#}"))
}
