//! `durable-chat`: a conversation that outlives the processes that hold it.

use std::time::Duration;

use kitaru_tests::provider::{Ending, Gate, Reaction};
use kitaru_tests::{example, id, until};
use serde_json::{Value, json};

use crate::scene::{Scene, said_by};

fn begin(scene: &Scene) -> Value {
    let target = example("durable-chat");
    scene.item(&["run", &target, "--arg", "model=fast", "--arg", "instructions=You know the sea.", "--allow-llm"])
}

#[test]
fn each_message_is_answered_with_all_that_was_said_before() {
    let replies = ["Twice a day.", "The moon does it.", "You talked about tides."].map(Reaction::text);
    let scene = Scene::answering(replies);
    let waiting = begin(&scene);
    let exec = id(&waiting);
    assert_eq!((&waiting["status"], &waiting["pending_wait"]["name"]), (&json!("waiting"), &json!("message")));
    assert_eq!(scene.asked().len(), 0, "nobody has said anything");
    // Each message comes from a process of its own: whatever a process knew is gone.
    let answered = scene.answer(exec, &json!("How often is high water?"));
    assert_eq!(answered["pending_wait"]["question"], "Twice a day.");
    // A blank message is no message.
    let blank = scene.answer(exec, &json!("  "));
    assert_eq!((&blank["pending_wait"]["question"], scene.asked().len()), (&json!("Twice a day."), 1));
    let answered = scene.answer(exec, &json!(" And why? "));
    assert_eq!(answered["pending_wait"]["question"], "The moon does it.");
    let done = scene.answer(exec, &json!("Bye"));
    assert_eq!(done["result"], json!({ "turns": 2, "summary": "You talked about tides." }));
    assert_eq!(done["metadata"]["turns"], 2);

    let asked = scene.asked();
    assert_eq!(asked.len(), 3);
    for request in &asked {
        assert_eq!(said_by(request, "system"), ["You know the sea."]);
    }
    assert_eq!(said_by(&asked[0], "user"), ["How often is high water?"]);
    assert_eq!(
        (said_by(&asked[1], "user"), said_by(&asked[1], "assistant")),
        (vec!["How often is high water?".to_owned(), "And why?".into()], vec!["Twice a day.".to_owned()],)
    );
    assert_eq!(said_by(&asked[2], "assistant"), ["Twice a day.", "The moon does it."]);
}

#[test]
fn who_says_nothing_costs_nothing() {
    let scene = Scene::answering([]);
    let waiting = begin(&scene);
    let done = scene.answer(id(&waiting), &json!("bye"));
    assert_eq!(done["result"], json!({ "turns": 0, "summary": "Nothing was said." }));
    let waiting = begin(&scene);
    let _ = scene.host.json(["executions", "abort-wait", id(&waiting)]).ok();
    let aborted = until("the end", || Some(scene.host.get(id(&waiting))).filter(|chat| chat["status"] == "completed"));
    assert_eq!(aborted["result"]["turns"], 0);
    assert_eq!(scene.asked().len(), 0);
}

/// The host dies while the model writes. A serving host takes over: the turns before are not asked again, the one in flight is.
#[test]
fn a_host_that_dies_in_the_middle_of_an_answer() {
    let gate = Gate::new();
    let replies =
        [Reaction::text("Twice a day."), Reaction::text("Never heard.").held(&gate), Reaction::text("The moon does it.")];
    let scene = Scene::answering(replies.into_iter().chain([Reaction::text("Tides.")]));
    let waiting = begin(&scene);
    let exec = id(&waiting);
    let _ = scene.answer(exec, &json!("How often is high water?"));
    let talking = scene.spawn(&["executions", "input", exec, "--value", r#""And why?""#]);
    gate.until_reached(1);
    talking.kill();
    until("the end of the connection", || (scene.provider.calls()[1].ending == Ending::Abandoned).then_some(()));
    let mut server = scene.spawn(&["serve", "--no-http"]);
    let _ = server.read_until(|line| line["event"] == "ready");
    let waiting = until("the answer", || Some(scene.host.get(exec)).filter(|chat| chat["status"] == "waiting"));
    assert_eq!(waiting["pending_wait"]["question"], "The moon does it.");
    server.kill();
    let done = scene.answer(exec, &json!("bye"));
    assert_eq!(done["result"], json!({ "turns": 2, "summary": "Tides." }));
    let asked = scene.asked();
    assert_eq!(asked.len(), 4, "the first turn once, the second twice, the summary once");
    assert_eq!(asked[1].body, asked[2].body);
    assert_eq!(said_by(&asked[3], "assistant"), ["Twice a day.", "The moon does it."]);
}

/// A provider that fails ends the execution; a retry goes on with the same turn.
#[test]
fn a_turn_that_failed_is_tried_again_on_request() {
    let scene = Scene::answering([Reaction::text("Twice a day."), Reaction::status(400), Reaction::text("The moon does it.")]);
    let waiting = begin(&scene);
    let exec = id(&waiting);
    let _ = scene.answer(exec, &json!("How often is high water?"));
    let failed = scene.answer(exec, &json!("And why?"));
    assert_eq!((&failed["status"], &failed["failure"]["exception_type"]), (&json!("failed"), &json!("provider")), "{failed:#}");
    let waiting = scene.item(&["executions", "retry", exec]);
    assert_eq!(waiting["pending_wait"]["question"], "The moon does it.");
    let asked = scene.asked();
    assert_eq!((asked.len(), &asked[1].body), (3, &asked[2].body));
    assert!(asked[2].at - asked[0].at < Duration::from_secs(60));
}
