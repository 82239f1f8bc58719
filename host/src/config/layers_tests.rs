use super::*;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(user: &str, project: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("user/config.toml", user), ("project/kitaru.toml", project)] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    fn user(&self) -> PathBuf {
        self.folder.path().join("user/config.toml")
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project/kitaru.toml")
    }

    fn read(&self) -> Result<Configuration, ConfigError> {
        Configuration::read(Some(&self.user()), Some(&self.project()))
    }
}

#[test]
fn the_project_wins_key_by_key_and_lists_are_taken_whole() {
    let files = Files::new(
        "[host]\nflows = 7\nparallel = 3\n[limits]\nmemory_mib = 64\n[telemetry.resource]\nteam = \"a\"\nsite = \"x\"\n[grants]\nenv = [\"A\"]\nnet = [\"u.example\"]\n",
        "[host]\nparallel = 5\n[limits]\ncalls = 9\n[telemetry.resource]\nteam = \"b\"\n[grants]\nenv = [\"B\", \"C\"]\n",
    );
    let both = files.read().unwrap();
    let merged = &both.merged;
    assert_eq!((merged.host.flows, merged.host.parallel), (Some(7), Some(5)));
    assert_eq!((merged.limits.memory_mib, merged.limits.calls), (64, 9));
    assert_eq!((merged.telemetry.resource["team"].as_str(), merged.telemetry.resource["site"].as_str()), ("b", "x"));
    assert_eq!((merged.grants.env.as_slice(), merged.grants.net.len()), (&["B".to_owned(), "C".to_owned()][..], 1));
    for (key, owner) in [
        ("host.flows", Some(FileOwner::User)),
        ("host.parallel", Some(FileOwner::Project)),
        ("host.memory_mib", None),
        ("telemetry.resource.site", Some(FileOwner::User)),
        ("nonsense.at.all", None),
    ] {
        assert_eq!(both.owner_of(key), owner, "{key}");
    }
    let said = both.said();
    let of = |key: &str| said.iter().find(|(name, _, _)| name == key).map(|(_, value, owner)| (value.to_string(), *owner));
    assert_eq!(of("host.parallel"), Some(("5".into(), FileOwner::Project)));
    assert_eq!(of("limits.memory_mib"), Some(("64".into(), FileOwner::User)));
    assert_eq!(said.iter().filter(|(name, _, _)| name == "grants.env").count(), 1);
    let alone = Configuration::read(Some(&files.user()), None).unwrap();
    assert_eq!((alone.merged.host.parallel, alone.owner_of("host.parallel")), (Some(3), Some(FileOwner::User)));
    let none = Configuration::read(Some(&files.folder.path().join("nowhere")), None).unwrap();
    assert_eq!((none.merged, none.user.is_none()), (ProjectConfig::default(), true));
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let digest = "ab".repeat(32);
    let user = format!(
        "[grants]\nread = [\"notes\"]\n[grants.checkpoints.fetch]\nwrite = [\"out::results\"]\n[telemetry]\natof = \"events\"\n[llm.prices]\nfile = \"prices.json\"\n\
         [[llm.middleware]]\ncomponent = \"pii.wasm\"\n[[llm.middleware]]\ncomponent = \"{digest}\"\n[server]\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n"
    );
    let files =
        Files::new(&user, "[grants]\nwrite = [\"build\"]\n[server]\ntls_certificate = \"own.crt\"\ntls_key = \"own.pem\"\n");
    let (of_user, of_project) = (files.folder.path().join("user"), files.folder.path().join("project"));
    let merged = files.read().unwrap().merged;
    assert_eq!((merged.grants.read[0].host.clone(), merged.grants.read[0].guest.as_str()), (of_user.join("notes"), "notes"));
    assert_eq!((merged.grants.write[0].host.clone(), merged.grants.write[0].guest.as_str()), (of_project.join("build"), "build"));
    let single = &merged.grants.checkpoints["fetch"].write[0];
    assert_eq!((single.host.clone(), single.guest.as_str()), (of_user.join("out"), "results"));
    assert_eq!(merged.telemetry.atof, Some(of_user.join("events")));
    assert_eq!(merged.llm.prices.file, Some(of_user.join("prices.json")));
    let components: Vec<String> = merged.middleware.iter().map(|one| one.component.to_string()).collect();
    assert_eq!(components, [of_user.join("pii.wasm").display().to_string(), digest]);
    let tls = merged.server.tls.unwrap();
    assert_eq!((tls.certificate, tls.key), (of_project.join("own.crt"), of_project.join("own.pem")));
}

#[test]
fn a_log_store_is_one_place_or_the_other() {
    let files = Files::new(
        "[log_store]\nendpoint = \"http://u.example\"\nsecret = \"creds\"\n",
        "[log_store]\nendpoint = \"http://p.example\"\n",
    );
    let both = files.read().unwrap();
    let LogStore::Otlp(collector) = both.merged.log_store.clone().unwrap() else { panic!("a collector") };
    assert_eq!((collector.endpoint.as_str(), collector.secret), ("http://p.example", None));
    assert_eq!(both.owner_of("log_store.secret"), None, "the user's key is not for the project's address");
    assert!(both.said().iter().all(|(key, _, _)| key != "log_store.secret"));
    assert_eq!(both.log_store_of(FileOwner::User).unwrap().backend(), "otlp");
}

#[test]
fn aliases_of_both_are_kept_apart_and_each_file_answers_for_its_mistakes() {
    let files = Files::new(
        "[models.aliases.fast]\nmodel = \"openai/a\"\n",
        "[models.aliases.smart]\nmodel = \"openai/b\"\n[host]\nflows = 1\n",
    );
    let merged = files.read().unwrap().merged;
    assert!(merged.models.as_ref().unwrap().registry.find("smart").is_some());
    assert!(merged.user_models.as_ref().unwrap().registry.find("fast").is_some());
    assert_eq!(merged.user_models.unwrap().file, files.user());
    let alone = Configuration::read(Some(&files.user()), None).unwrap().merged;
    assert!(alone.models.is_none() && alone.user_models.is_some());
    for (user, project, named) in [("[hst]\n", "", "config.toml"), ("", "[run]\nretries = 5000\n", "kitaru.toml")] {
        let error = Files::new(user, project).read().unwrap_err();
        assert!(matches!(&error, ConfigError::Parse { .. }) && error.to_string().contains(named), "{error}");
    }
}

#[test]
fn where_the_users_file_is() {
    let env = |name: &str| matches!(name, "XDG_CONFIG_HOME" | "APPDATA" | "HOME").then(|| PathBuf::from("/x"));
    assert!(user_file(env).unwrap().ends_with("kitaru/config.toml"));
    assert_eq!(user_file(|name| (name == USER_FILE).then(|| "/own.toml".into())), Some("/own.toml".into()));
    assert_eq!(user_file(|_| None), None);
}
