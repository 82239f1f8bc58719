//! The values that guests hand over: names, JSON texts, questions.

use kitaru_host::engine::fuzzing::question;
use kitaru_host::journal::{CanonicalJson, Invocations};
use kitaru_host::sandbox::{ArtifactValue, Limits, fuzzing};
use serde_json::Value;

use crate::parts::{text, texts};

/// Whatever a guest hands over is JSON of the right kind, within its limit, or refused with a failure that says so; invocation IDs are unique
/// and can be shown; a question that is asked can be answered; a recorded answer comes again whole.
///
/// The input is up to five texts. Each decoder gets them as its own.
pub(crate) fn any_values(data: &[u8]) {
    let texts = texts(data);
    let at = |at: usize| text(&texts, at);
    let given = |at: usize| texts.get(at).map(|_| text(&texts, at));
    let small = Limits { value_mib: 0, artifact_mib: 0, ..Limits::default() };
    for limits in [Limits::default(), small] {
        if let Ok(call) = fuzzing::checkpoint(&limits, at(0), at(1), given(2), given(3)) {
            assert!(call.input.is_object() && within(&limits, at(1)));
            assert!(call.cache_key.is_none_or(|key| key.len() <= 1024));
            canonical(&call.input);
        }
        if let Ok(child) = fuzzing::child(&limits, at(0), given(2), at(1), given(3)) {
            assert!(child.input.is_object() && within(&limits, at(1)));
        }
        if let Ok(request) = fuzzing::model(&limits, at(0)) {
            assert!(request.is_object() && within(&limits, at(0)));
        }
        if let Ok(ArtifactValue::Json(text)) = fuzzing::artifact(&limits, at(0)) {
            assert!(within(&limits, &text));
            serde_json::from_str::<Value>(&text).expect("an artifact is JSON");
        }
        let deadline = given(4).map(|_| u64::MAX);
        assert!(fuzzing::wait(&limits, [None, None, None, None, Some("1")], None).is_err(), "a default without a deadline");
        if let Ok(wait) = fuzzing::wait(&limits, [given(0), given(1), given(2), given(3), given(4)], deadline)
            && let Ok(name) = question(&wait)
        {
            assert!(!name.trim().is_empty() && name.len() <= 200 && !name.chars().any(char::is_control));
        }
    }
    whole(at(0));
    invocations(&texts);
}

/// Limits are in MiB: what is allowed none of is empty.
fn within(limits: &Limits, text: &str) -> bool {
    text.len() as u64 <= limits.value_mib.max(limits.artifact_mib) * (1 << 20)
}

/// Equal inputs have equal texts, and a text is its own: E1.
fn canonical(value: &Value) {
    let text = CanonicalJson::of(value);
    let read: Value = serde_json::from_str(text.as_str()).expect("canonical JSON is JSON");
    // The last digit of a number with a fraction may differ.
    if has_no_fraction(&read) {
        assert_eq!(CanonicalJson::of(&read), text);
    }
}

fn has_no_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(items) => items.iter().all(has_no_fraction),
        Value::Object(map) => map.values().all(has_no_fraction),
        _ => true,
    }
}

fn whole(recorded: &str) {
    let pieces = fuzzing::pieces(recorded);
    let text = match serde_json::from_str(recorded) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(answer)) => answer.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    assert_eq!(pieces.concat(), text);
}

/// Each text as the name of a call, and as its author's own identifier.
fn invocations(texts: &[String]) {
    let mut invocations = Invocations::default();
    let mut seen = std::collections::HashSet::new();
    for (name, own) in texts.iter().flat_map(|text| [(text, false), (text, true), (text, false)]) {
        if let Ok(id) = invocations.next(name, own.then_some(name.as_str())) {
            assert!(!own || !id.chars().any(char::is_control));
            assert!(seen.insert(id.clone()), "the invocation ID {id:?} is given twice");
        }
    }
}
