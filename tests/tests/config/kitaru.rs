//! Kitaru's environment variables: each does here what it does there, or the page on configuration says why it does nothing.

use std::collections::BTreeMap;

use kitaru_tests::{Host, repository};

use super::with;

/// Those that say a setting: the variable, a value, the setting.
const USED: [(&str, &str, &str); 11] = [
    ("KITARU_CACHE", "off", "run.cache"),
    ("KITARU_RETRIES", "2", "run.retries"),
    ("KITARU_SERVER_URL", "http://127.0.0.1:9", "client.server_url"),
    ("KITARU_AUTH_TOKEN", "kh_x", "client.auth_token"),
    ("KITARU_LOG_STORE_BACKEND", "otlp", "log_store.backend"),
    ("KITARU_LOG_STORE_ENDPOINT", "http://127.0.0.1:9", "log_store.endpoint"),
    ("KITARU_LOG_STORE_API_KEY", "name", "log_store.secret"),
    ("KITARU_DEFAULT_MODEL", "openai/a", "models.default"),
    ("KITARU_MODEL_REGISTRY", "{\"fast\":\"openai/b\"}", "models.registry"),
    ("KITARU_LLM_MOCK_RESPONSE", "yes", "llm.mock_response"),
    ("KITARU_LLM_ESTIMATED_COSTS", "off", "llm.prices.estimated"),
];
/// Those that say something else, which other tests look at: a file, a place in a printed command, keys and addresses of providers.
const ELSEWHERE: [&str; 6] = [
    "KITARU_CONFIG_PATH",
    "KITARU_SERVER_ACCESS_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENROUTER_API_KEY",
    "OLLAMA_HOST",
];
/// Those that do nothing.
const UNUSED: [&str; 9] = [
    "KITARU_STACK",
    "KITARU_IMAGE",
    "KITARU_PROJECT",
    "KITARU_DEBUG",
    "KITARU_ANALYTICS_OPT_IN",
    "KITARU_DEFAULT_ANALYTICS_SOURCE",
    "KITARU_UI_URL",
    "KITARU_API_URL",
    "KITARU_REPLAY_CONTEXT",
];

/// The settings, each with where it came from.
fn settings(host: &Host, variables: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let items = with(host, variables, &["config", "show", "--origin"]).items();
    let row = |item: &serde_json::Value| {
        let place = item["place"].as_str().unwrap_or_default().to_owned();
        (item["key"].as_str().unwrap().to_owned(), (item["value"].to_string(), place))
    };
    items.iter().map(row).collect()
}

#[test]
fn each_variable_of_kitaru_is_used_or_said_to_be_not() {
    let host = Host::new();
    let text = std::fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let (_, part) = text.split_once("\n## Environment variables\n").expect("the chapter");
    let (ours, others) = part.split_once("Kitaru's other variables").expect("those that are not used");
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect::<Vec<_>>();
    let is_in = |rows: &[String], name: &str| {
        rows.iter().any(|row| row.split('|').nth(1).is_some_and(|names| names.contains(&format!("`{name}`"))))
    };
    let (ours, unused) = (rows(ours), rows(others));

    let plain = settings(&host, &[]);
    let variables: Vec<(&str, &str)> = USED.iter().map(|(name, value, _)| (*name, *value)).collect();
    let set = settings(&host, &variables);
    for (name, _, setting) in USED {
        assert!(is_in(&ours, name), "{name} is not in the table of variables");
        assert_ne!(set[setting], plain[setting], "{name} says nothing of {setting}");
        assert_eq!(set[setting].1, name, "{setting}");
    }
    for name in UNUSED {
        assert!(is_in(&unused, name) && !is_in(&ours, name), "{name} is not said to be passed over");
    }
    let passed_over: Vec<(&str, &str)> = UNUSED.iter().map(|name| (*name, "something")).collect();
    assert_eq!(settings(&host, &passed_over), plain, "what is said to change nothing does");
    let documented: Vec<String> = ["configuration.md", "models.md"]
        .iter()
        .map(|name| std::fs::read_to_string(repository().join("docs").join(name)).unwrap())
        .collect();
    for name in ELSEWHERE {
        assert!(documented.iter().any(|text| text.contains(&format!("`{name}`"))), "{name} is in no table");
    }
}
