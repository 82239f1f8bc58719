//! The manifest that the host reads, and the entry points behind it, on what the attributes register.

use kitaru::prelude::*;
use serde_json::from_str;

/// How large it is.
#[data]
struct Size {
    width: f64,
    /// Absent for flat things.
    height: Option<f64>,
}

/// Measures a thing.
///
/// Twice, to be sure.
#[checkpoint(retries = 2, type = "tool_call")]
fn measure(_cx: &Checkpoint, thing: String, sizes: Vec<Size>, factor: Option<f64>) -> Result<Size> {
    let width = sizes.iter().fold(0.0, |sum, size| sum + size.width + size.height.unwrap_or_default());
    if thing == "nothing" {
        return Err(err!("there is no {thing}").kind("missing").retryable(false).details(json!([1])));
    }
    Ok(Size { width: width * factor.unwrap_or(1.0), height: None })
}

#[checkpoint(name = "parse-it")]
fn parse(_cx: &Checkpoint, r#type: String) -> std::result::Result<i64, std::num::ParseIntError> {
    r#type.parse()
}

#[flow]
fn second(_cx: &Flow) -> Result<()> {
    Ok(())
}

/// The first.
#[flow(name = "first")]
fn renamed(_cx: &Flow, text: String, times: Option<usize>) -> Result<String> {
    Ok(text.repeat(times.unwrap_or(1)))
}

kitaru::needs! { llm = ["smart", "fast"] }

/// Needs something of every kind.
#[checkpoint(read = ["docs"], write = ["out"], env = ["LANG"], net = ["api.example.com:443"], secrets = ["gh"], llm = ["fast"])]
fn needy(cx: &Checkpoint, path: String, name: String) -> Result<String> {
    Ok(cx.read_to_string(path)? + &cx.env(&name)?)
}

#[checkpoint(net = [])]
fn modest(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

mod more {
    kitaru::needs! { env = ["TZ"], llm = ["fast"] }
}

mod twin {
    use kitaru::prelude::*;

    #[checkpoint(name = "twin")]
    pub fn one(_cx: &Checkpoint) -> Result<()> {
        Ok(())
    }

    #[checkpoint(name = "twin")]
    pub fn other(_cx: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

#[test]
fn the_manifest_lists_flows_and_checkpoints_by_name() {
    let manifest: Value = from_str(&kitaru::expansion::describe()).unwrap();
    assert_eq!(manifest["manifest"], 1);
    assert_eq!(manifest["sdk"], json!({ "name": "kitaru-rust", "version": "0.1.0" }));
    let names = |list: &str| {
        manifest[list].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("flows"), ["first", "second"]);
    assert_eq!(names("checkpoints"), ["measure", "modest", "needy", "parse-it", "twin", "twin"]);
    assert_eq!(
        manifest["flows"][0],
        json!({
            "name": "first",
            "doc": "The first.",
            "parameters": ["text", "times"],
            "input": {
                "type": "object",
                "properties": {
                    "text": { "type": "string" },
                    "times": { "type": ["integer", "null"], "format": "uint", "minimum": 0 },
                },
                "required": ["text"],
                "additionalProperties": false,
            },
            "result": { "type": "string" },
            "options": { "retries": 0 },
        })
    );
    assert_eq!(manifest["flows"][1]["doc"], Value::Null);
    assert_eq!(manifest["flows"][1]["result"], json!({ "type": "null" }));
}

#[test]
fn schemas_carry_their_definitions_and_options_follow() {
    let manifest: Value = from_str(&kitaru::expansion::describe()).unwrap();
    let measure = &manifest["checkpoints"][0];
    assert_eq!(measure["doc"], "Measures a thing.\n\nTwice, to be sure.");
    assert_eq!(measure["options"], json!({ "retries": 2, "type": "tool_call" }));
    assert_eq!(measure["input"]["properties"]["sizes"]["items"], json!({ "$ref": "#/$defs/Size" }));
    assert_eq!(measure["input"]["$defs"]["Size"]["required"], json!(["width"]));
    assert_eq!(measure["input"]["required"], json!(["thing", "sizes"]));
    assert_eq!(measure["result"]["type"], "object");
    assert_eq!((&measure["result"]["title"], &measure["result"]["description"]), (&json!("Size"), &json!("How large it is.")));
    assert_eq!(manifest["checkpoints"][3]["parameters"], json!(["type"]));
    assert_eq!(manifest["checkpoints"][3]["options"], json!({ "retries": 0, "type": null }));
}

#[test]
fn needs_are_carried() {
    let manifest: Value = from_str(&kitaru::expansion::describe()).unwrap();
    assert_eq!(manifest["needs"], json!({ "env": ["TZ"], "llm": ["fast", "smart"] }), "of all places, each once");
    assert_eq!(manifest["checkpoints"][0].get("needs"), None, "one that says nothing");
    assert_eq!(manifest["checkpoints"][1]["needs"], json!({}), "one that says that it needs nothing");
    assert_eq!(
        manifest["checkpoints"][2]["needs"],
        json!({
            "read": ["docs"], "write": ["out"], "env": ["LANG"], "net": ["api.example.com:443"], "secrets": ["gh"], "llm": ["fast"],
        })
    );
}

#[test]
fn what_is_not_declared_is_told_without_a_flag() {
    let run = |path: &str, name: &str| {
        let input = json!({ "path": path, "name": name }).to_string();
        kitaru::expansion::run_checkpoint("needy", &input).unwrap_err()
    };
    let Error::Capability { flag, failure } = run("Cargo.toml", "NOT_DECLARED") else { panic!("not a capability error") };
    assert!(flag.is_empty() && failure.message.contains("does not declare"), "{failure}");
    let Error::Capability { flag, failure } = run("Cargo.toml", "LANG_THAT_IS_NOT_SET") else { panic!("not a capability error") };
    assert!(flag.is_empty() && failure.message.contains("env = [\"LANG_THAT_IS_NOT_SET\"]"), "{failure}");
}

#[test]
fn two_functions_of_one_name_are_reported() {
    let manifest: Value = from_str(&kitaru::expansion::describe()).unwrap();
    let errors = manifest["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].as_str().unwrap().starts_with("two checkpoints are named `twin`: tests/manifest.rs:"), "{errors:?}");
}

#[test]
fn a_body_runs_from_json_to_json() {
    let run = |input: Value| kitaru::expansion::run_checkpoint("measure", &input.to_string());
    assert_eq!(
        run(json!({ "thing": "box", "sizes": [{ "width": 1.0, "height": 2.0 }] })).unwrap(),
        r#"{"width":3.0,"height":null}"#
    );
    assert_eq!(run(json!({ "thing": "box", "sizes": [], "factor": null })).unwrap(), r#"{"width":0.0,"height":null}"#);

    let failure = run(json!({ "thing": "nothing", "sizes": [] })).unwrap_err().failure().clone();
    assert_eq!((failure.kind.as_str(), failure.message.as_str(), failure.retryable), ("missing", "there is no nothing", false));
    assert_eq!(failure.details, Some(json!([1])));

    let infinite = run(json!({ "thing": "box", "sizes": [{ "width": 1e308 }], "factor": 10.0 })).unwrap_err();
    assert!(matches!(&infinite, Error::Serialization(failure) if failure.origin == kitaru::Origin::Runtime), "{infinite}");
}

#[test]
fn an_input_that_does_not_fit_is_a_usage_failure() {
    let message = |name: &str, input: &str| {
        let error = kitaru::expansion::run_checkpoint(name, input).unwrap_err();
        let failure = error.failure();
        assert_eq!((failure.kind.as_str(), failure.origin, failure.retryable), ("usage", kitaru::Origin::UserCode, false));
        failure.message.clone()
    };
    assert_eq!(message("parse-it", "{}"), "argument `type` is missing");
    assert_eq!(message("parse-it", r#"{"type":1}"#), "argument `type`: invalid type: integer `1`, expected a string");
    assert_eq!(message("parse-it", r#"{"type":"1","more":2}"#), "there is no argument `more`; there are: type");
    assert_eq!(message("twin", r#"{"more":2}"#), "there is no argument `more`: none are taken");
    assert_eq!(message("twin", "[]"), "the input is not a JSON object of named arguments");
    assert!(message("twin", "{").starts_with("the input is not JSON: "));
}

#[test]
fn errors_of_other_types_become_failures() {
    let error = kitaru::expansion::run_checkpoint("parse-it", r#"{"type":"x"}"#).unwrap_err();
    let failure = error.failure();
    assert_eq!((failure.kind.as_str(), failure.origin, failure.retryable), ("error", kitaru::Origin::UserCode, true));
    assert_eq!(failure.message, "invalid digit found in string");
    assert_eq!(kitaru::expansion::run_checkpoint("parse-it", r#"{"type":"7"}"#).unwrap(), "7");
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = kitaru::expansion::run_flow("third", "{}").unwrap_err();
    assert_eq!(error.failure().kind, "not-found");
    assert_eq!(error.to_string(), "this component has no flow `third`; it has: first, second");
    assert_eq!(kitaru::expansion::run_flow("first", r#"{"text":"ab","times":2}"#).unwrap(), r#""abab""#);
}
