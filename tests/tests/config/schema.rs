//! The JSON Schema of `kitaru.toml` says what the reader says: of every setting, of every file in the documentation, and of those in other tests
//! (`kitaru_tests::same_as_schema`).

use std::path::{Path, PathBuf};

use kitaru_host::config::ProjectConfig;
use kitaru_llm::schema::Schema;
use kitaru_tests::{Host, Reply, repository};
use serde_json::{Value, json};

/// Settings that no file can name.
const NOT_IN_A_FILE: [&str; 5] = ["home", "client.server_url", "client.auth_token", "models.registry", "llm.mock_response"];

fn printed(host: &Host) -> Value {
    let text = Reply::from(host.command(["config", "schema"])).ok().stdout;
    serde_json::from_str(&text).unwrap()
}

/// What describes the setting, also below names that people give.
fn described<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(schema, |here, word| {
        here["properties"].get(word).or_else(|| here.get("additionalProperties").filter(|it| it.is_object()))
    })
}

fn read(text: &str) -> Result<ProjectConfig, String> {
    ProjectConfig::parse(Path::new("kitaru.toml"), text).map_err(|error| format!("{error:?}"))
}

#[test]
fn every_setting_that_is_shown_is_in_the_schema_with_its_default() {
    let host = Host::new();
    let schema = printed(&host);
    assert_eq!(host.item(["config", "schema"]), schema, "in either form");
    let settings = host.json(["config", "show"]).items();
    assert!(settings.len() > 80, "{settings:#?}");
    for setting in &settings {
        let (key, value) = (setting["key"].as_str().unwrap(), &setting["value"]);
        let found = described(&schema, key);
        if NOT_IN_A_FILE.contains(&key) {
            assert!(found.is_none() && read(&format!("{key} = \"a/b\"\n")).is_err(), "{key}: {found:?}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("`{key}` is not in the schema"));
        assert!(found["description"].is_string(), "{key}: {found}");
        let default = if value.is_null() || value.is_object() { &Value::Null } else { value };
        assert_eq!(&found["default"], default, "{key}");
    }
    // Settings that are there because a file says something.
    let text = std::fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    host.file("kitaru.toml", blocks(&text).remove(0));
    let shown = host.json(["config", "show"]).items();
    for key in ["models.aliases.fast.model", "grants.checkpoints.greet.env", "telemetry.resource.team"] {
        assert!(shown.iter().any(|setting| setting["key"] == key) && described(&schema, key).is_some(), "{key}");
    }
}

/// Blocks of TOML in a page.
fn blocks(page: &str) -> Vec<String> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_in_the_documentation_is_to_the_schema_what_it_is_to_the_reader() {
    let schema = Schema::new(&printed(&Host::new())).unwrap();
    let mut files = Vec::new();
    pages(repository(), &mut files);
    let mut texts: Vec<String> = files.iter().flat_map(|file| blocks(&std::fs::read_to_string(file).unwrap())).collect();
    texts.push(std::fs::read_to_string(repository().join("host/templates/rust/kitaru.toml")).unwrap());
    let (mut good, mut bad) = (0, 0);
    for text in texts {
        let value: Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        let (reader, schema) = (read(&text).map(drop), schema.check(&value));
        assert_eq!(reader.is_ok(), schema.is_ok(), "{text}\nreader: {reader:?}\nschema: {schema:?}");
        *(if reader.is_ok() { &mut good } else { &mut bad }) += 1;
    }
    assert!(good >= 12 && bad >= 3, "{good} files of ours, {bad} others");
}

#[test]
fn a_file_that_is_to_be_mended_is_no_hindrance() {
    let host = Host::new();
    host.file("kitaru.toml", "[limits]\nmemory = 1\n");
    host.json(["config", "show"]).refused("KitaruUsageError", &["kitaru.toml"]);
    assert_eq!(printed(&host)["title"], "kitaru.toml");
    assert_eq!(host.json(["config", "schema"]).item()["additionalProperties"], json!(false));
}
