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
    ("deploy", "inputs", "input"),
    ("deploy", "tag", "tags"),
    ("invoke", "inputs", "input"),
    ("info", "all_packages", "all"),
];

/// Where Kitaru takes one label, and we several.
const LABEL: (&str, &str) = ("tag", "tags");

/// Verbs that Kitaru asks for a stack.
const WITH_STACK: [&str; 5] = ["executions.list", "executions.latest", "executions.run", "executions.statistics", "deploy"];

/// Verbs that Kitaru tells by one word what is to run.
const WITH_TARGET: [&str; 2] = ["executions.run", "deploy"];

/// The verb for which Kitaru says the number of a version by itself.
const WITH_VERSION: &str = "executions.cohort";

/// The verb of which Kitaru has pages, where we give all at once.
const IN_PARTS: &str = "secrets.list";
/// Such a page has so many.
const PART: u64 = 20;

/// Parameters that Kitaru has for a verb beside ours: their names, and the names that they are accepted for.
pub(super) fn other_names(verb: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.iter().filter(move |(of, ..)| *of == verb).map(|(_, theirs, ours)| (*theirs, *ours))
}

/// Parameters that Kitaru has for a verb and we have not, with their schemas.
pub(super) fn extra(verb: &str) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    if WITH_TARGET.contains(&verb) {
        let about = "What to run: `<digest>:<flow>`, the SHA-256 of a component that is kept here and one of its flows; in place of `component` and \
                     `flow`.";
        found.push(("target", json!({ "type": "string", "description": about })));
    }
    if verb == "secrets.set" {
        let about = "Always true: a secret is this host's, and what lists it shows no value.";
        found.push(("private", json!({ "type": "boolean", "description": about, "enum": [true] })));
    }
    if verb == IN_PARTS {
        let (page, size) = ("Only this part of the list, the first being 1; all of it if absent.", "How many a part has.");
        found.push(("page", json!({ "type": "integer", "minimum": 1, "description": page })));
        found.push(("size", json!({ "type": "integer", "minimum": 1, "default": PART, "description": size })));
    }
    if verb == WITH_VERSION {
        let about = "The number of the version, in place of `deployment`; with `flow`.";
        found.push(("deployment_version", json!({ "type": "integer", "minimum": 1, "description": about })));
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

/// Parameters that need not be given where what to run is told by one word.
pub(super) fn in_target(verb: &str) -> &'static [&'static str] {
    if WITH_TARGET.contains(&verb) { &["component", "flow"] } else { &[] }
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
        WITH_VERSION => {
            if let Some(version) = given.shift_remove("deployment_version") {
                let number = version.as_u64().filter(|number| *number > 0);
                let number = number.ok_or_else(|| ServiceError::usage("`deployment_version` must be a whole number from 1"))?;
                set(&mut given, "deployment_version", "deployment", number.to_string().into())?;
            }
        }
        "executions.replay" => {
            if let Some(one) = given.shift_remove("exec_id") {
                set(&mut given, "exec_id", "exec_ids", json!([one]))?;
            }
        }
        "secrets.set" => {
            if let Some(private) = given.shift_remove("private")
                && private != true
            {
                return Err(ServiceError::Usage {
                    message: format!("a secret is always private here, and cannot be made with `private`: {private}"),
                    hint: Some("leave `private` out; flows get a secret by a grant, `secrets` of `kitaru.toml`".into()),
                });
            }
        }
        verb if WITH_TARGET.contains(&verb) => {
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

/// The part of a list that is asked for by Kitaru's `page` and `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    page: u64,
    size: u64,
}

impl Part {
    /// Takes it out of what a tool was given. None if all is wanted.
    pub(super) fn taken_from(verb: &str, given: &mut Map<String, Value>) -> Result<Option<Self>, ServiceError> {
        if verb != IN_PARTS {
            return Ok(None);
        }
        let mut number = |name: &str| match given.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .filter(|number| *number > 0)
                .map(Some)
                .ok_or_else(|| ServiceError::usage(format!("`{name}` must be a whole number from 1, and {value} is not"))),
        };
        Ok(match (number("page")?, number("size")?) {
            (None, None) => None,
            (page, size) => Some(Self { page: page.unwrap_or(1), size: size.unwrap_or(PART) }),
        })
    }

    /// The part of a list: `{items, count}`.
    pub(super) fn of(self, mut list: Value) -> Value {
        let whole = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let before = number(self.page.saturating_sub(1).saturating_mul(self.size));
        let items: Vec<Value> = whole.into_iter().skip(before).take(number(self.size)).collect();
        if let Some(list) = list.as_object_mut() {
            list.insert("count".into(), items.len().into());
            list.insert("items".into(), items.into());
        }
        list
    }
}

fn set(given: &mut Map<String, Value>, theirs: &str, ours: &str, value: Value) -> Result<(), ServiceError> {
    // One label, where we take several.
    let value = if (theirs, ours) == LABEL && value.is_string() { json!([value]) } else { value };
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
            let entry = known(verb).unwrap_or_else(|| panic!("there is no verb {verb}"));
            let schema = Value::from((entry.params)());
            assert!(schema["properties"][ours].is_object(), "{verb}: {ours} in {schema}");
            assert!(schema["properties"].get(theirs).is_none(), "{verb}: {theirs}");
        }
    }

    #[test]
    fn what_is_said_of_verbs_is_said_of_verbs_that_there_are() {
        for verb in WITH_STACK.into_iter().chain(WITH_TARGET).chain([IN_PARTS, WITH_VERSION]) {
            assert!(known(verb).is_some_and(|entry| entry.about.tool.is_ok()), "{verb}");
        }
        for verb in WITH_TARGET {
            let schema = Value::from((known(verb).unwrap().params)());
            assert!(in_target(verb).iter().all(|name| schema["properties"][name].is_object()), "{verb}");
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
    fn a_version_is_named_by_its_number_too() {
        let version = |given: Value| of("executions.cohort", given);
        assert_eq!(version(json!({ "deployment_version": 3, "deployment": null })), Ok(json!({ "deployment": "3" })));
        assert_eq!(version(json!({ "deployment_version": null, "deployment": "x" })), Ok(json!({ "deployment": "x" })));
        for wrong in [json!(0), json!("canary"), json!(-1)] {
            assert!(version(json!({ "deployment_version": wrong })).unwrap_err().contains("from 1"), "{wrong}");
        }
        assert!(version(json!({ "deployment_version": 3, "deployment": "4" })).unwrap_err().contains("give one of them"));
    }

    #[test]
    fn two_different_values_for_one_parameter_and_other_stacks_are_refused() {
        assert!(of("executions.get", json!({ "exec_id": "x", "execution": "y" })).unwrap_err().contains("give one of them"));
        assert!(of("executions.list", json!({ "stack": "aws" })).unwrap_err().contains("aws"));
    }

    #[test]
    fn a_version_is_published_as_kitaru_says_it() {
        let digest = "b".repeat(64);
        let given = json!({
            "target": format!("{digest}:main"), "inputs": { "a": 1 }, "tag": "canary", "exclusive": true, "stack": null, "cache": null,
        });
        let expected = json!({ "component": digest, "flow": "main", "input": { "a": 1 }, "tags": ["canary"], "exclusive": true });
        assert_eq!(of("deploy", given), Ok(expected));
        assert!(of("deploy", json!({ "target": "main.py" })).unwrap_err().contains("<digest>:<flow>"));
    }

    #[test]
    fn secrets_are_private_and_listed_in_parts_where_that_is_asked_for() {
        let made = |private: Value| of("secrets.set", json!({ "name": "mail", "private": private }));
        assert_eq!(made(json!(true)), Ok(json!({ "secret": "mail" })));
        assert_eq!(made(Value::Null), Ok(json!({ "secret": "mail" })));
        assert!(made(json!(false)).unwrap_err().contains("always private"));

        let part = |given: Value| {
            let Value::Object(mut given) = given else { panic!("{given}") };
            let part = Part::taken_from(IN_PARTS, &mut given).map_err(|error| error.to_string());
            assert!(given.is_empty(), "{given:?}");
            part
        };
        let list = || json!({ "items": (1..=25).collect::<Vec<_>>(), "count": 25 });
        assert_eq!((part(json!({})), part(json!({ "page": null, "size": null }))), (Ok(None), Ok(None)));
        let second = part(json!({ "page": 2 })).unwrap().unwrap();
        assert_eq!(second.of(list()), json!({ "items": [21, 22, 23, 24, 25], "count": 5 }));
        let first = part(json!({ "size": 2 })).unwrap().unwrap();
        assert_eq!(first.of(list()), json!({ "items": [1, 2], "count": 2 }));
        let none = part(json!({ "page": u64::MAX, "size": u64::MAX })).unwrap().unwrap();
        assert_eq!(none.of(list()), json!({ "items": [], "count": 0 }));
        for wrong in [json!({ "page": 0 }), json!({ "size": -1 }), json!({ "page": "1" })] {
            assert!(part(wrong.clone()).unwrap_err().contains("from 1"), "{wrong}");
        }
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
