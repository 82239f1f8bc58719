//! What is recorded of the reasons that guardrails give.

use super::*;

/// A reason may quote what it objects to.
#[tokio::test]
async fn a_reason_is_recorded_as_its_sanitisers_leave_it_and_the_caller_gets_it_whole() {
    let Fixture { pipeline, stack, log } = fixture();
    let hooks = &pipeline.registrations().llm;
    let reason = format!("says {SECRET}");
    probe::register_guardrail(pipeline.registrations(), &log, "a", 0, Verdict::Reject { reason: reason.clone() });
    hooks.reason_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    let refused = async || match call().run(&stack, answering()).await.unwrap_err() {
        CallError::Rejected { reason, .. } => reason,
        other => panic!("{other}"),
    };
    assert_eq!(refused().await, reason);
    let recorded: Vec<_> = log.events()[1..].iter().map(|event| event.data["rejection_reason"].clone()).collect();
    assert_eq!(recorded, ["says [SSN]", "says [SSN]"], "the scope's end and the mark");
    log.take();
    let failing = FromFn(|_: &CallInfo, _: String| Err(Cause::from("broken")));
    hooks.reason_sanitizers.register(Registration::new("broken", 1), Arc::new(failing)).unwrap();
    assert_eq!(refused().await, reason);
    assert!(log.events()[1..].iter().all(|event| event.data["rejection_reason"].is_null()), "rather no record than a leak");
    assert_eq!(hooks.reason_sanitizers.failures("broken"), Some(1));
}
