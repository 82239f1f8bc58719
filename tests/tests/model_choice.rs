//! Which model a call means, where its key comes from, who may call it (F12, L7–L15, L18–L20, A7, grants).

use kitaru_tests::models::{entry, failed, origin, told};
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Models, Reply, checkpoint, fixture};
use serde_json::{Value, json};

/// A provider's key that is not to be used.
const OTHER: &str = "sk-another-77e1-key";

/// What became of calls of a flow that has these variables and no key besides.
fn ask_with(models: &Models, variables: &[(&str, &str)], requests: &Value) -> Vec<Value> {
    told(&Reply::from(models.flow_with(variables, "model_calls", &json!({ "requests": requests }))).item())
}

/// The models that the provider was asked for, in order.
fn asked(models: &Models) -> Vec<String> {
    models.provider.calls().iter().map(|call| call.received.model()).collect()
}

/// The keys that the provider was given, in order.
fn keys(models: &Models) -> Vec<Option<String>> {
    models.provider.calls().iter().map(|call| call.received.key().map(str::to_owned)).collect()
}

/// What a checkpoint would send, with these variables.
fn preview(models: &Models, variables: &[(&str, &str)], request: &Value) -> Value {
    let run = models.flow_with(variables, "model_asked_first", &json!({ "request": request }));
    Reply::from(run).item()["result"]["preview"].clone()
}

#[test]
fn l7_the_call_goes_before_the_variable_and_that_before_the_default() {
    let models = Models::always("Said.");
    let _ = models.alias("smart", "openai/gpt-4o", &models.provider.openai(), &[]);
    let requests = json!([{ "prompt": "x" }, { "prompt": "x", "model": " Fast " }]);
    let keyed = ("OPENAI_API_KEY", Models::KEY);
    let _ = ask_with(&models, &[keyed, ("KITARU_DEFAULT_MODEL", "smart")], &requests);
    let _ = ask_with(&models, &[keyed], &requests);
    assert_eq!(asked(&models), ["gpt-4o", "gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"]);
}

/// What models mean came with whoever submitted the execution: it goes before the host's own, and a blank variable says nothing.
#[test]
fn f12_a_registry_in_the_environment_goes_before_the_hosts_own() {
    let models = Models::always("Said.");
    let registry =
        json!({ "aliases": { "fast": { "model": "openai/gpt-4o", "base_url": models.provider.openai() } } }).to_string();
    let (keyed, requests) = (("OPENAI_API_KEY", Models::KEY), json!([{ "prompt": "x" }]));
    for variable in [registry.as_str(), " "] {
        let _ = ask_with(&models, &[keyed, ("KITARU_MODEL_REGISTRY", variable)], &requests);
    }
    assert_eq!(asked(&models), ["gpt-4o", "gpt-4o-mini"]);
    let broken = models.flow_with(&[keyed, ("KITARU_MODEL_REGISTRY", "{")], "model_calls", &json!({ "requests": requests }));
    Reply::from(broken).refused("KitaruUsageError", &["KITARU_MODEL_REGISTRY"]);
    assert_eq!(models.hits(), 2);
}

#[test]
fn l8_a_blank_default_is_an_error_of_calls_that_name_no_model() {
    let models = Models::always("Said.");
    let requests = json!([{ "prompt": "x" }, { "prompt": "x", "model": "fast" }]);
    let answers = ask_with(&models, &[("OPENAI_API_KEY", Models::KEY), ("KITARU_DEFAULT_MODEL", " ")], &requests);
    failed(&answers[0], "usage", &["`KITARU_DEFAULT_MODEL` is set but empty."]);
    assert_eq!(origin(&answers[0]), "UserCode");
    assert_eq!(answers[1]["ok"]["text"], "Said.");
}

#[test]
fn l9_without_a_default_the_only_alias_is_meant_and_of_several_none() {
    let models = Models::always("Said.");
    let address = models.provider.openai();
    let alias = |name: &str| format!("[models.aliases.{name}]\nmodel = \"openai/gpt-4o\"\nbase_url = \"{address}\"\n");
    let _ = models.host.item(["model", "remove", "fast"]);
    let requests = json!([{ "prompt": "x" }]);
    models.settings(&alias("only"));
    assert_eq!(models.ask(&requests)[0]["ok"]["text"], "Said.");
    models.settings(&(alias("one") + &alias("two")));
    let message = "Multiple model aliases are configured but no default alias is set.";
    failed(&models.ask(&requests)[0], "usage", &[message, "one, two"]);
    models.settings(&(format!("[models]\ndefault = \"gone\"\n{}", alias("one"))));
    failed(&models.ask(&requests)[0], "usage", &["The configured default model alias is missing.", "`gone`"]);
    models.settings("");
    let answer = &models.ask(&requests)[0];
    failed(answer, "not-configured", &["OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"]);
    assert!(answer["details"]["hint"].as_str().unwrap().contains("model register"), "{answer:#}");
    assert_eq!(asked(&models), ["gpt-4o"]);
}

/// With nothing configured the environment's keys choose: OpenRouter's goes first. What would be sent tells, and nothing is.
#[test]
fn a7_openrouters_key_goes_before_anthropics() {
    let models = Models::answering([]);
    let _ = models.host.item(["model", "remove", "fast"]);
    let (router, anthropic) = (("OPENROUTER_API_KEY", Models::KEY), ("ANTHROPIC_API_KEY", OTHER));
    let request = json!({ "prompt": "x" });
    let cases = [
        (vec![router, anthropic], "anthropic/claude-haiku-4-5", "https://openrouter.ai/api/v1/chat/completions"),
        (vec![router, ("OPENROUTER_MODEL", "x/y")], "x/y", "https://openrouter.ai/api/v1/chat/completions"),
        (vec![("OPENROUTER_API_KEY", " "), anthropic], "claude-haiku-4-5-20251001", "https://api.anthropic.com/v1/messages"),
    ];
    for (variables, model, url) in cases {
        let found = preview(&models, &variables, &request)["ok"].clone();
        assert_eq!((&found["model"], &found["url"]), (&json!(model), &json!(url)), "{found:#}");
        assert_eq!(found["body"]["max_tokens"], 1024, "{found:#}");
        assert!(!found.to_string().contains(Models::KEY) && !found.to_string().contains(OTHER), "{found:#}");
    }
    failed(&preview(&models, &[], &request), "not-configured", &[]);
}

/// The proxy that the environment names stands for the network: it is asked for a tunnel, gives none, and sees no key.
#[test]
fn l10_the_environments_key_goes_before_the_secret_of_an_alias() {
    let models = Models::answering([]);
    models.settings(Models::ONCE);
    let _ = models.host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={OTHER}")]);
    let _ = models.host.item(["model", "register", "linked", "--model", "openai/gpt-4o", "--secret", "creds"]);
    let proxy = format!("http://{}", models.provider.address());
    let requests = json!([{ "prompt": "x", "model": "linked", "name": "asked" }]);
    let source = |variables: &[(&str, &str)]| {
        let run = models.flow_with(variables, "model_calls", &json!({ "requests": requests }));
        let execution = Reply::from(run).item();
        failed(&told(&execution)[0], "provider", &["openai/gpt-4o"]);
        entry(checkpoint(&execution, "asked"), "asked")["credential_source"].clone()
    };
    assert_eq!(source(&[("HTTPS_PROXY", proxy.as_str()), ("OPENAI_API_KEY", Models::KEY)]), "environment");
    assert_eq!(source(&[("HTTPS_PROXY", proxy.as_str()), ("OPENAI_API_KEY", " ")]), "secret");
    let exchanges = models.provider.exchanges();
    assert!(exchanges.iter().all(|exchange| exchange.received.method == "CONNECT"), "{exchanges:#?}");
    assert!(exchanges.len() >= 2 && exchanges.iter().all(|exchange| exchange.received.key().is_none()), "{exchanges:#?}");
}

#[test]
fn l11_a_secrets_key_is_used_where_the_alias_has_an_address_of_its_own() {
    let models = Models::always("Said.");
    let _ = models.host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={}", Models::KEY)]);
    let _ = models.alias("linked", "openai/gpt-4o", &models.provider.openai(), &["--secret", "creds"]);
    let requests = json!([{ "prompt": "x", "model": "linked", "name": "asked" }, { "prompt": "x" }]);
    // The environment's key is another server's; an alias without a secret has no other.
    for variables in [&[][..], &[("OPENAI_API_KEY", OTHER)]] {
        let run = models.flow_with(variables, "model_calls", &json!({ "requests": requests }));
        let execution = Reply::from(run).item();
        let found = entry(checkpoint(&execution, "asked"), "asked");
        assert_eq!(found["credential_source"], "secret", "{found:#}");
        Models::PLANTED.is_not_shown_in(&models.host.json(["executions", "get", execution["exec_id"].as_str().unwrap()]));
    }
    let given = keys(&models);
    assert_eq!(given, [Some(Models::KEY.to_owned()), Some(Models::KEY.to_owned()), Some(OTHER.to_owned())]);
    Models::PLANTED.is_in_no_file_of(&models.host);
}

#[test]
fn l12_l13_a_missing_key_names_what_would_do() {
    let models = Models::always("Said.");
    let _ = models.host.item(["secrets", "set", "creds", "--OTHER=1"]);
    for (alias, secret) in [("other", "creds"), ("lost", "gone")] {
        if secret == "gone" {
            let _ = models.host.item(["secrets", "set", "gone", "--OPENAI_API_KEY=1"]);
        }
        let _ = models.alias(alias, "openai/gpt-4o", &models.provider.openai(), &["--secret", secret]);
    }
    let _ = models.host.item(["secrets", "delete", "gone"]);
    let requests = json!([{ "prompt": "x" }, { "prompt": "x", "model": "other" }, { "prompt": "x", "model": "lost" }]);
    let answers = ask_with(&models, &[], &requests);
    let none = "No provider credentials found for `openai/gpt-4o-mini`.";
    failed(&answers[0], "credentials", &[none, "OPENAI_API_KEY", "`--secret`"]);
    failed(&answers[1], "credentials", &["Secret `creds` does not provide required credential keys", "OPENAI_API_KEY"]);
    failed(&answers[2], "credentials", &["Secret `gone` was not found."]);
    assert!(answers.iter().all(|answer| origin(answer) == "Runtime"), "{answers:#?}");
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn l14_l15_models_without_a_provider_that_is_known() {
    let models = Models::always("Said.");
    let requests = json!([{ "prompt": "x", "model": "acme/big" }, { "prompt": "x", "model": "gpt-4o" }, { "prompt": "x", "model": "openai/" }]);
    let misspelt = &models.ask(&json!([{ "prompt": "x", "model": "fsat" }]))[0];
    assert!(misspelt["details"]["hint"].as_str().unwrap().starts_with("the alias `fast` is nearest to it; "), "{misspelt:#}");
    for answers in [models.ask(&requests), models.ask_in_body(&requests)] {
        failed(&answers[0], "usage", &["Provider `acme` of model `acme/big` is not supported."]);
        failed(&answers[1], "usage", &["Model `gpt-4o` is missing a provider prefix."]);
        let hint = answers[1]["details"]["hint"].as_str().unwrap();
        assert!(hint.ends_with("kitaru-host model register gpt-4o --model <provider>/<model>"), "{hint}");
        assert!(!hint.contains("nearest"), "{hint}");
        failed(&answers[2], "usage", &["`openai/`", "incomplete"]);
    }
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn l18_anthropic_wants_its_system_messages_first_and_a_limit() {
    let models = Models::always("Said.");
    let _ = models.alias("claude", "anthropic/claude-3-5-haiku-latest", &models.provider.anthropic(), &[]);
    let (system, user) =
        (|text: &str| json!({ "role": "system", "content": text }), json!({ "role": "user", "content": "Hello" }));
    let requests = json!([
        { "model": "claude", "prompt": [system("A."), user], "system": "B." },
        { "model": "claude", "prompt": [user, system("A.")] },
        { "model": "claude", "prompt": [user], "max_tokens": 7 },
    ]);
    let answers = ask_with(&models, &[("ANTHROPIC_API_KEY", Models::KEY)], &requests);
    failed(&answers[1], "usage", &["System messages must appear at the beginning of the message list."]);
    let calls = models.provider.calls();
    let bodies: Vec<Value> = calls.iter().map(|call| call.received.json()).collect();
    assert_eq!(bodies.iter().map(|body| body["max_tokens"].clone()).collect::<Vec<_>>(), [4096, 7]);
    assert_eq!(calls[0].received.conversation()[0], ("system".to_owned(), "B.\n\nA.".to_owned()));
    assert_eq!((calls[0].received.path.as_str(), calls[0].received.header("x-api-key")), ("/v1/messages", Some(Models::KEY)));
}

#[test]
fn l19_ollama_is_where_its_variable_says_and_gets_no_key() {
    let models = Models::always("Said.");
    let address = models.provider.address().to_string();
    let variables = [("OLLAMA_HOST", address.as_str()), ("OPENAI_API_KEY", Models::KEY)];
    let answers = ask_with(&models, &variables, &json!([{ "prompt": "x", "model": "ollama/llama3" }]));
    assert_eq!(answers[0]["ok"]["text"], "Said.");
    let calls = models.provider.calls();
    assert_eq!((calls[0].received.path.as_str(), calls[0].received.model().as_str()), ("/v1/chat/completions", "llama3"));
    assert_ne!(keys(&models), [Some(Models::KEY.to_owned())]);
}

#[test]
fn l20_a_key_that_a_provider_quotes_is_taken_out() {
    let models = Models::of(Provider::reacting(|_| Reaction::echoed_key(401)));
    for flow in ["model_calls", "model_body"] {
        let reply = models.try_run(flow, &json!({ "requests": [{ "prompt": "x" }] }));
        Models::PLANTED.is_not_shown_in(&reply);
        let answer = &told(&reply.item())[0];
        failed(answer, "credentials", &["openai/gpt-4o-mini", "Incorrect API key provided", "[redacted]"]);
        assert_eq!((origin(answer), &answer["retryable"]), ("Backend", &json!(false)));
    }
    assert_eq!(keys(&models), vec![Some(Models::KEY.to_owned()); 2], "nobody tries a wrong key again");
    Models::PLANTED.is_in_no_file_of(&models.host);
}

/// A call costs money and sends its prompt away: it needs a grant in both scopes.
#[test]
fn a_call_without_a_grant_names_the_model_and_the_flag() {
    let models = Models::always("Said.");
    let input = json!({ "requests": [{ "prompt": "x" }, { "prompt": "x", "model": "openai/gpt-4o" }] }).to_string();
    for flow in ["model_calls", "model_body"] {
        let target = fixture(&format!("conformance:{flow}"));
        for flags in [&[][..], &["--allow-llm=groq/*"]] {
            let answers = told(&models.item(&[&["run", &target, "--input", &input], flags].concat()));
            failed(&answers[0], "capability", &["`fast`", "--allow-llm=fast"]);
            failed(&answers[1], "capability", &["`openai/gpt-4o`", "--allow-llm=openai/gpt-4o"]);
        }
    }
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn a_grant_names_an_alias_a_model_or_all_models_of_a_provider() {
    let models = Models::always("Said.");
    let target = fixture("conformance:model_calls");
    let input = json!({ "requests": [{ "prompt": "x" }, { "prompt": "x", "model": "ollama/llama3" }] }).to_string();
    for grant in ["fast", "openai/gpt-4o-mini", "openai/*", "OpenAI/*"] {
        let answers = told(&models.item(&["run", &target, "--input", &input, &format!("--allow-llm={grant}")]));
        assert_eq!(answers[0]["ok"]["text"], "Said.", "{grant}");
        failed(&answers[1], "capability", &["ollama/llama3"]);
    }
    // A grant in the project's file, and what the operator says of all executions.
    models.settings("[grants]\nllm = [\"fast\"]\n");
    assert_eq!(told(&models.item(&["run", &target, "--input", &input]))[0]["ok"]["text"], "Said.");
    models.settings("[llm]\ndeny = [\"openai/gpt-4o-mini\"]\n");
    failed(&models.ask(&json!([{ "prompt": "x" }]))[0], "guardrail-rejected", &["openai/gpt-4o-mini"]);
    models.settings("[llm]\nallow = [\"groq/*\"]\n");
    failed(&models.ask_in_body(&json!([{ "prompt": "x" }]))[0], "guardrail-rejected", &["openai/gpt-4o-mini"]);
    assert_eq!(models.hits(), 5);
}

/// What only a checkpoint can ask, and what only a flow can do.
#[test]
fn a_call_out_of_its_place_is_a_context_failure() {
    let models = Models::answering([]);
    let answers = told(&models.run("model_out_of_place", &json!({})));
    for answer in &answers[..3] {
        failed(answer, "context", &["checkpoint"]);
    }
    failed(&answers[3], "context", &["only a flow can submit a call"]);
}
