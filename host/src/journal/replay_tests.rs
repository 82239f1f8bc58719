//! E10 as pure functions.

use super::*;
use crate::clock::Timestamp;
use crate::journal::scenes::{Book, call, checkpoint, from, output, plan, source_id, success, three};
use crate::journal::{Cursor, Decision, EntryBody, Provenance, parse_override_key};

/// E10: a call that was issued before the overridden one had ended cannot depend on it.
#[test]
fn e10_an_override_in_a_parallel_group_leaves_the_others_served() {
    let mut book = Book::default();
    let issued = |call, name: &str| EntryBody::CallIssued { call, descriptor: checkpoint(name) };
    book.add(issued(0, "a")).add(issued(1, "b")).add(issued(2, "c"));
    for index in 0..3 {
        book.start(index, 1, None).end(index, 1, success("1"));
    }
    book.ran(3, checkpoint("sum"), success("3"));
    let plan = plan(&book, ReplayRequest { overrides: vec![output("a")], ..ReplayRequest::default() }).unwrap();
    assert_eq!(plan.live_from, 3);
}

#[test]
fn r17_r18_families_fan_out_and_invocations_win() {
    let mut book = Book::default();
    for (index, invocation) in (0_u32..).zip(["tool", "tool_2", "tool_3"]) {
        book.ran(index, call(CallKind::Checkpoint, "tool", invocation, "{}"), success("0"));
    }
    book.ran(3, checkpoint("phase"), success("0")).ran(4, checkpoint("phase_2"), success("0"));
    let given = |scope, selector: &str, value: &str| OverrideRequest {
        scope,
        selector: selector.into(),
        given: Given::Output(value.into()),
    };
    let planned = |requests: Vec<OverrideRequest>| {
        plan(&book, ReplayRequest { overrides: requests, ..ReplayRequest::default() })
            .map(|plan| plan.overrides.into_iter().map(|given| (given.invocation, given.given)).collect::<Vec<_>>())
    };
    let (family, exact) = (OverrideScope::Checkpoint, OverrideScope::Invocation);
    let names = |planned: Vec<(String, Given)>| planned.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(planned(vec![given(family, "tool", "1")]).unwrap()), ["tool", "tool_2", "tool_3"]);
    assert_eq!(names(planned(vec![given(family, "tool_2", "1")]).unwrap()), ["tool_2"]);
    assert_eq!(names(planned(vec![given(family, "phase", "1")]).unwrap()), ["phase"], "never `phase_2`");
    let won = planned(vec![given(exact, "tool_2", "2"), given(family, "tool", "1")]).unwrap();
    assert_eq!(won[1], ("tool_2".into(), Given::Output("2".into())));
    assert_eq!(won[0].1, Given::Output("1".into()));
    assert!(matches!(planned(vec![given(family, "nope", "1")]), Err(ReplayError::UnknownTarget { .. })));
    assert!(matches!(
        planned(vec![given(family, "tool", "1"), given(family, "tool_2", "1")]),
        Err(ReplayError::OverriddenTwice(invocation)) if invocation == "tool_2"
    ));
}

#[test]
fn r19_r20_override_entries() {
    use crate::journal::parse_override_entry;
    use serde_json::json;
    let entry = |value: serde_json::Value| parse_override_entry("Checkpoint", "x", &value);
    assert_eq!(entry(json!({ "output": 1 })), Ok(Given::Output("1".into())));
    assert_eq!(entry(json!({ "input": { "a": 1 } })), Ok(Given::Input("{\"a\":1}".into())));
    assert!(matches!(entry(json!("x")), Err(ReplayError::NoFields { .. })));
    assert!(matches!(entry(json!({})), Err(ReplayError::NoFields { .. })));
    assert!(
        matches!(entry(json!({ "outptu": 1, "b": 2 })), Err(ReplayError::UnknownFields { fields, .. }) if fields == "b, outptu")
    );
    assert!(matches!(entry(json!({ "input": {}, "output": 1 })), Err(ReplayError::InputAndOutput(_))));
    assert!(matches!(entry(json!({ "input": 1 })), Err(ReplayError::InputForm(_))));
    let model = |input: Option<&str>| Given::Model { name: "m".into(), input: input.map(str::to_owned) };
    assert_eq!(entry(json!({ "model": " m " })), Ok(model(None)));
    assert_eq!(entry(json!({ "model": "m", "input": { "prompt": "x" } })), Ok(model(Some("{\"prompt\":\"x\"}"))));
    assert!(matches!(entry(json!({ "model": "m", "output": 1 })), Err(ReplayError::OutputAndModel(_))));
    for wrong in [json!(1), json!(" "), json!(null)] {
        assert!(matches!(entry(json!({ "model": wrong })), Err(ReplayError::ModelForm(_))), "{wrong}");
    }
    assert!(matches!(entry(json!({ "code": "c" })), Err(ReplayError::NoCode(_))));
}

#[test]
fn r21_skipped_calls_of_the_live_part_are_served() {
    let book = three();
    let skip = |selectors: &[&str], overrides: Vec<OverrideRequest>| {
        let skip = selectors.iter().map(ToString::to_string).collect();
        plan(&book, ReplayRequest { skip, overrides, ..from("research") })
    };
    let planned = skip(&["publish"], vec![]).unwrap();
    let cursor = Cursor::new(History::default(), Some((planned, book.history())));
    assert!(matches!(cursor.decide(1, &checkpoint("draft"), false), Decision::Run { .. }));
    let other_input = call(CallKind::Checkpoint, "publish", "publish", "{\"text\":1}");
    assert!(matches!(
        cursor.decide(2, &other_input, false),
        Decision::Served { provenance: Provenance::Served { call: 2, other_input: true, .. }, .. }
    ));
    assert_eq!(skip(&[" "], vec![]), Err(ReplayError::BlankSkip));
    assert_eq!(skip(&["draft"], vec![output("draft")]), Err(ReplayError::SkippedAndOverridden("draft".into())));
}

#[test]
fn e10_reuse_unchanged_serves_what_is_the_same_after_the_anchor() {
    let book = three();
    let planned = plan(&book, ReplayRequest { reuse_unchanged: true, ..from("research") }).unwrap();
    let cursor = Cursor::new(History::default(), Some((planned, book.history())));
    assert!(matches!(cursor.decide(0, &checkpoint("research"), false), Decision::Run { .. }), "the anchor runs");
    assert!(matches!(cursor.decide(1, &checkpoint("draft"), false), Decision::Served { .. }));
    // Also where code moved it.
    assert!(matches!(cursor.decide(5, &checkpoint("publish"), false), Decision::Served { .. }));
    let changed = call(CallKind::Checkpoint, "publish", "publish", "{\"text\":1}");
    assert!(matches!(cursor.decide(2, &changed, false), Decision::Run { .. }));
}

#[test]
fn e10_a_given_input_runs_the_call_with_it() {
    let book = three();
    let request = OverrideRequest { given: Given::Input("{\"a\":1}".into()), ..output("draft") };
    let planned = plan(&book, ReplayRequest { overrides: vec![request], ..from("publish") }).unwrap();
    assert_eq!(planned.live_from, 1);
    let cursor = Cursor::new(History::default(), Some((planned, book.history())));
    assert!(matches!(cursor.decide(0, &checkpoint("research"), false), Decision::Served { .. }));
    assert!(
        matches!(cursor.decide(1, &checkpoint("draft"), false), Decision::Run { given: Some(Given::Input(input)), .. } if input == "{\"a\":1}")
    );
}

#[test]
fn e10_a_model_is_for_model_calls_which_are_made_anew_with_it() {
    let mut book = Book::default();
    let asked = call(CallKind::Llm, "story", "story", "{\"prompt\":\"x\"}");
    book.ran(0, checkpoint("research"), success("1")).ran(1, asked.clone(), success("2")).ran(
        2,
        checkpoint("publish"),
        success("3"),
    );
    let given = Given::Model { name: "fast".into(), input: None };
    let with = |selector: &str| {
        let request = OverrideRequest { given: given.clone(), ..output(selector) };
        plan(&book, ReplayRequest { overrides: vec![request], ..ReplayRequest::default() })
    };
    assert_eq!(with("publish"), Err(ReplayError::NoModel("publish".into())));
    let planned = with("story").unwrap();
    assert_eq!(planned.live_from, 1);
    let stored = serde_json::to_string(&planned).unwrap();
    assert_eq!(serde_json::from_str::<ReplayPlan>(&stored).unwrap(), planned, "it goes on after a crash");
    let cursor = Cursor::new(History::default(), Some((planned.clone(), book.history())));
    assert_eq!(cursor.decide(1, &asked, false), Decision::Run { attempt: 1, started: false, given: Some(given.clone()) });
    // The call may stand elsewhere by now, and may have begun before a crash.
    let mut own = Book::default();
    own.ran(0, checkpoint("research"), success("1")).add(EntryBody::CallIssued { call: 1, descriptor: asked.clone() });
    let cursor = Cursor::new(own.history(), Some((planned, book.history())));
    assert!(matches!(cursor.decide(1, &asked, false), Decision::Run { started: true, given: Some(found), .. } if found == given));
}

#[test]
fn e10_what_is_given_changes_the_request() {
    use serde_json::json;
    let asked = json!({ "prompt": "x", "model": "slow", "temperature": 0.5 });
    let model = |input: Option<&str>| Given::Model { name: "fast".into(), input: input.map(str::to_owned) };
    assert_eq!(model(None).request(asked.clone()), json!({ "prompt": "x", "model": "fast", "temperature": 0.5 }));
    assert_eq!(model(Some("{\"prompt\":\"y\"}")).request(asked.clone()), json!({ "prompt": "y", "model": "fast" }));
    assert_eq!(Given::Input("{\"prompt\":\"y\"}".into()).request(asked), json!({ "prompt": "y" }));
}

#[test]
fn e10_selectors() {
    let mut book = three();
    book.ran(3, call(CallKind::Checkpoint, "draft", "draft_2", "{}"), success("4"));
    book.ran(4, call(CallKind::Wait, "ok", "ok", "{}"), success("true"));
    for (selector, live_from) in
        [("publish", 2), ("draft_2", 3), (" research ", 0), (":1", 1), (&format!("{}:2", source_id()), 2)]
    {
        assert_eq!(plan(&book, from(selector)).unwrap().live_from, live_from, "{selector}");
    }
    assert!(
        matches!(plan(&book, from("draft")), Err(ReplayError::Ambiguous { matches, .. }) if matches.contains(":1, ") && matches.ends_with(":3"))
    );
    assert!(
        matches!(plan(&book, from("ok")), Err(ReplayError::Unknown { available, .. }) if available == "draft, publish, research")
    );
    assert_eq!(plan(&book, from("  ")), Err(ReplayError::BlankAnchor));
    assert_eq!(plan(&book, ReplayRequest::default()), Err(ReplayError::NoAnchor));
    assert_eq!(plan(&Book::default(), from("x")), Err(ReplayError::NoHistory(source_id())));
}

#[test]
fn e10_override_keys() {
    assert_eq!(parse_override_key("checkpoint. a "), Ok("a"));
    assert_eq!(parse_override_key("checkpoint."), Err(ReplayError::BlankOverride));
    assert_eq!(parse_override_key("wait.x"), Err(ReplayError::WaitOverride));
    assert!(matches!(parse_override_key("research"), Err(ReplayError::OverrideKey(_))));
}

#[test]
fn e10_the_live_part_begins_at_the_earlier_of_anchor_and_first_call_after_an_override() {
    let book = three();
    let with = |anchor: Option<&str>, overridden: &str| {
        let overrides = vec![output(overridden)];
        plan(&book, ReplayRequest { from: anchor.map(str::to_owned), overrides, ..ReplayRequest::default() }).unwrap().live_from
    };
    assert_eq!(with(Some("publish"), "research"), 1);
    assert_eq!(with(Some("research"), "publish"), 0);
    assert_eq!(with(None, "draft"), 2);
}

#[test]
fn e10_before_the_live_part_calls_are_served_and_after_it_they_run() {
    let book = three();
    let overrides = vec![output("research")];
    let plan = plan(&book, ReplayRequest { from: Some("publish".into()), overrides, ..ReplayRequest::default() }).unwrap();
    let cursor = Cursor::new(History::default(), Some((plan, book.history())));
    assert!(matches!(cursor.decide(0, &checkpoint("research"), false), Decision::Overridden { value } if value == "9"));
    assert_eq!(cursor.decide(1, &checkpoint("draft"), false), Decision::Run { attempt: 1, started: false, given: None });
}

#[test]
fn e10_a_served_call_keeps_its_true_origin() {
    let origin: ExecutionId = "01a1fa62-0000-7000-8000-000000000009".parse().unwrap();
    let mut book = Book::default();
    let recorded_at = Timestamp::from_micros(5);
    let provenance = Provenance::Served { source: origin, call: 4, recorded_at, other_input: false };
    book.add(EntryBody::CallEnded {
        call: 0,
        attempt: 0,
        descriptor: Some(checkpoint("a")),
        outcome: success("1"),
        provenance: provenance.clone(),
        metadata: None,
        started_at: None,
    });
    book.ran(1, checkpoint("b"), success("2"));
    let plan = plan(&book, from("b")).unwrap();
    let cursor = Cursor::new(History::default(), Some((plan, book.history())));
    match cursor.decide(0, &checkpoint("a"), false) {
        Decision::Served { provenance: served, clock, .. } => assert_eq!((served, clock), (provenance, recorded_at)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn e10_inputs_may_differ_only_where_flow_inputs_were_changed() {
    let book = three();
    let changed = call(CallKind::Checkpoint, "research", "research", "{\"topic\":2}");
    let decide = |request: ReplayRequest, call: &Descriptor, identity: bool| {
        Cursor::new(History::default(), Some((plan(&book, request).unwrap(), book.history()))).decide(0, call, identity)
    };
    assert!(matches!(decide(from("publish"), &changed, false), Decision::Mismatch { .. }));
    let with_inputs = ReplayRequest { inputs_changed: true, ..from("publish") };
    for decision in [decide(with_inputs.clone(), &changed, false), decide(from("publish"), &changed, true)] {
        assert!(matches!(decision, Decision::Served { provenance: Provenance::Served { other_input: true, .. }, .. }));
    }
    assert!(
        matches!(decide(with_inputs, &checkpoint("renamed"), false), Decision::Mismatch { .. }),
        "names must match all the same"
    );
}

#[test]
fn e10_answered_waits_are_served_unless_asked_again() {
    let mut book = Book::default();
    let wait = call(CallKind::Wait, "ok", "ok", "{}");
    book.ran(0, wait.clone(), success("true")).ran(1, checkpoint("a"), success("1"));
    let decide = |ask_again| {
        let plan = plan(&book, ReplayRequest { ask_again, ..from("a") }).unwrap();
        Cursor::new(History::default(), Some((plan, book.history()))).decide(0, &wait, false)
    };
    assert!(matches!(decide(false), Decision::Served { .. }));
    assert_eq!(decide(true), Decision::Run { attempt: 1, started: false, given: None });
}
