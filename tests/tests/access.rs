//! Who may come over the network, as the owner of a data folder says it: accounts, keys, tokens, and the record of that.

use std::path::PathBuf;

use kitaru_tests::{Host, Reply, files, names};
use serde_json::{Value, json};

fn auth(host: &Host, words: &[&str]) -> Reply {
    host.json([&["auth"], words].concat())
}

fn account(host: &Host, name: &str, flags: &[&str]) -> Value {
    auth(host, &[&["service-accounts", "create", name], flags].concat()).item()
}

fn key(host: &Host, account: &str, name: &str) -> Value {
    auth(host, &["api-keys", "create", account, name]).item()
}

#[test]
fn the_owner_of_the_data_folder_is_admin() {
    let host = Host::new();
    let who = auth(&host, &["whoami"]).item();
    let expected = json!({ "who": "owner", "role": "admin", "flows": null, "via": "data-folder" });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&who[field], value, "{field}");
    }
    let text = host.text(["auth", "whoami"]).ok().stdout;
    assert!(text.contains("owner") && text.contains("admin") && text.contains("all flows"), "{text}");
}

#[test]
fn accounts_are_made_changed_and_removed() {
    let host = Host::new();
    assert_eq!(host.text(["auth", "service-accounts", "list"]).ok().stdout, "No service accounts.\n");
    let made = account(&host, "ci", &["--description", "builds"]);
    assert_eq!((&made["role"], &made["flows"], &made["active"]), (&json!("viewer"), &Value::Null, &json!(true)), "the least");
    let narrow = account(&host, "bot", &["--role", "operator", "--flow", "team-*", "--flow", "draft", "--flow", "draft"]);
    assert_eq!(narrow["flows"], json!(["draft", "team-*"]));
    auth(&host, &["service-accounts", "create", "ci"]).refused("KitaruStateError", &["`ci` already"]);
    for name in ["owner", "a/b", "a b", ""] {
        let error = auth(&host, &["service-accounts", "create", name]).refused("KitaruUsageError", &["name"]);
        assert!(error["hint"].as_str().unwrap().contains("letters"), "{error}");
    }
    for flow in ["a*b", "", "a b"] {
        let refused = auth(&host, &["service-accounts", "create", "x", "--flow", flow]);
        refused.refused("KitaruUsageError", &["cannot be the name of a flow"]);
    }
    let id = made["service_account_id"].as_str().unwrap();
    let update = |flags: &[&str]| auth(&host, &[&["service-accounts", "update"], flags].concat()).item();
    let updated = update(&[id, "--name", "builder", "--role", "author", "--flow", "build"]);
    assert_eq!((&updated["name"], &updated["role"], &updated["flows"]), (&json!("builder"), &json!("author"), &json!(["build"])));
    assert_eq!(updated["description"], "builds", "what is not named stays");
    assert_eq!(update(&["builder", "--all-flows", "--no-active"])["flows"], Value::Null);
    auth(&host, &["service-accounts", "update", "builder"]).refused("KitaruUsageError", &["nothing to change"]);
    let listed = |flags: &[&str]| Value::Array(auth(&host, &[&["service-accounts", "list"], flags].concat()).items());
    assert_eq!(names(&listed(&[]), "name"), ["bot", "builder"]);
    assert_eq!(names(&listed(&["--active"]), "name"), ["bot"]);
    assert_eq!(names(&listed(&["--no-active"]), "name"), ["builder"]);
    assert_eq!(names(&listed(&["--name", "builder"]), "name"), ["builder"]);
    let deleted = auth(&host, &["service-accounts", "delete", "builder"]).item();
    assert_eq!(deleted, json!({ "name_or_id": "builder", "deleted": true }));
    for verb in ["show", "update", "delete"] {
        let flags: &[&str] = if verb == "update" { &["--active"] } else { &[] };
        let words = [&["service-accounts", verb, "builder"], flags].concat();
        auth(&host, &words).refused("KitaruRuntimeError", &["Service account `builder` was not found."]);
    }
    assert_eq!(auth(&host, &["service-accounts", "show", "bot"]).item(), narrow);
}

#[test]
fn a_key_is_shown_once_and_kept_nowhere() {
    let host = Host::new();
    let _ = account(&host, "ci", &[]);
    let made = key(&host, "ci", "first");
    let (id, text) = (made["api_key_id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(text.starts_with(&format!("kh_{id}_")) && text.len() == 63, "{text}");
    let reply = host.text(["auth", "api-keys", "create", "ci", "piped"]).ok();
    assert!(reply.stdout.starts_with("kh_") && reply.stdout.trim_end().len() == 63, "nothing but the key: {reply:?}");
    assert!(reply.stderr.contains("nobody can see it again"), "{reply:?}");
    let secret = text.rsplit_once('_').unwrap().1;
    let nowhere = |secret: &str| {
        let found: Vec<PathBuf> = files(&host)
            .into_iter()
            .filter(|(_, bytes)| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
            .map(|(path, _)| path)
            .collect();
        assert!(found.is_empty(), "{found:?}");
    };
    nowhere(secret);
    for command in
        [&["api-keys", "list", "ci"][..], &["api-keys", "show", "ci", "first"], &["audit"], &["service-accounts", "list"]]
    {
        let reply = auth(&host, command).ok();
        assert!(!reply.stdout.contains(secret) && !reply.stderr.contains(secret), "{reply:?}");
    }
    let rotated = auth(&host, &["api-keys", "rotate", "ci", id, "--retain-minutes", "30"]).item();
    assert_eq!((&rotated["api_key_id"], &rotated["retain_period_minutes"]), (&made["api_key_id"], &json!(30)));
    assert!(rotated["key"] != made["key"] && rotated["last_rotated"].is_string(), "{rotated:#}");
    nowhere(rotated["key"].as_str().unwrap().rsplit_once('_').unwrap().1);
    auth(&host, &["api-keys", "rotate", "ci", "first", "--retain-minutes", "10081"]).refused("KitaruUsageError", &["10080"]);
}

#[test]
fn keys_belong_to_their_account() {
    let host = Host::new();
    for name in ["ci", "bot"] {
        let _ = account(&host, name, &[]);
        let _ = key(&host, name, "first");
    }
    auth(&host, &["api-keys", "create", "ci", "first"]).refused("KitaruStateError", &["`first` already"]);
    auth(&host, &["api-keys", "create", "nobody", "first"]).refused("KitaruRuntimeError", &["`nobody` was not found"]);
    let second = key(&host, "ci", "second");
    let id = second["api_key_id"].as_str().unwrap();
    auth(&host, &["api-keys", "show", "bot", id]).refused("KitaruRuntimeError", &["API key"]);
    let flags = ["--name", "old", "--description", "from before", "--no-active"];
    let updated = auth(&host, &[&["api-keys", "update", "ci", id][..], &flags].concat()).item();
    assert_eq!(
        (&updated["name"], &updated["description"], &updated["active"]),
        (&json!("old"), &json!("from before"), &json!(false))
    );
    let listed = |flags: &[&str]| Value::Array(auth(&host, &[&["api-keys", "list", "ci"], flags].concat()).items());
    assert_eq!(names(&listed(&[]), "name"), ["first", "old"]);
    assert_eq!(names(&listed(&["--active"]), "name"), ["first"]);
    let deleted = auth(&host, &["api-keys", "delete", "ci", "old"]).item();
    assert_eq!(deleted, json!({ "service_account": "ci", "name_or_id": "old", "deleted": true }));
    let _ = auth(&host, &["service-accounts", "delete", "ci"]).item();
    auth(&host, &["api-keys", "list", "ci"]).refused("KitaruRuntimeError", &["`ci` was not found"]);
    assert_eq!(auth(&host, &["api-keys", "list", "bot"]).items().len(), 1);
}

#[test]
fn a_token_is_short_lived_and_alone_on_standard_output() {
    let host = Host::new();
    let made = auth(&host, &["token", "--seconds", "60", "--role", "viewer", "--flow", "draft"]).item();
    assert!(made["token"].as_str().unwrap().starts_with("kt_"), "{made:#}");
    assert_eq!((&made["role"], &made["flows"]), (&json!("viewer"), &json!(["draft"])));
    let reply = host.text(["auth", "token"]).ok();
    assert!(reply.stdout.starts_with("kt_") && reply.stdout.lines().count() == 1, "{reply:?}");
    assert!(reply.stderr.contains("role admin") && reply.stderr.contains("all flows"), "{reply:?}");
    for seconds in ["0", "86401"] {
        auth(&host, &["token", "--seconds", seconds]).refused("KitaruUsageError", &["from 1 to 86400"]);
    }
}

#[cfg(unix)]
#[test]
fn what_signs_tokens_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let file = host.home().join("access.key");
    let _ = account(&host, "ci", &[]);
    assert!(!file.exists(), "nothing was signed");
    let _ = auth(&host, &["token"]).item();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = auth(&host, &["token"]).refused("KitaruUsageError", &["access.key", "can be read by others"]);
    assert!(error["hint"].as_str().unwrap().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "short").unwrap();
    auth(&host, &["token"]).refused("KitaruUsageError", &["access.key", "holds no key"]);
}

#[test]
fn what_is_changed_is_noted() {
    let host = Host::new();
    assert_eq!(host.text(["auth", "audit"]).ok().stdout, "Nothing was noted.\n");
    let _ = account(&host, "ci", &[]);
    let _ = key(&host, "ci", "first");
    auth(&host, &["api-keys", "create", "ci", "first"]).refused("KitaruStateError", &["already"]);
    let _ = auth(&host, &["service-accounts", "update", "ci", "--role", "author"]).item();
    let _ = auth(&host, &["token"]).item();
    let _ = auth(&host, &["service-accounts", "delete", "ci"]).item();
    let audit = |flags: &[&str]| Value::Array(auth(&host, &[&["audit"], flags].concat()).items());
    let all = audit(&[]);
    let verbs = ["service-accounts.delete", "token", "service-accounts.update", "api-keys.create", "service-accounts.create"];
    assert_eq!(names(&all, "verb"), verbs.map(|verb| format!("auth.{verb}")));
    for entry in all.as_array().unwrap() {
        let who = [&entry["who"], &entry["via"], &entry["outcome"], &entry["source"]];
        assert_eq!(who, [&json!("owner"), &json!("data-folder"), &json!("done"), &Value::Null], "{entry:#}");
    }
    assert_eq!(names(&audit(&["--verb", "auth.api-keys"]), "subject"), ["ci/first"]);
    assert_eq!(audit(&["--who", "ci"]), json!([]));
    // Each page goes on where the one before ended.
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut words = vec!["audit", "--limit", "2"];
        words.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor.as_str()]));
        let page = auth(&host, &words).ok().envelope();
        seen.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["verb"].clone()));
        cursor = page.get("next_cursor").map(Value::to_string);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), verbs.len());
    auth(&host, &["audit", "--limit", "1001"]).refused("KitaruUsageError", &["from 1 to 1000"]);
}
