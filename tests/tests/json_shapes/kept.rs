//! What the commands about secrets, models and published flows answer.

use kitaru_tests::{Host, Models, example, fixture, id};
use serde_json::json;

use super::golden::{answer, check};

#[test]
fn secrets_keep_their_shapes() {
    let host = Host::new();
    let secrets = |verb: &str, rest: &[&str]| answer(&host.json([&["secrets", verb], rest].concat()));
    let none = secrets("list", &[]);
    let set = |rest: &[&str]| secrets("set", &[&["creds"], rest].concat());
    check(
        "secrets.set",
        &[
            ("created", set(&["--OPENAI_API_KEY=sk-1", "--metadata", "team=core"])),
            ("updated", set(&["--OPENAI_API_KEY=sk-2"])),
            ("invalid", set(&["--1KEY=v"])),
        ],
    );
    check(
        "secrets.show",
        &[
            ("shown", secrets("show", &["creds"])),
            ("with values", secrets("show", &["creds", "--show-values"])),
            ("unknown", secrets("show", &["nobody"])),
        ],
    );
    check("secrets.list", &[("some", secrets("list", &[])), ("none", none)]);
    check("secrets.delete", &[("deleted", secrets("delete", &["creds"])), ("unknown", secrets("delete", &["creds"]))]);
}

#[test]
fn models_keep_their_shapes() {
    let host = Host::new();
    let model = |verb: &str, rest: &[&str]| answer(&host.json([&["model", verb], rest].concat()));
    let none = model("list", &[]);
    let register = |rest: &[&str]| model("register", &[&["fast"], rest].concat());
    let whole = [
        "--model=openai/gpt-4o-mini",
        "--secret=creds",
        "--base-url=https://gateway.example/v1",
        "--api=openai_chat",
        "--fallback=ollama/llama3",
    ];
    let no_secret = register(&whole);
    let created = register(&["--model", "openai/gpt-4o-mini"]);
    let _ = host.item(["secrets", "set", "creds", "--OPENAI_API_KEY=sk-1"]);
    check(
        "model.register",
        &[
            ("created", created),
            ("updated", register(&whole)),
            ("no secret", no_secret),
            ("no provider", register(&["--model", "gpt-4o"])),
            ("no model", register(&[])),
        ],
    );
    check("model.list", &[("some", model("list", &[])), ("none", none)]);
    check("model.show", &[("shown", model("show", &["fast"])), ("unknown", model("show", &["nobody"]))]);
    check("model.remove", &[("removed", model("remove", &["fast"])), ("unknown", model("remove", &["fast"]))]);
    // Nobody listens where a port was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _ = host.item(["model", "register", "own", "--model", "vllm/m", "--base-url", &format!("http://{free}/v1")]);
    check(
        "model.test",
        &[
            ("no key", model("test", &["openai/gpt-4o"])),
            ("unreachable", model("test", &["own"])),
            ("unknown", model("test", &["nobody"])),
        ],
    );
}

#[test]
fn what_model_calls_used_keeps_its_shapes() {
    let models = Models::always("Said.");
    let usage = |rest: &[&str]| answer(&models.host.json([&["model", "usage"], rest].concat()));
    let none = usage(&[]);
    let asked = models.run("model_calls", &json!({ "requests": [{ "prompt": "x" }] }));
    let calls = |exec: &str| answer(&models.host.json(["executions", "model-calls", exec]));
    check("executions.model-calls", &[("one", calls(id(&asked))), ("unknown", calls("nonsense"))]);
    check(
        "model.usage",
        &[
            ("none", none),
            ("together", usage(&[])),
            ("by flow", usage(&["--by", "flow"])),
            ("by model", usage(&["--by", "model"])),
            ("no such flow", usage(&["--by", "flow", "--flow", "nobody"])),
        ],
    );
}

#[test]
fn published_flows_keep_their_shapes() {
    let host = Host::new();
    let call = |words: &[&str], rest: &[&str]| answer(&host.json([words, rest].concat()));
    let flow = |verb: &str, rest: &[&str]| call(&["flow", verb], rest);
    let deployments = |verb: &str, rest: &[&str]| call(&["flow", "deployments", verb, "hello"], rest);
    let hello = example("hello");
    let deploy = |rest: &[&str]| call(&["deploy", &hello, "--arg", "name=Ada", "--tag", "canary"], rest);
    let (none, unknown) = (flow("list", &[]), flow("show", &["hello"]));
    let unknown_delete = flow("delete", &["hello"]);
    let (no_list, no_show, no_invoke) = (deployments("list", &[]), deployments("show", &[]), call(&["invoke", "hello"], &[]));
    let one = deploy(&[]);
    let elsewhere = Host::new();
    let all = answer(&elsewhere.json(["deploy", &hello, "--all"]));
    let several = answer(&elsewhere.json(["deploy", &fixture("conformance")]));
    check("deploy", &[("one", one), ("all", all), ("several flows", several)]);
    check(
        "invoke",
        &[
            ("completed", call(&["invoke", "hello"], &[])),
            ("unknown", no_invoke),
            ("unusable", call(&["invoke", "hello", "--version", "1", "--tag", "canary"], &[])),
        ],
    );
    check("flow.list", &[("some", flow("list", &[])), ("none", none)]);
    check("flow.show", &[("shown", flow("show", &["hello"])), ("unknown", unknown)]);
    check("flow.deployments.list", &[("some", deployments("list", &[])), ("unknown", no_list)]);
    check("flow.deployments.show", &[("default", deployments("show", &[])), ("unknown", no_show)]);
    let named = deployments("curl", &["--tag", "canary", "--server-url", "https://kitaru.example.com"]);
    check("flow.deployments.curl", &[("usual server", deployments("curl", &[])), ("named server", named)]);
    let tag = |version: &str| flow("tag", &["hello", "stable", "--version", version]);
    check("flow.tag", &[("tagged", tag("1")), ("unknown", tag("2"))]);
    let untag = |tag: &str| flow("untag", &["hello", tag]);
    check("flow.untag", &[("untagged", untag("stable")), ("reserved", untag("default"))]);
    let _ = host.item(["deploy", &hello, "--tag", "canary"]);
    let delete = |version: &str| deployments("delete", &["--version", version]);
    check("flow.deployments.delete", &[("held", delete("1")), ("deleted", delete("2"))]);
    check("flow.delete", &[("deleted", flow("delete", &["hello"])), ("unknown", unknown_delete)]);
}
