//! What executions ask: put to the person before the assistant where its program can do that, and told to the assistant otherwise.

use kitaru_tests::Mode;
use serde_json::{Value, json};

use super::{BOTH, Place, named, started};

fn accept(content: &Value) -> Value {
    json!({ "action": "accept", "content": content })
}

/// How many executions there are beside the one that brought the component.
fn started_so_far(place: &Place) -> Value {
    let all = place.host.json(["executions", "list", "--limit", "100"]).envelope();
    json!(all["total"].as_u64().unwrap() - 1)
}

#[test]
fn x17_a_question_is_told_to_a_program_that_cannot_ask() {
    for mode in BOTH {
        let mut place = Place::new(mode, false);
        let told = place.run("wait_bool", &json!({}));
        let exec = started(&told);
        let view = &told.value()["execution"];
        assert_eq!((&view["status"], &view["pending_wait"]["question"]), (&json!("waiting"), &json!("Approve?")), "{view:#}");
        let text = told.text();
        let parts = ["Approve?", "kitaru_executions_input", exec.as_str(), r#"{"type":"boolean"}"#];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(told.asked().is_empty());

        let assistant = &mut place.assistant;
        let open = assistant.call("kitaru_executions_pending_waits", &json!({})).value().clone();
        let wait = named(&open["items"], "exec_id", &exec).clone();
        assert_eq!(wait["name"], "approve");
        let before = place.host.records(&exec);
        let said = assistant.call("kitaru_executions_input", &json!({ "exec_id": exec, "wait": null, "value": "yes" })).refusal();
        assert_eq!(place.host.records(&exec), before, "nothing changed");
        assert!(said.contains("KitaruWaitValidationError") && said.contains("boolean"), "{said}");
        let arguments = json!({ "exec_id": exec, "wait": wait["wait_id"], "value": true });
        let done = assistant.call("kitaru_executions_input", &arguments).value().clone();
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("approved")), "{done:#}");
    }
}

#[test]
fn the_person_is_asked_with_a_form_and_the_flow_goes_on() {
    for mode in BOTH {
        let mut place = Place::new(mode, true);
        let told = place.run_answering("wait_bool", &json!({}), &json!([accept(&json!({ "answer": true }))]));
        let view = &told.value()["execution"];
        assert_eq!((&view["status"], &view["result"]), (&json!("completed"), &json!("approved")), "{mode:?}: {view:#}");
        let [asked] = told.asked() else { panic!("{:#?}", told.asked()) };
        let message = asked["message"].as_str().unwrap();
        assert!(["`wait_bool`", "Approve?", "approve", "text"].iter().all(|part| message.contains(part)), "{message}");
        assert_eq!(asked["requestedSchema"]["properties"]["answer"]["type"], "boolean", "{asked:#}");

        let details = accept(&json!({ "notes": "Bug fixes", "major_version": 2 }));
        let told = place.run_answering("wait_object", &json!({}), &json!([details]));
        assert_eq!(told.value()["execution"]["result"], "v2: Bug fixes", "{told:?}");
        let form = &told.asked()[0]["requestedSchema"];
        assert_eq!(form["properties"]["major_version"]["type"], "integer", "{form:#}");
        assert_eq!(form["properties"]["notes"]["type"], "string", "{form:#}");

        let told = place.run_answering("wait_choice", &json!({}), &json!([accept(&json!({ "answer": "high" }))]));
        assert_eq!(told.value()["execution"]["result"], json!({ "level": "high" }), "{told:?}");
        let told = place.run_answering("wait_any", &json!({}), &json!([accept(&json!({ "answer": r#"{"a":[1]}"# }))]));
        assert_eq!(told.value()["execution"]["result"], json!({ "a": [1] }), "{told:?}");
        let told = place.run_answering("wait_union", &json!({}), &json!([accept(&json!({}))]));
        assert_eq!(told.value()["execution"]["result"], Value::Null, "{told:?}");
        // A call that goes around for an answer starts nothing anew.
        assert_eq!(started_so_far(&place), 5, "{mode:?}");
    }
}

#[test]
fn several_questions_are_asked_one_after_the_other_up_to_a_number() {
    for mode in BOTH {
        let mut place = Place::new(mode, true);
        let answers = json!([accept(&json!({ "answer": 3 })), accept(&json!({ "answer": 4 }))]);
        let told = place.run_answering("wait_twice", &json!({}), &answers);
        assert_eq!((&told.value()["execution"]["result"], told.asked().len()), (&json!([3, 4]), 2), "{mode:?}: {told:?}");

        let answers: Vec<Value> = (0..20).map(|_| accept(&json!({ "answer": 1 }))).collect();
        let told = place.run_answering("wait_loop", &json!({ "times": 20 }), &json!(answers));
        let exec = started(&told);
        assert_eq!(told.asked().len(), 8, "{mode:?}");
        assert!(told.text().contains("kitaru_executions_input"), "{}", told.text());
        // An answer by the tool leads to the next questions.
        let told = place.assistant.answering("kitaru_executions_input", &json!({ "exec_id": exec, "value": 1 }), &json!(answers));
        assert_eq!((told.asked().len(), &told.value()["status"]), (8, &json!("waiting")), "{mode:?}");
        let told = place.assistant.answering("kitaru_executions_input", &json!({ "exec_id": exec, "value": 1 }), &json!(answers));
        assert_eq!((&told.value()["status"], &told.value()["result"]), (&json!("completed"), &json!(20)), "{mode:?}");
    }
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_again() {
    for mode in BOTH {
        let mut place = Place::new(mode, true);
        let answers = json!([accept(&json!({ "answer": 1.5 })), accept(&json!({ "answer": 3 }))]);
        let told = place.run_answering("wait_integer", &json!({}), &answers);
        assert_eq!(told.value()["execution"]["result"], 3, "{mode:?}: {told:?}");
        let [_, again] = told.asked() else { panic!("{mode:?}: {:#?}", told.asked()) };
        assert!(again["message"].as_str().unwrap().contains("was not accepted"), "{again:#}");
    }
}

#[test]
fn whoever_declines_leaves_the_question_open() {
    for (mode, action) in
        [(Mode::Newest, "decline"), (Mode::Newest, "cancel"), (Mode::Legacy, "decline"), (Mode::Legacy, "cancel")]
    {
        let mut place = Place::new(mode, true);
        let told = place.run_answering("wait_bool", &json!({}), &json!([{ "action": action }]));
        let exec = started(&told);
        assert_eq!(told.value()["execution"]["status"], "waiting", "{mode:?} {action}: {told:?}");
        assert!(told.text().contains("did not answer"), "{}", told.text());
        let done = place.assistant.call("kitaru_executions_input", &json!({ "exec_id": exec, "value": false })).value().clone();
        assert_eq!((&done["result"], &started_so_far(&place)), (&json!("declined"), &json!(1)), "{mode:?} {action}");
    }
}
