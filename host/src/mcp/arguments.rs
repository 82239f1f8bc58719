//! Arguments of tools, as Kitaru's assistants give them too.
//!
//! Kitaru's server calls some parameters otherwise, sends null for what is not given, and knows stacks, of which there is one here.

use serde_json::{Map, Value, json};

use crate::service::ServiceError;

/// By verb, Kitaru's name of a parameter, and ours.
const NAMES: &[(&str, &str, &str)] = &[
    ("executions.get", "exec_id", "execution"),
    ("executions.logs", "exec_id", "execution"),
    ("executions.run", "args", "input"),
    ("executions.cancel", "exec_id", "execution"),
    ("executions.retry", "exec_id", "execution"),
    ("executions.resume", "exec_id", "execution"),
    ("executions.input", "exec_id", "execution"),
    ("executions.abort-wait", "exec_id", "execution"),
    ("executions.delete", "exec_id", "execution"),
    ("executions.replay", "at", "from"),
    ("executions.replay", "from_", "from"),
    ("executions.replay", "flow_inputs", "flow_overrides"),
    ("executions.replay", "tag", "tags"),
    ("executions.diff", "original", "execution"),
    ("executions.diff", "executions", "with"),
    ("executions.diff-matrix", "exec_ids", "executions"),
    ("artifacts.list", "exec_id", "execution"),
    ("artifacts.get", "artifact_id", "artifact"),
    ("secrets.set", "name", "secret"),
    ("flows.deploy", "inputs", "input"),
    ("invoke", "inputs", "input"),
    ("info", "all_packages", "all"),
];

/// Verbs that Kitaru asks for a stack.
const WITH_STACK: [&str; 4] = ["executions.list", "executions.latest", "executions.run", "executions.statistics"];

/// Parameters that Kitaru has for a verb beside ours: their names, and the names that they are accepted for.
pub(super) fn other_names(verb: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.iter().filter(move |(of, ..)| *of == verb).map(|(_, theirs, ours)| (*theirs, *ours))
}

/// Parameters that Kitaru has for a verb and we have not, with their schemas.
pub(super) fn extra(verb: &str) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    if verb == "executions.run" {
        let about = "What to run: `<digest>:<flow>`, the SHA-256 of a component that is kept here and one of its flows; in place of `component` and \
                     `flow`.";
        found.push(("target", json!({ "type": "string", "description": about })));
    }
    if verb == "executions.replay" {
        found.push(("exec_id", json!({ "type": "string", "description": "One execution, in place of `exec_ids`." })));
    }
    if WITH_STACK.contains(&verb) {
        found.push((
            "stack",
            json!({ "type": "string", "description": "Always `local`: the embedded store.", "enum": ["local"] }),
        ));
    }
    found
}

/// The parameters of a verb, of what a tool was given.
pub(super) fn parameters(verb: &str, given: Map<String, Value>) -> Result<Map<String, Value>, ServiceError> {
    // An answer may be null; nothing else may.
    let mut given: Map<String, Value> = given.into_iter().filter(|(name, value)| !value.is_null() || name == "value").collect();
    if WITH_STACK.contains(&verb)
        && let Some(stack) = given.shift_remove("stack")
        && stack != "local"
    {
        return Err(ServiceError::usage(format!("there is no stack {stack} here, only \"local\"")));
    }
    for (theirs, ours) in other_names(verb) {
        if let Some(value) = given.shift_remove(theirs) {
            set(&mut given, theirs, ours, value)?;
        }
    }
    match verb {
        "executions.replay" => {
            if let Some(one) = given.shift_remove("exec_id") {
                set(&mut given, "exec_id", "exec_ids", json!([one]))?;
            }
        }
        "executions.run" => {
            if let Some(target) = given.shift_remove("target") {
                let (component, flow) = target.as_str().and_then(parts).ok_or_else(|| ServiceError::Usage {
                    message: format!("`target` must be `<digest>:<flow>`, and {target} is not"),
                    hint: Some("a published flow is started by the tool of its name".into()),
                })?;
                set(&mut given, "target", "component", component.into())?;
                if let Some(flow) = flow {
                    set(&mut given, "target", "flow", flow.into())?;
                }
            }
        }
        "executions.logs" => {
            given.entry("limit").or_insert_with(|| LINES.into());
        }
        _ => {}
    }
    Ok(given)
}

/// So many lines of a log are given where no number is said, as Kitaru does.
pub(super) const LINES: u64 = 200;

fn set(given: &mut Map<String, Value>, theirs: &str, ours: &str, value: Value) -> Result<(), ServiceError> {
    match given.get(ours) {
        Some(known) if *known != value => Err(ServiceError::usage(format!(
            "`{theirs}` and `{ours}` say the same thing in two ways, and not the same here: give one of them"
        ))),
        _ => {
            given.insert(ours.to_owned(), value);
            Ok(())
        }
    }
}

/// The component that a target names, and the flow, which may be left out.
fn parts(target: &str) -> Option<(&str, Option<&str>)> {
    let target = target.trim();
    let target = target.strip_prefix("sha256:").unwrap_or(target);
    match target.rsplit_once(':') {
        Some((component, flow)) => Some((component, Some(flow))),
        None => (target.len() == 64 && target.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((target, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::verb as known;

    fn of(verb: &str, given: Value) -> Result<Value, String> {
        let Value::Object(given) = given else { panic!("{given}") };
        parameters(verb, given).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn kitaru_s_names_mean_parameters_that_there_are() {
        for (verb, theirs, ours) in NAMES {
            let Some(entry) = known(verb) else {
                assert!(verb.starts_with("flows."), "{verb}");
                continue;
            };
            let schema = Value::from((entry.params)());
            assert!(schema["properties"][ours].is_object(), "{verb}: {ours} in {schema}");
            assert!(schema["properties"].get(theirs).is_none(), "{verb}: {theirs}");
        }
    }

    #[test]
    fn names_are_translated_and_nulls_left_out() {
        assert_eq!(of("executions.get", json!({ "exec_id": "x" })), Ok(json!({ "execution": "x" })));
        assert_eq!(of("executions.list", json!({ "status": null, "stack": "local", "limit": 3 })), Ok(json!({ "limit": 3 })));
        assert_eq!(
            of("executions.input", json!({ "exec_id": "x", "wait": null, "value": null })),
            Ok(json!({ "execution": "x", "value": null }))
        );
        assert_eq!(
            of("executions.replay", json!({ "exec_id": "x", "from_": "a" })),
            Ok(json!({ "exec_ids": ["x"], "from": "a" }))
        );
        assert_eq!(of("executions.logs", json!({ "exec_id": "x" })), Ok(json!({ "execution": "x", "limit": 200 })));
        assert_eq!(of("executions.get", json!({ "exec_id": "x", "execution": "x" })), Ok(json!({ "execution": "x" })));
    }

    #[test]
    fn two_different_values_for_one_parameter_and_other_stacks_are_refused() {
        assert!(of("executions.get", json!({ "exec_id": "x", "execution": "y" })).unwrap_err().contains("give one of them"));
        assert!(of("executions.list", json!({ "stack": "aws" })).unwrap_err().contains("aws"));
    }

    #[test]
    fn a_target_is_a_component_and_a_flow() {
        let digest = "a".repeat(64);
        let target = |text: &str| of("executions.run", json!({ "target": text })).unwrap();
        assert_eq!(target(&format!("{digest}:main")), json!({ "component": digest, "flow": "main" }));
        assert_eq!(target(&format!("sha256:{digest}:main")), json!({ "component": digest, "flow": "main" }));
        assert_eq!(target(&digest), json!({ "component": digest }));
        for wrong in [json!("module"), json!(""), json!(1)] {
            let refused = of("executions.run", json!({ "target": wrong })).unwrap_err();
            assert!(refused.contains("<digest>:<flow>"), "{wrong}: {refused}");
        }
    }
}
