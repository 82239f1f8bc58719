//! Signed components: what a host that requires signatures runs, by every way in which a component comes in.

use kitaru_host::ids::ComponentDigest;
use kitaru_host::signing::{KeyFiles, generate, sign};
use kitaru_tests::models::{failed, told};
use kitaru_tests::{Host, Models, Served, example, fixture, id};
use serde_json::{Value, json};

/// A host with `kitaru.toml` in its working folder.
fn host_with(policy: &str, trusted: &[&KeyFiles]) -> Host {
    let host = Host::new();
    configure(&host, policy, trusted);
    host
}

fn configure(host: &Host, policy: &str, trusted: &[&KeyFiles]) {
    let keys: Vec<String> = trusted.iter().map(|key| format!("\"{}\"", key.trusted)).collect();
    host.file("kitaru.toml", format!("[security]\nsignatures = \"{policy}\"\ntrusted_keys = [{}]\n", keys.join(", ")));
}

fn key() -> KeyFiles {
    generate(None).unwrap()
}

/// A copy of a component in the host's working folder, signed or not.
fn copy(host: &Host, component: &str, name: &str, signed_by: Option<&KeyFiles>) -> String {
    let bytes = std::fs::read(component).unwrap();
    let file = host.file(name, &bytes);
    if let Some(key) = signed_by {
        let text = sign(&bytes, &key.secret, None, "for the test").unwrap();
        host.file(&format!("{name}.minisig"), text);
    }
    file
}

#[test]
fn a_host_that_requires_signatures_runs_only_what_a_trusted_key_has_signed() {
    let (trusted, other) = (key(), key());
    let host = host_with("require", &[&trusted]);
    let run = |file: &str| host.json(["run", file, "--arg", "name=World"]);

    let unsigned = copy(&host, &example("hello"), "unsigned.wasm", None);
    let refused = run(&unsigned);
    let error = refused.refused("KitaruUsageError", &["is not signed"]);
    assert!(error["hint"].as_str().unwrap().contains("kitaru-host sign"), "{error}");

    let foreign = copy(&host, &example("hello"), "foreign.wasm", Some(&other));
    run(&foreign).refused("KitaruUsageError", &[&other.trusted.id().to_string(), "does not trust"]);

    let signed = copy(&host, &example("hello"), "signed.wasm", Some(&trusted));
    let execution = run(&signed).item();
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");
    let signers = json!([{ "key_id": trusted.trusted.id().to_string(), "trusted_comment": "for the test", "trusted": true }]);
    assert_eq!(host.get(id(&execution))["component_signatures"], signers);

    // The signature of one component beside another: of a file that was changed afterwards, say.
    std::fs::copy(host.path("signed.wasm.minisig"), host.path("changed.wasm.minisig")).unwrap();
    let changed = copy(&host, &fixture("conformance"), "changed.wasm", None);
    run(&changed).refused("KitaruUsageError", &["signature that is bad"]);
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "what was refused left nothing");
}

#[test]
fn a_policy_that_warns_says_so_and_runs() {
    let host = host_with("warn", &[]);
    let file = copy(&host, &example("hello"), "hello.wasm", None);
    let reply = host.text(["run", &file, "--arg", "name=World"]);
    assert!(reply.stderr.contains("warning: the component") && reply.stderr.contains("is not signed"), "{reply:?}");
    // The flag counts for more than the file, and so does the variable.
    let reply = host.text(["run", &file, "--arg", "name=World", "--signatures", "off"]);
    assert!(!reply.stderr.contains("warning"), "{reply:?}");
    let mut command = host.json_command(["run", &file, "--arg", "name=World"]);
    command.env("KITARU_SIGNATURES", "require");
    kitaru_tests::Reply::from(command).refused("KitaruUsageError", &["is not signed"]);
}

#[test]
fn inspect_tells_who_has_signed() {
    let (trusted, other) = (key(), key());
    let host = host_with("require", &[&trusted]);
    let of = |name: &str, signed_by: Option<&KeyFiles>| {
        let file = copy(&host, &example("hello"), name, signed_by);
        host.item(["inspect", &file])["signature"].clone()
    };
    assert_eq!(of("unsigned.wasm", None)["status"], "unsigned", "looking is allowed");
    assert_eq!(of("foreign.wasm", Some(&other))["unknown_keys"], json!([other.trusted.id().to_string()]));
    let signed = of("signed.wasm", Some(&trusted));
    assert_eq!((&signed["status"], &signed["signed_by"][0]["trusted_comment"]), (&json!("signed"), &json!("for the test")));
    host.file("bad.wasm.minisig", "nonsense");
    let bad = of("bad.wasm", None);
    assert_eq!(bad["status"], "bad");
    assert!(bad["problems"][0].as_str().unwrap().contains("no signature"), "{bad}");
}

/// The execution goes on by its digest, when the file and its signature are gone; and stops to do so when its key is trusted no longer.
#[test]
fn a_signature_stays_with_the_component_and_goes_with_its_key() {
    let (trusted, other) = (key(), key());
    let host = host_with("require", &[&trusted]);
    let file = copy(&host, &fixture("conformance"), "flow.wasm", Some(&trusted));
    let target = format!("{file}:sights_wait");
    let (waiting, another) = (host.item(["run", &target]), host.item(["run", &target]));
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(host.path("flow.wasm.minisig")).unwrap();
    let answered = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!(answered["status"], "completed", "{answered:#}");
    let replay = host.item(["executions", "replay", id(&waiting), "--from", "echo"]);
    assert_eq!(replay["status"], "waiting", "{replay:#}");

    configure(&host, "require", &[&other]);
    assert_eq!(host.get(id(&another))["component_signatures"][0]["trusted"], false);
    host.json(["executions", "input", id(&another), "--value", "true"]).refused("KitaruUsageError", &["does not trust"]);
    // Nothing is lost: with the key, it goes on.
    configure(&host, "require", &[&other, &trusted]);
    let resumed = host.item(["executions", "resume", id(&another)]);
    assert_eq!(resumed["status"], "completed", "{resumed:#}");
}

#[test]
fn other_code_for_an_execution_must_be_signed_too() {
    let trusted = key();
    let host = host_with("require", &[&trusted]);
    let first = copy(&host, &fixture("versioned-v1"), "v1.wasm", Some(&trusted));
    let source = host.item(["run", &format!("{first}:pipeline"), "--arg", "topic=tides"]);
    let source = id(&source).to_owned();
    let unsigned = copy(&host, &fixture("versioned-fixed"), "fixed.wasm", None);
    for command in [
        vec!["executions", "replay", &source, "--component", &unsigned],
        vec!["executions", "retry", &source, "--component", &unsigned],
        vec!["executions", "verify", &source, "--component", &unsigned],
        vec!["executions", "upgrade", &source, "--component", &unsigned],
    ] {
        host.json(&command).refused("KitaruUsageError", &["is not signed"]);
    }
}

#[test]
fn an_archive_brings_its_signatures_and_must_have_them() {
    let trusted = key();
    let from = host_with("require", &[&trusted]);
    let file = copy(&from, &example("hello"), "hello.wasm", Some(&trusted));
    let execution = from.item(["run", &file, "--arg", "name=World"]);
    let archive = from.path("signed.tar");
    from.item(["executions", "export", id(&execution), "--to", &archive]);
    let to = host_with("require", &[&trusted]);
    to.item(["executions", "import", &archive]);
    let signers = &to.get(id(&execution))["component_signatures"];
    assert_eq!(signers[0]["key_id"], trusted.trusted.id().to_string(), "{signers}");

    let careless = Host::new();
    // Of a component of which no signature is known there.
    let execution = careless.item(["run", &example("logging"), "--arg", "topic=kitaru"]);
    let archive = careless.path("unsigned.tar");
    careless.item(["executions", "export", id(&execution), "--to", &archive]);
    to.json(["executions", "import", &archive]).refused("KitaruUsageError", &["is not signed"]);
    assert_eq!(to.json(["executions", "list"]).items().len(), 1);
}

#[test]
fn keys_and_signatures_are_made_without_another_tool() {
    let host = Host::new();
    let made = host.with_input(["keys", "generate", "team.key", "--password-stdin"], "a password\n").item();
    let secret = std::fs::read_to_string(host.path("team.key")).unwrap();
    assert!(!made.to_string().contains(secret.lines().nth(1).unwrap()), "a secret key is never shown");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(host.path("team.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = host.with_input(["keys", "generate", "team.key", "--password-stdin"], "x\n");
    again.refused("KitaruUsageError", &["there already"]);

    let file = copy(&host, &example("hello"), "hello.wasm", None);
    let signing = ["sign", &file, "--key", "team.key", "--password-stdin"];
    host.with_input(signing, "another password\n").refused("KitaruUsageError", &["password"]);
    assert!(!std::path::Path::new(&host.path("hello.wasm.minisig")).exists());
    let signed = host.with_input(signing, "a password\n").item();
    assert_eq!(signed["key_id"], made["key_id"]);

    let key = made["public_key"].as_str().unwrap();
    host.file("kitaru.toml", format!("[security]\nsignatures = \"require\"\ntrusted_keys = [\"{key}\"]\n"));
    assert_eq!(host.item(["run", &file, "--arg", "name=World"])["status"], "completed");
    let not_wasm = host.file("notes.txt", "text");
    host.json(["sign", &not_wasm, "--key", "team.key"]).refused("KitaruUsageError", &["not a WebAssembly file"]);
    host.json(["sign", &file, "--key", &not_wasm]).refused("KitaruUsageError", &["no secret key"]);
}

/// A child flow of another component is asked for by its digest: there is no file beside it either.
#[test]
fn a_child_of_an_unsigned_component_fails_and_its_parent_hears_of_it() {
    let trusted = key();
    let host = host_with("off", &[&trusted]);
    let parent = copy(&host, &fixture("conformance"), "parent.wasm", Some(&trusted));
    // Both components get into the store while nothing is required.
    let child = host.item(["run", &example("hello"), "--arg", "name=World"]);
    let digest = child["component_digest"].as_str().unwrap();
    configure(&host, "require", &[&trusted]);
    let input = json!({ "component": digest, "flow": "hello", "input": { "name": "World" } }).to_string();
    let ran = host.json(["run", &format!("{parent}:parent_of_other"), "--input", &input]);
    let told = format!("{ran:?}");
    assert!(told.contains("not signed"), "{told}");
}

/// What stands between flows and models runs with the host's rules, and so it must be somebody's whom the operator trusts.
#[test]
fn middleware_must_be_signed_too() {
    let (trusted, other) = (key(), key());
    let models = Models::always("Said.");
    let flow = copy(&models.host, &fixture("conformance"), "flow.wasm", Some(&trusted));
    let _ = copy(&models.host, &fixture("middleware"), "middle.wasm", None);
    configure(&models.host, "require", &[&trusted]);
    let settings = std::fs::read_to_string(models.host.path("kitaru.toml")).unwrap();
    models.settings(&format!("{settings}[[llm.middleware]]\ncomponent = \"middle.wasm\"\ntimeout_ms = 20000\n"));
    let asked = |flow_name: &str| {
        let input = json!({ "requests": [{ "prompt": "x" }] }).to_string();
        let target = format!("{flow}:{flow_name}");
        told(&models.item(&["run", &target, "--input", &input, "--allow-llm"]))[0].clone()
    };
    for flow_name in ["model_calls", "model_body"] {
        failed(&asked(flow_name), "middleware", &["middle.wasm", "is not signed"]);
    }
    let _ = copy(&models.host, &fixture("middleware"), "middle.wasm", Some(&other));
    failed(&asked("model_calls"), "middleware", &["middle.wasm", &other.trusted.id().to_string()]);
    assert_eq!(models.provider.exchanges().len(), 0, "no call goes past it");
    let _ = copy(&models.host, &fixture("middleware"), "middle.wasm", Some(&trusted));
    assert_eq!((&asked("model_calls")["ok"]["text"], models.hits()), (&json!("Said."), 1));
}

/// Bytes as a header has them.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, at| (number << 8) | three.get(at).copied().map_or(0, usize::from));
        let digit = |at: usize| if at <= three.len() { char::from(DIGITS[(number >> (18 - 6 * at)) & 63]) } else { '=' };
        text.extend((0..4).map(digit));
    }
    text
}

/// Over the network the signature comes in a header, and is looked at before anything of the component is kept.
#[test]
fn a_server_takes_only_what_is_signed() {
    assert_eq!((base64(b"Ma"), base64(b"Man!")), ("TWE=".to_owned(), "TWFuIQ==".to_owned()));
    let (trusted, other) = (key(), key());
    let host = host_with("require", &[&trusted]);
    let served = Served::start(&host);
    let admin = served.account(&host, "root", "admin", &[]);
    let bytes = std::fs::read(example("hello")).unwrap();
    let signature = |key: &KeyFiles, bytes: &[u8]| base64(sign(bytes, &key.secret, None, "for the test").unwrap().as_bytes());
    let put = |header: Option<&str>| {
        let asking = header.map_or_else(|| admin.clone(), |value| admin.clone().with("Kitaru-Signature", value));
        asking.send("PUT", "/api/v1/components", Some("application/wasm"), &bytes)
    };
    let known = format!("/api/v1/components/{}", ComponentDigest::of(&bytes));
    for (header, part) in [
        (None, "is not signed"),
        (Some(signature(&other, &bytes)), "does not trust"),
        (Some(signature(&trusted, b"something else")), "signature that is bad"),
        (Some(base64(b"no signature")), "signature"),
        (Some("%%% no base64 %%%".to_owned()), "no base64"),
        (Some(base64(&[0xff, 0xfe])), "no base64"),
    ] {
        let answer = put(header.as_deref());
        let text = String::from_utf8_lossy(&answer.body);
        assert!((400..500).contains(&answer.status) && text.contains(part), "{header:?}: {} {text}", answer.status);
        assert_eq!(admin.get(&known).status, 404, "{header:?}: what was refused left nothing");
    }
    let kept = put(Some(&signature(&trusted, &bytes))).expect(200);
    assert_eq!(kept["signature"]["status"], "signed", "{kept:#}");
    let order = kitaru_tests::served::order(kept["digest"].as_str().unwrap(), "hello", &json!({ "name": "World" }));
    let begun = admin.post("/api/v1/executions", &order).expect(201);
    let path = format!("/api/v1/executions/{}", id(&begun));
    let done = kitaru_tests::until("its end", || Some(admin.get(&path).expect(200)).filter(|view| view["ended_at"].is_string()));
    assert_eq!(done["result"], "Hello, World! Yours durably, Kitaru.", "{done:#}");
}

#[test]
fn a_misspelt_policy_is_no_policy() {
    let host = Host::new();
    host.file("kitaru.toml", "[security]\nsignatures = \"required\"\n");
    let reply = host.json(["run", &example("hello"), "--arg", "name=World"]);
    reply.refused("KitaruUsageError", &["kitaru.toml"]);
    let value: Value = host.json(["run", &example("hello"), "--signatures", "maybe"]).error();
    assert!(value["message"].as_str().unwrap().contains("--signatures"), "{value}");
}
