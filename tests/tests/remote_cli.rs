//! Commands that work with a host elsewhere: the same as with a data folder, and never by accident with another one.

#[path = "remote_cli/laptop.rs"]
mod laptop;
#[path = "remote_cli/same.rs"]
mod same;
#[path = "remote_cli/unfinished.rs"]
mod unfinished;
// Terminals are opened as Linux has them.
#[cfg(target_os = "linux")]
#[path = "remote_cli/person.rs"]
mod person;

use std::path::Path;

use kitaru_tests::{Assistant, Cutting, Host, Mode, Reply, Served, example, fixture, id};
use laptop::{Team, url_of};
use serde_json::{Value, json};

#[test]
fn a_login_is_for_whoever_has_a_key_that_counts() {
    let team = Team::new("operator");
    let who = team.laptop.item(["auth", "whoami"]);
    assert_eq!((&who["who"], &who["role"], &who["via"]), (&json!("ada"), &json!("operator"), &json!("api-key")));
    let status = team.laptop.item(["status"]);
    assert_eq!((&status["connection"], &status["server_url"]), (&json!("server"), &json!(team.url())));
    assert_eq!((&status["connection_sources"]["server"], &status["active_user"]), (&json!("login"), &json!("ada (operator)")));
    assert_eq!(status["server_version"], status["sdk_version"]);
    assert!(!team.laptop.home().exists(), "nothing was made on this machine");

    // A wrong key changes nothing.
    let before = std::fs::read_to_string(team.credentials()).unwrap();
    let wrong = team.key.replace(&team.key[team.key.len() - 6..], "aaaaaa");
    for key in [wrong.as_str(), "nonsense"] {
        let refused = team.log_in(key);
        let error = refused.refused("KitaruAuthenticationError", &[]);
        assert!(error["hint"].as_str().unwrap().contains("nothing was stored"), "{error}");
        assert!(!format!("{refused:?}").contains(key), "{refused:?}");
    }
    team.log_in("  ").refused("KitaruUsageError", &["the key is empty"]);
    assert_eq!(std::fs::read_to_string(team.credentials()).unwrap(), before);
    team.laptop.json(["login", &team.url()]).refused("KitaruUsageError", &["nobody to ask"]);
    team.laptop.json(["login", &team.key]).refused("KitaruUsageError", &["no address of a server"]);
}

#[test]
fn a_logout_leads_back_to_the_data_folder() {
    let team = Team::new("viewer");
    let other = team.laptop.item(["logout", "https://other.example"]);
    assert_eq!(
        (&other["target"], &other["local_fallback_available"]),
        (&Value::Null, &json!(false)),
        "commands still go elsewhere"
    );
    let out = team.laptop.item(["logout"]);
    assert_eq!((&out["mode"], &out["target"]), (&json!("remote_server"), &json!(team.url())));
    assert_eq!(out["local_fallback_available"], true);
    assert_eq!(team.laptop.item(["status"])["connection"], "local");
    assert!(!std::fs::read_to_string(team.credentials()).unwrap().contains(&team.key));
    let none = team.laptop.item(["logout"]);
    assert_eq!((&none["mode"], &none["target"]), (&json!("local_store"), &Value::Null));
    assert!(team.laptop.text(["logout"]).ok().stderr.contains("Nobody is logged in"));
}

#[test]
fn what_whoever_runs_the_tests_has_stored_is_no_tests_business() {
    let host = Host::new();
    let own = host.work().parent().unwrap().to_owned();
    // As it is, and as it is on platforms that do not know these variables.
    for removed in [&[][..], &["XDG_CONFIG_HOME", "XDG_DATA_HOME"]] {
        let mut command = host.json_command(["config", "path"]);
        for variable in removed {
            command.env_remove(variable);
        }
        let paths = Reply::from(command).item();
        for place in ["user", "credentials", "data_folder"] {
            assert!(Path::new(paths[place].as_str().unwrap()).starts_with(&own), "{place} without {removed:?}: {paths:#}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_is_for_its_owner_alone_and_is_never_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let team = Team::new("admin");
    let file = team.credentials();
    let mode = |mode: u32| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = &team.key[team.key.len() - 20..];
    for words in [
        &["status"][..],
        &["info", "--all"],
        &["config", "show", "--origin"],
        &["-vv", "executions", "list"],
        &["executions", "get", "nonsense", "-v"],
        &["auth", "whoami", "-v"],
        &["logout", "https://elsewhere.example"],
    ] {
        for reply in [team.laptop.text(words), team.laptop.json(words)] {
            assert!(!format!("{reply:?}").contains(secret), "{reply:?}");
        }
    }
    let shown = team.laptop.json(["config", "show", "client", "--origin"]).items();
    let setting = |key: &str| shown.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(setting("client.server_url")["value"], json!(team.url()));
    assert_eq!(setting("client.auth_token")["value"], "***");
    assert_eq!(setting("client.auth_token")["place"], json!(file));
    mode(0o644);
    let error = team.laptop.json(["executions", "list"]).refused("KitaruUsageError", &["others can read"]);
    assert!(error["hint"].as_str().unwrap().contains("chmod 600"), "{error}");
    assert_eq!(team.laptop.item(["status"])["connection"], "unknown", "it tells what is wrong");
    mode(0o600);
    std::fs::write(&file, format!("current = {}\n", team.key)).unwrap();
    let broken = team.laptop.json(["executions", "list"]);
    broken.refused("KitaruUsageError", &["line 1"]);
    assert!(!format!("{broken:?}").contains(secret), "{broken:?}");
}

#[test]
fn the_nearest_word_says_which_server_it_is() {
    let (first, second) = (Team::new("viewer"), Team::new("viewer"));
    let (url, key) = (second.url(), second.key.as_str());
    let target = |reply: Reply| reply.item()["connection_target"].clone();
    let environment = [("KITARU_SERVER_URL", url.as_str()), ("KITARU_AUTH_TOKEN", key)];
    assert_eq!(target(first.with(&[], &["status"])), first.url());
    assert_eq!(target(first.with(&environment, &["status"])), url);
    assert_eq!(target(first.with(&environment, &["--server", &first.url(), "status"])), first.url());
    assert_eq!(target(first.with(&environment, &["status", "--local"])), json!(first.laptop.home()));
    let elsewhere = first.laptop.path("elsewhere");
    assert_eq!(target(first.with(&environment, &["status", "--home", &elsewhere])), json!(elsewhere));
    // A key goes to its own server alone.
    let refused = first.with(&[], &["--server", &url, "executions", "list"]);
    let error = refused.refused("KitaruAuthenticationError", &["nobody has logged in to"]);
    assert_eq!(error["hint"], format!("kitaru-host login {url}"));
    assert_eq!(target(first.with(&[("KITARU_AUTH_TOKEN", key)], &["--server", &url, "status"])), json!(url));
    first.with(&environment[..1], &["executions", "list"]).refused("KitaruUsageError", &["KITARU_AUTH_TOKEN"]);
    first.with(&[], &["--server", &url, "--local", "status"]).error();
    // The last login is the one that counts; the other key stays.
    let again = first.laptop.with_input(["login", &url, "--key-stdin"], key);
    assert_eq!(again.item()["url"], json!(url));
    assert_eq!(target(first.with(&[], &["status"])), json!(url));
    assert_eq!(target(first.with(&[], &["status", "--server", &first.url()])), first.url());
    let told = first.laptop.text(["-v", "executions", "list"]).ok();
    assert!(told.stderr.contains(&format!("Server: {url}, where you are logged in")), "{told:?}");
    assert!(!first.laptop.text(["executions", "list"]).ok().stderr.contains("Server"), "only who asks is told");
}

#[test]
fn the_link_that_a_host_prints_logs_in_once() {
    let host = Host::new();
    let served = Served::start(&host);
    let laptop = Host::new();
    let link = format!("{}/login#code={}", url_of(&served), served.login_code);
    let item = laptop.item(["login", &link]);
    assert_eq!((&item["who"], &item["role"], &item["via"]), (&json!("owner"), &json!("admin"), &json!("token")));
    assert!(item["expires_at"].is_string(), "{item}");
    assert_eq!(laptop.item(["auth", "whoami"])["who"], "owner");
    let again = laptop.json(["login", &link]);
    again.refused("KitaruAuthenticationError", &[]);
    assert!(!again.stderr.contains(&served.login_code), "{again:?}");
}

#[test]
fn what_belongs_to_this_machine_is_not_taken_for_the_servers() {
    let team = Team::new("admin");
    for words in
        [&["clean", "global", "--dry-run"][..], &["clean", "all", "--dry-run"], &["log-store", "show"], &["log-store", "reset"]]
    {
        let error = team.laptop.json(words).refused("KitaruFeatureNotAvailableError", &[&team.url(), "where you are logged in"]);
        assert!(error["hint"].as_str().unwrap().contains("--local"), "{error}");
    }
    assert!(!team.laptop.home().exists());
    assert_eq!(team.laptop.item(["log-store", "show", "--local"])["backend"], "local");
    let inspected = team.laptop.item(["inspect", &example("hello")]);
    assert_eq!(inspected["manifest"]["flows"][0]["name"], "hello");
    for words in [&["--server", "https://x.example", "serve"][..], &["doctor", "--server", "https://x.example"]] {
        team.laptop.json(words).refused("KitaruUsageError", &["is about this machine"]);
    }
    for flag in ["--signatures=require", "--isolate", "--durability=process"] {
        team.laptop.json(["executions", "list", flag]).refused("KitaruUsageError", &["is about this machine", &team.url()]);
    }
    team.laptop.json(["run", &example("hello"), "--max-stack", "1024"]).refused("KitaruUsageError", &["`--max-stack`"]);
    // A person may serve a folder of their own whatever they are logged in to.
    let own = Served::start(&team.laptop);
    assert_ne!(own.address, team.served.address);
    let secret = team.laptop.item(["secrets", "set", "creds", "--KEY=value"]);
    assert_eq!(secret["name"], "creds");
    assert_eq!(team.host.item(["secrets", "show", "creds", "--show-values"])["values"]["KEY"], "value");
    let error = team.laptop.json(["secrets", "show", "creds", "--show-values"]).error();
    assert!(error["message"].as_str().unwrap().contains("data folder"), "{error}");
}

#[test]
fn what_a_server_refuses_is_told_as_such() {
    let team = Team::new("viewer");
    let execution = team.host.item(["run", &example("release-approval"), "--arg", "topic=x"]);
    let input = ["executions", "input", id(&execution), "--value", "true"];
    let error = team.laptop.json(input).refused("KitaruAuthorizationError", &["operator"]);
    assert!(error["message"].as_str().unwrap().contains("viewer"), "{error}");
    team.laptop.json(["run", &example("hello"), "--arg", "name=x"]).refused("KitaruAuthorizationError", &["author"]);
    // The key is taken back while somebody works with it.
    let _ = team.host.item(["auth", "api-keys", "delete", "ada", "key"]);
    let error = team.laptop.json(["executions", "list"]).refused("KitaruAuthenticationError", &[]);
    assert_eq!(error["hint"], format!("log in again: kitaru-host login {}", team.url()));
    let told = team.laptop.item(["status"]);
    assert!(told["warning"].as_str().unwrap().contains("kitaru-host login"), "{told:#}");
    let url = team.url();
    team.served.running.kill();
    let error = team.laptop.json(["executions", "list"]).refused("KitaruBackendError", &[&url]);
    assert!(error["hint"].is_string(), "{error}");
    assert!(team.laptop.item(["status"])["warning"].as_str().unwrap().contains(&url));
}

#[test]
fn logs_that_are_followed_survive_connections_that_break() {
    let team = Team::new("author");
    let execution = team.laptop.item(["run", &fixture("conformance:log_volume"), "--arg", "lines=40", "--arg", "bytes=100"]);
    let whole: Vec<Value> = team.host.json(["executions", "logs", id(&execution)]).items();
    let cutting = Cutting::before(team.served.address, |_| Some(4_000));
    let (url, key) = (format!("http://{}", cutting.address), team.key.as_str());
    let followed = team
        .with(&[("KITARU_SERVER_URL", &url), ("KITARU_AUTH_TOKEN", key)], &["executions", "logs", id(&execution), "--follow"]);
    let events = followed.ok().json_lines();
    let lines: Vec<&Value> = events.iter().filter(|event| event["event"] == "log").map(|event| &event["item"]).collect();
    assert_eq!(lines, whole.iter().collect::<Vec<_>>(), "every line, once, in order");
    assert_eq!(events.last().unwrap()["event"], "terminal");
    assert!(cutting.cuts() >= 2, "the way broke {} times", cutting.cuts());
}

#[test]
fn what_is_followed_ends_with_the_execution() {
    let team = Team::new("author");
    let waiting = team.laptop.item(["run", &fixture("conformance:log_wait")]);
    assert_eq!(waiting["status"], "waiting");
    let mut following = team.laptop.spawn(team.laptop.json_command(["executions", "logs", id(&waiting), "--follow"]));
    let asked = following.read_until(|event| event["event"] == "waiting");
    assert_eq!(asked["item"]["wait_name"], "go");
    let answered = team.laptop.item(["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!(answered["status"], "completed", "{answered:#}");
    let end = following.read_until(|event| event["event"] == "terminal");
    assert_eq!(end["item"]["status"], "completed");
    assert_eq!(following.finish().code, Some(0));
}

#[test]
fn an_assistant_on_a_laptop_works_with_the_teams_host() {
    let team = Team::new("operator");
    let execution = team.host.item(["run", &example("release-approval"), "--arg", "topic=x"]);
    let mut assistant = Assistant::of_command(&team.laptop.command(["mcp"]), Mode::Newest, false);
    let listed = assistant.call("kitaru_executions_list", &json!({ "status": "waiting" }));
    assert!(listed.value().to_string().contains(id(&execution)), "{listed:?}");
    let refused = assistant.call("kitaru_executions_run", &json!({ "flow": "hello" }));
    assert!(format!("{refused:?}").contains("author"), "{refused:?}");
    assert!(!team.laptop.home().exists());
}

#[test]
fn a_key_comes_by_whichever_way() {
    let host = Host::new();
    let served = Served::start(&host);
    let (key, url) = (Served::key(&host, "ci", "viewer", &[]), url_of(&served));
    let laptop = Host::new();
    let mut command = laptop.json_command(["login", &url]);
    command.env("KITARU_AUTH_TOKEN", &key);
    assert_eq!(Reply::from(command).item()["who"], "ci");
    let visible = laptop.text(["login", &url, "--api-key", &key]).ok();
    assert!(visible.stderr.contains("warning: others may have seen the key") && !visible.stderr.contains(&key), "{visible:?}");
    let mut command = laptop.json_command(["login", "http://127.0.0.1:9", "--key-stdin"]);
    command.env("KITARU_SERVER_URL", &url).env("KITARU_AUTH_TOKEN", &key);
    Reply::from(command).refused("KitaruUsageError", &["the key is empty"]);
    // It goes to no other server than its own.
    let mut command = laptop.json_command(["login", "http://127.0.0.1:9"]);
    command.env("KITARU_SERVER_URL", &url).env("KITARU_AUTH_TOKEN", &key);
    Reply::from(command).refused("KitaruUsageError", &["there is no key"]);
    // Nobody answers there, and nobody is sent a key without being told what that means.
    let open = laptop.text(["login", "http://0.0.0.0:9", "--api-key", &key]);
    assert!(open.code == Some(1) && open.stderr.contains("others can read along"), "{open:?}");
}
