//! Models: which aliases there are and who says so, and what an execution keeps of them.

use kitaru_tests::{Host, Reply, example, id, names};
use serde_json::{Value, json};

/// A key, as a provider would give one. It may be in no answer and no file.
const KEY: &str = "sk-planted-9c41-marker";

fn register(host: &Host, alias: &str, rest: &[&str]) -> Value {
    host.item([&["model", "register", alias, "--model"], rest].concat())
}

/// A command with variables in its environment.
fn with(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    command.envs(variables.iter().copied());
    Reply::from(command)
}

fn aliases(host: &Host) -> Vec<Value> {
    host.json(["model", "list"]).items()
}

fn run(host: &Host, flags: &[&str]) -> Value {
    host.item([&["run", &example("hello"), "--arg", "name=Ada"], flags].concat())
}

/// What an execution keeps of models.
fn kept(execution: &Value) -> (&Value, &Value) {
    let spec = &execution["frozen_execution_spec"];
    (&spec["model_registry"], &spec["default_model"])
}

#[track_caller]
fn shows_no_key(host: &Host, reply: &Reply) {
    assert!(!reply.stdout.contains(KEY) && !reply.stderr.contains(KEY), "{reply:?}");
    let mut folders = vec![host.home()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{} has the key", path.display());
            }
        }
    }
}

#[test]
fn the_first_alias_is_the_default_until_another_is_made_that() {
    let host = Host::new();
    assert_eq!(host.text(["model", "list"]).ok().stdout, "No model aliases.\n");
    let smart = register(&host, " Smart ", &["anthropic/claude-opus-4-1"]);
    assert_eq!((&smart["alias"], &smart["result"], &smart["is_default"]), (&json!("smart"), &json!("created"), &json!(true)));
    let fast = register(&host, "fast", &["openai/gpt-4o-mini", "--fallback", "smart", "--fallback", "ollama/llama3"]);
    assert_eq!((&fast["is_default"], &fast["fallbacks"]), (&json!(false), &json!(["smart", "ollama/llama3"])));
    let listed = Value::Array(aliases(&host));
    assert_eq!(names(&listed, "alias"), ["fast", "smart"], "by name");
    assert_eq!(names(&listed, "origin"), ["local", "local"]);
    let made = host.item(["model", "register", "FAST", "--default"]);
    assert_eq!((&made["result"], &made["is_default"]), (&json!("updated"), &json!(true)));
    assert_eq!(made["fallbacks"], fast["fallbacks"], "what it stands for stays");
    // Said anew, nothing of before stays.
    let anew = register(&host, "fast", &["openai/gpt-4o"]);
    assert_eq!((&anew["result"], &anew["fallbacks"], &anew["is_default"]), (&json!("updated"), &json!([]), &json!(true)));
    let removed = host.item(["model", "remove", "fast"]);
    assert_eq!((&removed["result"], &removed["model"]), (&json!("deleted"), &json!("openai/gpt-4o")));
    assert_eq!(aliases(&host)[0]["is_default"], true, "the only one that is left");
    let text = host.text(["model", "list"]).ok().stdout;
    assert!(text.contains("smart") && text.contains("default") && !text.contains("fast"), "{text}");
    for gone in [&["model", "show", "fast"][..], &["model", "remove", "fast"], &["model", "register", "fast", "--default"]] {
        let error = host.json(gone).refused("KitaruRuntimeError", &["Model alias `fast` is not registered."]);
        assert!(error["hint"].as_str().unwrap().contains("model list"), "{error}");
    }
}

#[test]
fn removing_the_default_of_several_leaves_none_and_says_so() {
    let host = Host::new();
    for alias in ["a", "b", "c"] {
        let _ = register(&host, alias, &["openai/gpt-4o"]);
    }
    let said = host.text(["model", "remove", "a"]).ok().stderr;
    assert!(said.contains("no alias is the default") && said.contains("model register <alias> --default"), "{said}");
    assert!(aliases(&host).iter().all(|alias| alias["is_default"] == false));
    assert_eq!(host.item(["status"])["models"]["default_alias"], Value::Null);
}

#[test]
fn what_cannot_be_an_alias_is_refused_each_with_its_message() {
    let host = Host::new();
    let refused = |arguments: &[&str], class: &str, part: &str| {
        host.json([&["model", "register"], arguments].concat()).refused(class, &[part])
    };
    let usage = "KitaruUsageError";
    refused(&["a b", "--model", "openai/a"], usage, "Invalid model alias `a b`.");
    refused(&[" ", "--model", "openai/a"], usage, "Model alias cannot be empty.");
    refused(&["fast", "--model", "gpt-4o"], usage, "Model `gpt-4o` is missing a provider prefix.");
    refused(&["fast", "--model", "openai/"], usage, "is incomplete");
    let error = refused(&["fast", "--model", "acme/big"], usage, "Provider `acme` of model `acme/big` is not supported.");
    assert!(error["hint"].as_str().unwrap().contains("vllm/<model>"), "{error}");
    refused(&["fast", "--model", "azure/mine"], usage, "name a base URL");
    refused(&["fast", "--model", "openai/a", "--base-url", "ftp://x"], usage, "the base URL cannot be used");
    let keyed = refused(&["fast", "--model", "openai/a", "--base-url", "https://x/v1?key=marker"], usage, "its query has a key");
    assert!(!keyed.to_string().contains("marker"), "{keyed}");
    refused(&["fast", "--model", "openai/a", "--fallback", "a b"], usage, "missing a provider prefix");
    let missing =
        refused(&["fast", "--model", "openai/a", "--secret", "creds"], "KitaruRuntimeError", "Secret `creds` was not found.");
    assert!(missing["hint"].as_str().unwrap().contains("secrets set creds --from-prompt OPENAI_API_KEY"), "{missing}");
    let hint = refused(&["fast", "--model", "gpt-4o"], usage, "such as openai/gpt-4o")["hint"].clone();
    assert!(hint.is_null(), "it is being registered: {hint}");
    // The command line's own.
    let misplaced = host.json(["model", "register", "fast", "openai/gpt-4o"]).error();
    assert_eq!(misplaced["hint"], "the model is named by a flag: --model openai/gpt-4o", "{misplaced}");
    let said = host.text(["model", "register", "fast", "openai/gpt-4o"]).stderr;
    assert!(said.ends_with("hint: the model is named by a flag: --model openai/gpt-4o\n"), "{said}");
    for words in
        [&["fast", "slow", "openai/gpt-4o"][..], &["fast", "x", "--model", "openai/a"], &["fast", "openai/b", "--model=openai/a"]]
    {
        let error = host.json([&["model", "register"], words].concat()).error();
        assert!(error["hint"].is_null(), "{error}");
    }
    for words in [&["fast"][..], &["fast", "--default", "--secret", "creds"], &["fast", "--model", "openai/a", "--api", "soap"]] {
        assert!(host.json([&["model", "register"], words].concat()).error()["type"].is_null());
    }
    assert_eq!(aliases(&host), [] as [Value; 0]);
}

#[cfg(unix)]
#[test]
fn aliases_lie_in_a_file_of_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let _ = register(&host, "fast", &["openai/gpt-4o-mini", "--base-url", "http://127.0.0.1:1/v1", "--api", "openai_responses"]);
    let file = host.home().join("models.toml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("default = \"fast\"") && text.contains("[aliases.fast]"), "{text}");
    // What a person writes into it counts, and a slip is told with its place.
    std::fs::write(&file, text.replace("gpt-4o-mini", "gpt-5-mini")).unwrap();
    assert_eq!(aliases(&host)[0]["model"], "openai/gpt-5-mini");
    std::fs::write(&file, text.replace("openai/", "opnai/")).unwrap();
    let said = ["`aliases.fast.model` in line", "models.toml", "Provider `opnai`"];
    host.json(["model", "list"]).refused("KitaruUsageError", &said);
    host.json(["run", &example("hello"), "--arg", "name=Ada"]).refused("KitaruUsageError", &said);
    let status = host.item(["status"]);
    assert!(status["warning"].as_str().unwrap().contains("models.toml") && status["models"].is_null(), "{status:#}");
    assert!(status["store"].is_object(), "the rest is told: {status:#}");
}

#[test]
fn registrations_at_once_lose_nothing() {
    let host = Host::new();
    let command = |n: usize| host.json_command(["model", "register", &format!("m{n}"), "--model", "openai/gpt-4o"]);
    let running: Vec<_> = (0..6).map(|n| host.spawn(command(n))).collect();
    for one in running {
        let _ = one.finish().ok();
    }
    let all = aliases(&host);
    assert_eq!(all.len(), 6);
    assert_eq!(all.iter().filter(|alias| alias["is_default"] == true).count(), 1, "{all:#?}");
}

#[test]
fn the_project_says_more_than_the_data_folder_and_the_variable_most() {
    let host = Host::new();
    let _ = register(&host, "fast", &["openai/gpt-4o-mini"]);
    let _ = register(&host, "own", &["ollama/llama3"]);
    host.file(
        "kitaru.toml",
        "[models]\ndefault = \"smart\"\n[models.aliases.smart]\nmodel = \"anthropic/b\"\n[models.aliases.fast]\nmodel = \"groq/a\"\n",
    );
    let listed = Value::Array(aliases(&host));
    assert_eq!(names(&listed, "alias"), ["fast", "own", "smart"]);
    assert_eq!(names(&listed, "origin"), ["project", "local", "project"]);
    assert_eq!((&listed[0]["model"], &listed[2]["is_default"]), (&json!("groq/a"), &json!(true)));
    // What is registered under a project's alias is kept, and does not count here.
    let said = host.text(["model", "register", "fast", "--model", "openai/gpt-4o"]).ok().stderr;
    assert!(said.contains("this project's kitaru.toml says what `fast` stands for here"), "{said}");
    host.json(["model", "remove", "smart"]).refused("KitaruUsageError", &["`smart` is set in", "kitaru.toml"]);
    let variable = r#"{"aliases":{"fast":{"model":"gemini/c"},"sent":{"model":"openai/d","secret":"theirs"}},"default":"sent"}"#;
    let registry = [("KITARU_MODEL_REGISTRY", variable)];
    let listed = Value::Array(with(&host, &registry, &["model", "list"]).items());
    assert_eq!(names(&listed, "origin"), ["environment", "local", "environment", "project"]);
    assert_eq!((&listed[0]["model"], &listed[2]["is_default"]), (&json!("gemini/c"), &json!(true)));
    let refused = with(&host, &registry, &["model", "remove", "sent"]);
    refused.refused("KitaruUsageError", &["KITARU_MODEL_REGISTRY"]);
    let wrong = with(&host, &[("KITARU_MODEL_REGISTRY", "{")], &["model", "list"])
        .refused("KitaruUsageError", &["KITARU_MODEL_REGISTRY"]);
    assert!(wrong["hint"].as_str().unwrap().contains("aliases"), "{wrong}");
    // Line and key of what is wrong in a project's file.
    host.file("kitaru.toml", "# Ours.\n[models.aliases.fast]\nmodel = \"gpt-4o\"\n");
    let said = ["`models.aliases.fast.model` in line 3 of", "kitaru.toml", "missing a provider prefix"];
    host.json(["model", "list"]).refused("KitaruUsageError", &said);
    host.file("kitaru.toml", "[llm]\non_mising = \"fail\"\n");
    host.json(["model", "list"]).refused("KitaruUsageError", &["kitaru.toml", "line 2", "on_mising"]);
}

#[test]
fn an_execution_keeps_what_models_meant_when_it_was_created() {
    let host = Host::new();
    assert_eq!(kept(&run(&host, &[])), (&Value::Null, &Value::Null));
    let _ = register(&host, "fast", &["openai/gpt-4o-mini"]);
    let first = run(&host, &[]);
    let registry = json!({ "aliases": { "fast": { "model": "openai/gpt-4o-mini" } }, "default": "fast" });
    assert_eq!(kept(&first), (&registry, &Value::Null));
    let variable = r#"{"aliases":{"sent":{"model":"openai/d"}}}"#;
    let sent = with(
        &host,
        &[("KITARU_MODEL_REGISTRY", variable), ("KITARU_DEFAULT_MODEL", " ")],
        &["run", &example("hello"), "--arg", "name=Ada"],
    );
    let sent = sent.item();
    let aliases = sent["frozen_execution_spec"]["model_registry"]["aliases"].as_object().unwrap().clone();
    assert_eq!(aliases.keys().collect::<Vec<_>>(), ["fast", "sent"]);
    assert_eq!(kept(&sent).1, " ", "a blank one too: its calls are to say so");
    // The project's file counts for what runs with its configuration.
    host.file("kitaru.toml", "[models.aliases.smart]\nmodel = \"anthropic/b\"\n");
    assert_eq!(run(&host, &[])["frozen_execution_spec"]["model_registry"]["aliases"]["smart"]["model"], "anthropic/b");
    // Whatever changes afterwards.
    let _ = register(&host, "fast", &["openai/gpt-5"]);
    assert_eq!(kept(&host.get(id(&first))), (&registry, &Value::Null));
}

#[test]
fn a_retry_keeps_its_models_and_a_replay_takes_those_of_now_over_its_sources() {
    let host = Host::new();
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let _ = register(&host, "old", &["openai/gpt-4o"]);
    let _ = register(&host, "fast", &["openai/gpt-4o-mini"]);
    let _ = host.json(["executions", "retry", &failed]).error();
    assert_eq!(kept(&host.get(&failed)), (&Value::Null, &Value::Null), "a retry goes on with what it had");
    let mut command = host.json_command(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    command.env("KITARU_DEFAULT_MODEL", "fast");
    let source = Reply::from(command).item();
    let _ = host.item(["model", "remove", "old"]);
    let _ = register(&host, "fast", &["groq/llama"]);
    let replay = host.item(["executions", "replay", id(&source), "--from", "research"]);
    let (registry, default_model) = kept(&replay);
    assert_eq!(registry["aliases"]["fast"]["model"], "groq/llama", "of now");
    assert_eq!(registry["aliases"]["old"]["model"], "openai/gpt-4o", "its source's, which nobody knows any more");
    assert_eq!((&registry["default"], default_model), (&json!("fast"), &json!("fast")));
}

/// An alias names an address and a secret: whoever made the file could have a key sent to a place of theirs.
#[test]
fn an_import_brings_no_models() {
    let (here, there) = (Host::new(), Host::new());
    let _ = register(&here, "fast", &["openai/a", "--base-url", "https://elsewhere.example/v1"]);
    let done = run(&here, &[]);
    let file = here.path("export.tar");
    let _ = here.item(["executions", "export", id(&done), "--to", &file]);
    assert_eq!(there.item(["executions", "import", &file])["narrowed"], json!([id(&done)]));
    assert_eq!(kept(&there.get(id(&done))), (&Value::Null, &Value::Null));
    let trusting = Host::new();
    let _ = trusting.item(["executions", "import", &file, "--with-grants"]);
    assert!(kept(&trusting.get(id(&done))).0.is_object());
}

#[test]
fn models_are_granted_by_flag_and_by_file() {
    let host = Host::new();
    let granted = |execution: &Value| execution["frozen_execution_spec"]["grants"]["llm"].clone();
    assert_eq!(granted(&run(&host, &[])), json!([]));
    assert_eq!(granted(&run(&host, &["--allow-llm"])), json!(["*"]));
    host.file("kitaru.toml", "[grants]\nllm = [\"Fast\"]\n");
    let several = run(&host, &["--allow-llm=OpenAI/*", "--allow-llm=fast"]);
    assert_eq!(granted(&several), json!(["fast", "openai/*"]), "each once");
    let text = host.text(["executions", "get", id(&several)]).ok().stdout;
    assert!(text.contains("llm fast, openai/*"), "{text}");
    for bad in ["--allow-llm=open*", "--allow-llm=a b", "--allow-llm=openai/"] {
        let said = host.json(["run", &example("hello"), "--arg", "name=Ada", bad]).error()["message"].to_string();
        assert!(said.contains("--allow-llm") && said.contains("is not a grant"), "{said}");
    }
    host.file("kitaru.toml", "[grants]\nllm = [\"open*\"]\n");
    host.json(["run", &example("hello"), "--arg", "name=Ada"]).refused("KitaruUsageError", &["kitaru.toml", "line 2", "open*"]);
}

#[test]
fn status_and_doctor_say_which_models_are_known() {
    let host = Host::new();
    let models = host.item(["status"])["models"].clone();
    assert_eq!((&models["alias_count"], &models["provider_keys"]), (&json!(0), &json!([])));
    assert!(models["registry"].as_str().unwrap().ends_with("models.toml"), "{models:#}");
    let _ = register(&host, "fast", &["openai/gpt-4o-mini"]);
    let variables = [("OPENAI_API_KEY", KEY), ("HF_TOKEN", KEY), ("GROQ_API_KEY", " "), ("KITARU_DEFAULT_MODEL", "fast")];
    let reply = with(&host, &variables, &["status"]);
    shows_no_key(&host, &reply);
    let models = reply.item()["models"].clone();
    assert_eq!(
        (&models["alias_count"], &models["default_alias"], &models["default_model"]),
        (&json!(1), &json!("fast"), &json!("fast"))
    );
    assert_eq!(models["provider_keys"], json!(["OPENAI_API_KEY", "HF_TOKEN"]), "names, and of those that hold something");
    assert_eq!(with(&host, &variables, &["info"]).item()["models"], models);
    let text = host.text(["status"]).ok().stdout;
    assert!(text.contains("1 alias, default fast; the environment has no provider's key"), "{text}");
    let of_models = |reply: Reply| {
        let items = reply.envelope()["items"].as_array().unwrap().clone();
        items.into_iter().find(|check| check["name"] == "models").expect("a check of models")
    };
    let reply = with(&host, &variables, &["doctor"]);
    shows_no_key(&host, &reply);
    let check = of_models(reply);
    assert!(check["ok"] == true && check["detail"].as_str().unwrap().contains("OPENAI_API_KEY, HF_TOKEN"), "{check:#}");
    host.file("kitaru.toml", "[models]\ndefault = \"gone\"\n");
    let check = of_models(host.json(["doctor"]));
    assert!(check["ok"] == false && check["detail"].as_str().unwrap().contains("`gone`"), "{check:#}");
}

#[test]
fn a_shown_alias_says_where_its_key_would_come_from() {
    let host = Host::new();
    let _ = host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={KEY}")]);
    let _ = register(&host, "bare", &["openai/a"]);
    let _ = register(&host, "linked", &["openai/a", "--secret", "creds"]);
    let _ = register(&host, "gateway", &["openai/a", "--secret", "creds", "--base-url", "https://gateway.example/v1"]);
    let _ = register(&host, "local", &["ollama/llama3"]);
    let source =
        |alias: &str, variables: &[(&str, &str)]| with(&host, variables, &["model", "show", alias]).item()["key_source"].clone();
    let key = [("OPENAI_API_KEY", KEY)];
    let sources: Vec<_> = ["bare", "linked", "gateway", "local"].map(|alias| (source(alias, &[]), source(alias, &key))).to_vec();
    let environment = json!("environment");
    assert_eq!(
        sources,
        [
            (Value::Null, environment.clone()),
            (json!("secret"), environment),
            // The environment's key is another server's.
            (json!("secret"), json!("secret")),
            (json!("none"), json!("none")),
        ]
    );
    let moved = with(&host, &[("OLLAMA_HOST", "box:1234")], &["model", "show", "local"]).item();
    assert_eq!((&moved["address"], &moved["protocol"]), (&json!("http://box:1234/v1"), &json!("openai_chat")));
    let text = host.text(["model", "show", "bare"]).ok().stdout;
    assert!(text.contains("nowhere yet: set OPENAI_API_KEY"), "{text}");
    shows_no_key(&host, &host.text(["model", "show", "gateway"]));
}
