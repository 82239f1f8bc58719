//! From source to component: `kitaru-host build`, plain cargo, and a new project. (`cargo component` is in the extended tier: `cargo xtask test
//! --all`.)

use std::path::Path;
use std::process::Command;

use kitaru_tests::{Host, Reply, example, repository};
use serde_json::{Value, json};

/// Runs a host's command that compiles: offline, with what building the guests has fetched, into the folder that the guests share.
fn compile(host: &Host, folder: &Path, arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    let target = Path::new(&example("hello")).ancestors().nth(3).unwrap().to_owned();
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", target);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // What cargo and the test runner tell a test is not meant for the cargo that it starts.
        if text.starts_with("CARGO") && !matches!(&*text, "CARGO_HOME" | "CARGO_NET_OFFLINE" | "CARGO_TARGET_DIR")
            || text == "LD_LIBRARY_PATH"
        {
            command.env_remove(&name);
        }
    }
    Reply::from(command)
}

/// The examples were built with plain `cargo build --target wasm32-wasip2`; the host's own build makes the same component.
#[test]
fn kitaru_host_build_and_plain_cargo_make_components_that_run() {
    let host = Host::new();
    let plain = host.item(["inspect", &example("hello")]);
    let built = compile(&host, repository(), &["build", "examples/hello"]).item();
    assert_eq!((&built["package"], &built["flows"]), (&json!("hello"), &json!(["hello"])));
    let keys: Vec<&String> = built.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["component", "package", "digest", "size_bytes", "flows"]);
    assert_eq!(built["digest"], plain["digest"], "the same compiler, profile and sources");
    let component = built["component"].as_str().unwrap();
    let execution = host.item(["run", component, "--arg", "name=World"]);
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");

    let copy = host.path("copy.wasm");
    let copied = compile(&host, &repository().join("examples/hello"), &["build", "--to", &copy]).item();
    assert_eq!(copied["component"], copy.as_str());
    assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(component).unwrap());
}

#[test]
fn run_builds_a_project_folder_first() {
    let host = Host::new();
    let execution = compile(&host, repository(), &["run", "examples/hello", "--arg", "name=World"]).item();
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");
}

#[test]
fn what_cannot_be_built_is_said() {
    let host = Host::new();
    std::fs::create_dir(host.path("empty")).unwrap();
    for command in ["build", "run"] {
        let reply = compile(&host, &host.work(), &[command, "empty"]);
        let error = reply.refused("KitaruUsageError", &["Cargo.toml"]);
        assert!(error["hint"].as_str().unwrap().contains("kitaru-host new"), "{reply:?}");
    }
    let several = compile(&host, repository(), &["build", "examples"]);
    several.refused("KitaruUsageError", &["several flow packages", "hello", "release"]);
}

/// The first five minutes: `new`, `run`, edit, `run`, `replay`. Nothing is fetched.
#[test]
fn a_new_project_builds_and_runs_offline() {
    let host = Host::new();
    let made = host.item(["new", "my-flow"]);
    assert_eq!(made["package"], "my-flow");
    let folder = host.work().join("my-flow");
    let run = || {
        let waiting = compile(&host, &folder, &["run", ".", "--arg", "name=Ada"]).item();
        assert_eq!(waiting["pending_wait"]["name"], "approve", "{waiting:#}");
        host.item(["executions", "input", waiting["exec_id"].as_str().unwrap(), "--value", "true"])
    };
    let first = run();
    assert_eq!(first["result"], "sent: Hello, Ada!");

    let source = folder.join("src/lib.rs");
    let code = std::fs::read_to_string(&source).unwrap();
    assert!(code.contains("Hello"), "{code}");
    std::fs::write(&source, code.replace("Hello", "Good day")).unwrap();
    let edited = run();
    assert_eq!(edited["result"], "sent: Good day, Ada!");
    assert_ne!(edited["component_digest"], first["component_digest"]);

    // As its README replays it: the wait is after the edited checkpoint, and is asked again.
    let edit = r#"checkpoint.compose="Good morning!""#;
    let replay = host.item(["executions", "replay", first["exec_id"].as_str().unwrap(), "--override", edit]);
    assert_eq!((&replay["status"], &replay["original_exec_id"]), (&json!("waiting"), &first["exec_id"]));
    let replay = host.item(["executions", "input", replay["exec_id"].as_str().unwrap(), "--value", "true"]);
    assert_eq!(replay["result"], "sent: Good morning!");

    host.json(["new", "my-flow"]).refused("KitaruUsageError", &["exists already"]);
    host.json(["new", "2 bad"]).refused("KitaruUsageError", &["not a usable project name"]);
    let formatted = Command::new("cargo").args(["fmt", "--check"]).current_dir(&folder).status().unwrap();
    assert!(formatted.success(), "the template is formatted");
}

#[test]
fn init_makes_a_data_folder_for_a_project() {
    let host = Host::new();
    let mut command = host.json_command(["init"]);
    command.env_remove("KITARU_HOME");
    let made = Reply::from(command).item();
    assert!(host.work().join(".kitaru").is_dir(), "{made:#}");
    // Commands below that folder find it.
    let deep = host.work().join("src/deep");
    std::fs::create_dir_all(&deep).unwrap();
    let mut command = host.json_command(["run", &example("hello"), "--arg", "name=World"]);
    command.env_remove("KITARU_HOME").current_dir(deep);
    assert_eq!(Reply::from(command).item()["status"], "completed");
    assert!(host.work().join(".kitaru/kitaru.db").is_file());
    assert_eq!(host.json(["executions", "list"]).items(), [] as [Value; 0], "KITARU_HOME comes first");
}

/// A checkout may bring a `.kitaru` whose executions have grants, and compiled code under a key that its maker knows.
#[test]
fn a_data_folder_that_came_from_elsewhere_is_not_used_until_it_is_trusted() {
    let (maker, host) = (Host::new(), Host::new());
    let at_home = |host: &Host, words: &[&str]| {
        let mut command = host.json_command(words);
        command.env_remove("KITARU_HOME");
        Reply::from(command)
    };
    let _ = at_home(&maker, &["init"]).item();
    let _ = at_home(&maker, &["run", &example("hello"), "--arg", "name=World"]).item();
    assert_eq!(at_home(&maker, &["executions", "list"]).items().len(), 1);
    let copied = Command::new("cp").arg("-r").arg(maker.work().join(".kitaru")).arg(host.work()).status().unwrap();
    assert!(copied.success());
    assert_eq!(at_home(&host, &["executions", "list"]).items(), [] as [Value; 0], "its executions are not ours");
    let mut command = host.command(["executions", "list"]);
    command.env_remove("KITARU_HOME");
    let told = Reply::from(command).ok();
    assert!(told.stderr.contains("init --trust"), "{told:?}");
    at_home(&host, &["init"]).refused("KitaruUsageError", &["Already initialized"]);
    let _ = at_home(&host, &["init", "--trust"]).item();
    assert_eq!(at_home(&host, &["executions", "list"]).items().len(), 1);
}
