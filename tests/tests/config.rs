//! What is set, and who says so: flags, the environment, the project, the user, defaults. And `info`, which tells it in a bug report.

use kitaru_tests::{Host, Reply, fixture};
use serde_json::{Value, json};

#[path = "config/kitaru.rs"]
mod kitaru;
#[path = "config/schema.rs"]
mod schema;

fn with(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    command.envs(variables.iter().copied());
    Reply::from(command)
}

/// Value, origin and the very place of a setting.
fn setting(host: &Host, variables: &[(&str, &str)], flags: &[&str], key: &str) -> (Value, String, Value) {
    let items = with(host, variables, &[&["config", "show", key, "--origin"], flags].concat()).items();
    let found = items.iter().find(|item| item["key"] == key).unwrap_or_else(|| panic!("{key} in {items:#?}"));
    (found["value"].clone(), found["origin"].as_str().unwrap().to_owned(), found["place"].clone())
}

#[test]
fn who_is_nearest_says_it() {
    let host = Host::new();
    let of = |variables: &[(&str, &str)], flags: &[&str]| {
        let (value, origin, _) = setting(&host, variables, flags, "host.durability");
        (value.as_str().unwrap().to_owned(), origin)
    };
    let said = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(of(&[], &[]), said("full", "default"));
    let user = host.configure("[host]\ndurability = \"process\"\nflows = 12\n[limits]\nmemory_mib = 99\n");
    assert_eq!(of(&[], &[]), said("process", "user"));
    let status = host.item(["status"]);
    assert_eq!(
        (&status["durability"], &status["connection_sources"]["durability"]),
        (&json!("process"), &json!("the user's config.toml"))
    );
    let project = host.file("kitaru.toml", "[host]\ndurability = \"full\"\n");
    assert_eq!(of(&[], &[]), said("full", "project"));
    assert_eq!(of(&[("KITARU_DURABILITY", "process")], &[]), said("process", "environment"));
    assert_eq!(of(&[("KITARU_DURABILITY", "process")], &["--durability", "full"]), said("full", "flag"));
    let (value, origin, place) = setting(&host, &[], &[], "host.flows");
    assert_eq!((value, origin.as_str(), place), (json!(12), "user", json!(user)), "what the project does not say, the user does");
    let (_, _, place) = setting(&host, &[], &[], "host.durability");
    assert_eq!(
        place.as_str().map(|path| std::path::Path::new(path).canonicalize().unwrap()),
        Some(std::path::Path::new(&project).canonicalize().unwrap())
    );
    let run = host.flow("no_calls", &json!({}), &[]);
    assert_eq!(run["frozen_execution_spec"]["limits"]["memory_mib"], 99, "and what it says holds");
}

#[test]
fn every_key_of_the_documented_file_is_a_setting() {
    let host = Host::new();
    let text = std::fs::read_to_string(kitaru_tests::repository().join("docs/configuration.md")).unwrap();
    let file = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let known: Vec<String> =
        host.json(["config", "show"]).items().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect();
    let mut keys = Vec::new();
    flatten(&mut keys, "", &file.parse::<toml::Table>().unwrap());
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        // What people name themselves is not known before they do.
        let is_named =
            ["grants.checkpoints.", "models.aliases.", "telemetry.resource."].iter().any(|prefix| key.starts_with(prefix));
        assert!(is_named || known.contains(&key), "`{key}` is not among {known:#?}");
    }
}

fn flatten(keys: &mut Vec<String>, prefix: &str, table: &toml::Table) {
    for (key, value) in table {
        match value {
            toml::Value::Table(table) => flatten(keys, &format!("{prefix}{key}."), table),
            _ => keys.push(format!("{prefix}{key}")),
        }
    }
}

#[test]
fn a_users_file_with_a_misspelt_key_is_an_error_that_names_it() {
    let host = Host::new();
    let file = host.configure("[limits]\nmemory = 1\n");
    let error = host.json(["run", &fixture("conformance:no_calls")]).refused("KitaruUsageError", &["config.toml"]);
    assert!(error.to_string().contains("memory"), "{error}");
    std::fs::remove_file(file).unwrap();
    let own = host.file("own.toml", "[host]\nflows = 4\n");
    let (value, origin, _) = setting(&host, &[("KITARU_CONFIG_PATH", &own)], &[], "host.flows");
    assert_eq!((value, origin.as_str()), (json!(4), "user"));
}

#[test]
fn new_executions_take_what_the_environment_says_where_they_say_nothing() {
    let host = Host::new();
    let target = fixture("conformance:no_calls");
    let spec = |variables: &[(&str, &str)], flags: &[&str]| {
        with(&host, variables, &[&["run", &target], flags].concat()).item()["frozen_execution_spec"].clone()
    };
    let plain = spec(&[], &[]);
    assert_eq!((&plain["cache_default"], &plain["resolved_execution"]["retries"]), (&Value::Null, &json!(0)));
    let varied = spec(&[("KITARU_CACHE", "on"), ("KITARU_RETRIES", "2")], &[]);
    let resolved = &varied["resolved_execution"];
    assert_eq!((&varied["cache_default"], &resolved["cache"], &resolved["retries"]), (&json!(true), &Value::Null, &json!(2)));
    let flagged = spec(&[("KITARU_RETRIES", "2")], &["--retries", "0", "--no-cache"]);
    let resolved = &flagged["resolved_execution"];
    assert_eq!((&resolved["cache"], &resolved["retries"]), (&json!(false), &json!(0)));
    let _ = host.file("kitaru.toml", "[run]\nretries = 3\n");
    assert_eq!(spec(&[], &[])["resolved_execution"]["retries"], 3);
    for (name, value) in [("KITARU_CACHE", "maybe"), ("KITARU_RETRIES", "-1")] {
        let refused = with(&host, &[(name, value)], &["run", &target]);
        refused.refused("KitaruUsageError", &[&format!("Invalid value for {name}: `{value}`")]);
    }
}

#[test]
fn no_command_shows_a_key() {
    const KEY: &str = "kh_planted-1234567890-abcdefghij";
    let host = Host::new();
    let variables = [
        ("KITARU_SERVER_URL", "https://127.0.0.1:9"),
        ("KITARU_AUTH_TOKEN", KEY),
        ("KITARU_LOG_STORE_API_KEY", "plantedplanted"),
        ("KITARU_LOG_STORE_ENDPOINT", "http://127.0.0.1:9"),
    ];
    let shown = with(&host, &variables, &["config", "show", "--origin"]).items();
    let info = with(&host, &variables, &["info", "--all"]).item();
    for text in [json!(shown).to_string(), info.to_string()] {
        assert!(!text.contains("planted-1234567890") && !text.contains("plantedplanted"), "{text}");
    }
    let token = info["environment"].as_array().unwrap().iter().find(|it| it["name"] == "KITARU_AUTH_TOKEN").unwrap();
    assert_eq!(token["value"], "kh_plant***");
}

#[test]
fn the_files_that_are_read_are_told() {
    let host = Host::new();
    let path = host.item(["config", "path"]);
    assert_eq!((&path["project"], &path["user_exists"], &path["user"]), (&Value::Null, &json!(false), &json!(host.user_file())));
    let _ = host.file("kitaru.toml", "");
    assert!(host.item(["config", "path"])["project"].as_str().unwrap().ends_with("kitaru.toml"));
    host.json(["config", "show", "nonsense"]).refused("KitaruUsageError", &["`nonsense`"]);
}

#[test]
fn info_tells_packages_and_settings_and_degrades() {
    let host = Host::new();
    let some = host.item(["info", "--packages", "wasmtime,left-pad"]);
    assert!(some["packages"]["wasmtime"].is_string() && some["packages"]["left-pad"].is_null(), "{some:#}");
    assert!(some.get("settings").is_none(), "{some:#}");
    let all = host.item(["info", "-a"]);
    assert!(all["packages"].as_object().unwrap().len() > 100 && all["settings"].as_array().unwrap().len() > 50);
    assert_eq!(all["log_store_status"], "local (default)");
    // What cannot be read is a warning.
    let broken = with(&host, &[("KITARU_RETRIES", "many")], &["info", "--all"]).item();
    assert!(broken["warning"].as_str().unwrap().contains("KITARU_RETRIES") && broken["settings"].is_null(), "{broken:#}");
    let file = host.file("no-folder", "");
    let nowhere = host.item(["info", "--home", &file]);
    assert!(nowhere["warning"].is_string() && nowhere["store"].is_null(), "{nowhere:#}");
}

#[test]
fn info_writes_a_file_of_the_form_that_its_name_asks_for() {
    let host = Host::new();
    for (name, form) in [("a.json", "json"), ("a.yaml", "yaml"), ("a.toml", "toml")] {
        let written = host.item(["info", "--file", name]);
        assert_eq!((&written["file"], &written["format"]), (&json!(name), &json!(form)));
        assert!(std::fs::read_to_string(host.path(name)).unwrap().contains("sdk_version"), "{name}");
    }
    let told: Value = serde_json::from_str(&std::fs::read_to_string(host.path("a.json")).unwrap()).unwrap();
    assert_eq!(told["sdk_version"], host.item(["info"])["sdk_version"]);
    let table: toml::Table = std::fs::read_to_string(host.path("a.toml")).unwrap().parse().unwrap();
    assert_eq!(table["connection"].as_str(), Some("local"));
    host.json(["info", "--file", "a.txt"]).refused("KitaruUsageError", &["a.txt"]);
}
