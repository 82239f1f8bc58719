use std::collections::BTreeSet;
use std::path::Path;

use kitaru_llm::schema::Schema as Validator;
use serde_json::json;

use super::*;
use crate::config::{ConfigError, ProjectConfig};

/// A key that there is nowhere.
const UNKNOWN: &str = "nonsense";

fn whole() -> Value {
    schema(&[("host.parallel", json!(64))]).unwrap()
}

fn read(text: &str) -> Result<ProjectConfig, ConfigError> {
    ProjectConfig::parse(Path::new("kitaru.toml"), text)
}

/// Calls `see` with each part of a schema that describes a value, and with the names that lead there.
fn walk(schema: &Value, path: &str, see: &mut dyn FnMut(&str, &Value)) {
    see(path, schema);
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        walk(below, &format!("{path}.{key}"), see);
    }
    for (keyword, name) in [("additionalProperties", "<name>"), ("items", "[]")] {
        if schema[keyword].is_object() {
            walk(&schema[keyword], &format!("{path}.{name}"), see);
        }
    }
}

/// Each table: the keys that it may have, and a file with an unknown one in it.
fn tables(schema: &Value, within: &dyn Fn(Value) -> Value, found: &mut Vec<(BTreeSet<String>, Value)>) {
    if let Some(keys) = schema["properties"].as_object() {
        found.push((keys.keys().cloned().collect(), within(json!({ UNKNOWN: 1 }))));
        for (key, below) in keys {
            tables(below, &|inner| within(json!({ key: inner })), found);
        }
    }
    if schema["additionalProperties"].is_object() {
        tables(&schema["additionalProperties"], &|inner| within(json!({ "name": inner })), found);
    }
    if schema["items"].is_object() {
        tables(&schema["items"], &|inner| within(json!([inner])), found);
    }
}

/// The keys that the reader says there are, of an error about an unknown one.
fn known_to_the_reader(error: &ConfigError) -> BTreeSet<String> {
    let ConfigError::Parse { source, .. } = error else { panic!("{error:?}") };
    let (unknown, known) = source.message().split_once("expected").unwrap_or_else(|| panic!("{source}"));
    assert!(unknown.contains(&format!("unknown field `{UNKNOWN}`")), "{source}");
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_table_has_the_keys_that_the_reader_knows_and_no_other() {
    let schema = whole();
    let validator = Validator::new(&schema).unwrap();
    let mut found = Vec::new();
    tables(&schema, &|inner| inner, &mut found);
    assert!(found.len() > 30, "{found:#?}");
    for (keys, document) in found {
        let text = toml::to_string(&document).unwrap();
        let mut known = known_to_the_reader(&read(&text).expect_err(&text));
        if document.pointer("/grants/checkpoints").is_some() {
            // It says why it refuses them there.
            assert!(known.remove("checkpoints"));
        }
        assert_eq!(keys, known, "the schema (left) and the reader (right) of\n{text}");
        assert!(validator.check(&document).is_err(), "{text}");
    }
}

#[test]
fn every_key_is_described_for_whoever_writes_the_file() {
    let mut seen = 0;
    walk(&whole(), "", &mut |path, part| {
        seen += 1;
        let description = part["description"].as_str().unwrap_or_default();
        // Elements of lists, and what stands under names that people give, are described with the list.
        assert!(!description.is_empty() || path.ends_with("[]") || path.ends_with("<name>"), "{path}: {part}");
        assert!(!description.contains("[`"), "a reference of Rust's: {path}: {description}");
        assert!(part.get("$ref").is_none() && part.get("definitions").is_none(), "a reference: {path}");
        for keyword in ["anyOf", "allOf", "oneOf", "const"] {
            assert!(part.get(keyword).is_none(), "{path} has {keyword}: {part}");
        }
        let is_nothing = |value: &Value| value.is_null() || value == "null";
        assert!(!part["enum"].as_array().is_some_and(|words| words.iter().any(is_nothing)), "{path}: {part}");
        assert!(!part["type"].as_array().is_some_and(|names| names.iter().any(is_nothing)), "{path}: {part}");
        assert!(part.get("default").is_none_or(|value| !value.is_null() && !value.is_object()), "{path}: {part}");
    });
    assert!(seen > 150, "{seen}");
}

#[test]
fn defaults_are_those_that_hold() {
    let schema = whole();
    for (key, value) in [
        ("host/properties/parallel", json!(64)),
        ("host/properties/durability", json!("full")),
        ("limits/properties/memory_mib", json!(256)),
        ("grants/properties/net", json!([])),
        ("llm/properties/retry/properties/attempts", json!(3)),
        ("llm/properties/after_crash", json!("retry")),
        ("llm/properties/mocks/items/properties/then", json!("repeat")),
        ("server/properties/listen", json!("127.0.0.1:8383")),
        ("telemetry/properties/service_name", json!("kitaru-host")),
        ("log_store/properties/backend", json!("local")),
    ] {
        assert_eq!(schema.pointer(&format!("/properties/{key}/default")), Some(&value), "{key}");
    }
    let after_crash = &schema["properties"]["llm"]["properties"]["after_crash"];
    assert_eq!(after_crash["enum"], json!(["retry", "fail", "ask"]));
    assert!(after_crash["description"].as_str().unwrap().contains("- `ask`: A person is asked."), "{after_crash}");
}

#[test]
fn what_the_reader_refuses_for_its_form_is_refused() {
    let validator = Validator::new(&whole()).unwrap();
    let check = |text: &str| validator.check(&toml::from_str::<Value>(text).unwrap()).map_err(|misfit| misfit.to_string());
    for refused in [
        "[grant]\n",
        "[grants]\nread = \"docs\"\n",
        "[grants.checkpoints.a.checkpoints.b]\nenv = [\"A\"]\n",
        "[limits]\nmemory_mib = \"64\"\n",
        "[host]\nisolate = \"yes\"\n",
        "[host]\ndurability = \"fast\"\n",
        "[run]\nretries = 1001\n",
        "[security]\nsignatures = \"required\"\n",
        "[server]\nupload_mib = 5000\n",
        "[server]\nconnections = 0\n",
        "[server]\ntls_key = \"k.pem\"\n",
        "[log_store]\nbackend = \"s3\"\n",
        "[models.aliases.fast]\nsecret = \"creds\"\n",
        "[models.aliases.fast]\nmodel = \"openai/a\"\napi = \"smtp\"\n",
        "[llm]\non_missing = \"wait\"\n",
        "[llm.budgets]\nper_day = -1\n",
        "[llm.redact]\npersonal = [\"shoe_size\"]\n",
        "[[llm.mocks]]\nreplies = [{ txt = \"a\" }]\n",
        "[[llm.middleware]]\ncomponent = \"a.wasm\"\nsurfaces = [\"chek\"]\n",
    ] {
        assert!(read(refused).is_err() && check(refused).is_err(), "{refused}");
    }
    for accepted in [
        "",
        "[host]\nisolate = true\n",
        "[host]\nisolate = \"best-effort\"\ndurability = \"process\"\n",
        "[server]\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n",
        "[telemetry.resource]\nteam = \"a\"\n",
        "[llm.budgets]\nper_day = 5\n",
        "[llm.cache]\nrules = { namespace = \"a\" }\n",
        "[[llm.parameters]]\nset = { seed = 1, stop = [\"a\"] }\n",
        "[[llm.mocks]]\nreplies = [{ json = { a = [1] } }]\n",
        "[[llm.middleware]]\ncomponent = \"a.wasm\"\nsurfaces = [\"check\"]\nconfig = { words = [\"a\"] }\n",
    ] {
        read(accepted).expect(accepted);
        assert_eq!(check(accepted), Ok(()), "{accepted}");
    }
}
