use super::*;

fn collector(endpoint: &str, secret: Option<&str>) -> LogStore {
    LogStore::of(Some("otlp"), Some(endpoint.into()), secret.map(str::to_owned), None).unwrap()
}

#[test]
fn what_is_said_first_counts_and_counts_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = LogStoreFile::of(folder.path());
    let (of_project, of_folder, of_user) =
        (collector("http://p", Some("key")), collector("http://f", Some("creds.KEY")), collector("http://u", None));
    let choose = |variables: &[(&str, &str)], project: Option<&LogStore>, user: Option<&LogStore>| {
        let read = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let chosen = ChosenLogStore::choose(read, project.cloned(), &file, user.cloned());
        chosen.map(|chosen| (chosen.store, chosen.source)).map_err(|error| error.to_string())
    };
    assert_eq!(choose(&[], None, None), Ok((LogStore::Local, LogStoreSource::Default)));
    assert_eq!(choose(&[], None, Some(&of_user)), Ok((of_user.clone(), LogStoreSource::User)));
    file.set(&of_folder).unwrap();
    assert_eq!(choose(&[], None, Some(&of_user)), Ok((of_folder, LogStoreSource::DataFolder)));
    assert_eq!(choose(&[], Some(&of_project), Some(&of_user)), Ok((of_project.clone(), LogStoreSource::Project)));
    let variables = [(LogStore::ENDPOINT, "http://e")];
    assert_eq!(
        choose(&variables, Some(&of_project), None),
        Ok((collector("http://e", None), LogStoreSource::Environment)),
        "the project's key does not go to another address"
    );
    let local = [(LogStore::BACKEND, "Local")];
    assert_eq!(choose(&local, Some(&of_project), None), Ok((LogStore::Local, LogStoreSource::Environment)));
    file.reset().unwrap();
    file.reset().unwrap();
    assert_eq!(choose(&[], None, None), Ok((LogStore::Local, LogStoreSource::Default)));
    std::fs::write(file.path(), "backend = \"s3\"\n").unwrap();
    assert!(choose(&[], None, None).unwrap_err().contains(FILE));
    assert!(choose(&local, None, None).is_ok(), "what does not count is not read");
}

#[test]
fn what_cannot_be_is_an_error_without_its_values() {
    let of = |backend: &str, endpoint: &str, secret: &str| {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        LogStore::of(given(backend).as_deref(), given(endpoint), given(secret), None)
    };
    assert_eq!(of("s3", "", ""), Err(LogStoreProblem::Backend));
    assert_eq!(of("local", "http://c", ""), Err(LogStoreProblem::Local));
    assert_eq!(of("otlp", "", "key"), Err(LogStoreProblem::NoEndpoint));
    for bad in ["c:4318", "http://me:SECRET@c", "http://c?key=SECRET", "ftp://c", "http://"] {
        assert_eq!(of("otlp", bad, ""), Err(LogStoreProblem::Endpoint), "{bad}");
    }
    assert_eq!(of("otlp", "http://c", "sk live/SECRET=="), Err(LogStoreProblem::Secret));
    assert_eq!(
        LogStore::of(None, Some("http://c".into()), None, Some("x-key".into())),
        Err(LogStoreProblem::Header),
        "a header without a key"
    );
    let read = |name: &str| (name == LogStore::API_KEY).then(|| "SE CRET".to_owned());
    let error = LogStore::of_environment(read).unwrap_err().to_string();
    assert!(error.contains(LogStore::API_KEY) && !error.contains("SE CRET"), "{error}");
    for bad in ["backend = \"otlp\"", "endpoint = 1", "backend = \"local\"\napi_key = \"x\""] {
        assert!(toml::from_str::<LogStore>(bad).is_err(), "{bad}");
    }
}

#[test]
fn lines_go_to_the_path_of_the_protocol() {
    let url = |endpoint: &str| match collector(endpoint, None) {
        LogStore::Otlp(collector) => collector.url(),
        LogStore::Local => String::new(),
    };
    assert_eq!(url("http://c:4318"), "http://c:4318/v1/logs");
    assert_eq!(url("https://c/otlp/"), "https://c/otlp/v1/logs");
    assert_eq!(url("https://c/v1/logs"), "https://c/v1/logs");
    let shows = |endpoint: &str, secret| match collector(endpoint, secret) {
        LogStore::Otlp(collector) => collector.shows_key(),
        LogStore::Local => false,
    };
    assert!(shows("http://c", Some("key")));
    for (endpoint, secret) in
        [("http://c", None), ("https://c", Some("k")), ("http://127.0.0.1:1", Some("k")), ("http://[::1]", Some("k"))]
    {
        assert!(!shows(endpoint, secret), "{endpoint}");
    }
}
