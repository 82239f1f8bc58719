//! Components that are brought to the store and run by their digest, and published flows beside them, as a server does it: in process.

use std::net::Ipv4Addr;
use std::sync::Arc;

use kitaru_host::access::{Access, NewAccount, Role, Scope, Source};
use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{DriveOptions, Engine, EngineSettings};
use kitaru_host::ids::{ComponentDigest, Ids as _, SystemIds};
use kitaru_host::sandbox::{Grants, LimitChanges, Limits, Sandbox};
use kitaru_host::secrets::ExposeSecret as _;
use kitaru_host::service::verbs::{self, ComponentParams, Verb as _};
use kitaru_host::service::{
    DeployParams, FlowVerbs as _, HostDefaults, InvokeParams, LocalService, RunParams, Service as _, ServiceError, TagParams,
};
use kitaru_host::store::Store;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::{Host, fixture};
use serde_json::{Map, Value, json};

/// A service on the host's data folder, which gives this to what is started by name.
fn service(host: &Host, defaults: HostDefaults) -> LocalService {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&host.home()).unwrap());
    let access = Access::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemIds), &host.home());
    let sandbox = Sandbox::new(Some(&host.home()), SystemIds.seed()).unwrap();
    let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
    LocalService::new(engine).with_host(defaults).with_access(access)
}

/// The same service on behalf of a new account.
async fn on_behalf(service: &LocalService, name: &str) -> LocalService {
    let access = service.access().expect("it knows who may come");
    let new = NewAccount { name: name.into(), description: String::new(), role: Role::Operator, scope: Scope::ALL };
    access.create_account(new).await.unwrap();
    let made = access.create_api_key(name, "first", "").await.unwrap();
    let source = Source::at(Ipv4Addr::LOCALHOST.into());
    let caller = access.bearer(made.text.expose_secret(), source).await.unwrap();
    service.clone().on_behalf_of(caller, source)
}

fn conformance() -> Vec<u8> {
    std::fs::read(fixture("conformance")).unwrap()
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn of(component: &str, flow: &str, input: Value) -> RunParams {
    RunParams { component: Some(component.into()), flow: Some(flow.into()), input: map(input), ..RunParams::default() }
}

fn named(digest: &str) -> ComponentDigest {
    digest.parse().unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ServiceError>, class: &str, part: &str) {
    let error = result.unwrap_err();
    let message = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert_eq!(error.class(), class, "{message}");
    assert!(message.contains(part), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_kept_and_given_back() {
    let host = Host::warm();
    let service = service(&host, HostDefaults::default());
    let view = service.put_component(conformance(), None).await.unwrap();
    assert_eq!(view.digest, service.inspect(&conformance()).await.unwrap().digest);
    assert_eq!(service.put_component(conformance(), None).await.unwrap().digest, view.digest, "once more is no harm");
    assert_eq!(service.component_bytes(named(&view.digest)).await.unwrap(), conformance());
    let again = service.component(named(&view.digest)).await.unwrap();
    assert_eq!(again.manifest, view.manifest);
    let unknown = "0".repeat(64);
    refused(service.component(named(&unknown)).await, "KitaruRuntimeError", &unknown);
    let ask = async |digest: &str| verbs::Component::call(&service, ComponentParams { digest: digest.into() }).await;
    assert_eq!(ask(&format!("sha256:{}", view.digest)).await.unwrap().digest, view.digest);
    refused(ask("../../kitaru.db").await, "KitaruUsageError", "64 hexadecimal digits");
    refused(service.put_component(b"no component".to_vec(), None).await, "KitaruUsageError", "cannot run");
    let digest = ComponentDigest::of(b"no component").to_string();
    refused(service.component(named(&digest)).await, "KitaruRuntimeError", "was not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_component_runs_with_what_the_host_and_the_request_give() {
    let host = Host::warm();
    let env = |name: &str| Grants { env: vec![name.into()], ..Grants::default() };
    let limits = Limits { calls: 50, ..Limits::default() };
    let service = service(&host, HostDefaults { grants: env("LANG"), limits, folder: host.work(), ..HostDefaults::default() });
    let digest = service.put_component(conformance(), None).await.unwrap().digest;
    let asked = RunParams {
        grants: env("TZ"),
        limits: LimitChanges { parallel: Some(2), ..LimitChanges::default() },
        retries: Some(3),
        cache: Some(false),
        tags: vec!["mine".into()],
        ..of(&digest, "sequence", json!({ "steps": 3 }))
    };
    let id = service.run(&asked).await.unwrap();
    service.drive(id, DriveOptions::default()).await.unwrap();
    let execution = service.get(id).await.unwrap();
    assert!(execution.summary.status == "completed" && execution.result == json!(6), "{execution:#?}");
    let spec = &execution.frozen_execution_spec;
    assert_eq!(spec["grants"]["env"], json!(["LANG", "TZ"]));
    assert_eq!((&spec["limits"]["calls"], &spec["limits"]["parallel"]), (&json!(50), &json!(2)));
    assert_eq!(spec["resolved_execution"], json!({ "cache": false, "retries": 3 }));
    assert_eq!(execution.summary.tags, ["mine"]);

    let missing = "f".repeat(64);
    refused(service.run(&of(&missing, "sequence", json!({}))).await, "KitaruRuntimeError", &missing);
    refused(service.run(&of(&digest, "nowhere", json!({}))).await, "KitaruUsageError", "no flow `nowhere`");
    refused(service.run(&of(&digest, "sequence", json!({}))).await, "KitaruUsageError", "steps");
    refused(service.run(&RunParams { flow: None, ..of(&digest, "", json!({})) }).await, "KitaruUsageError", "several flows");
    let version = RunParams { version: Some(1), ..of(&digest, "sequence", json!({ "steps": 3 })) };
    refused(service.run(&version).await, "KitaruUsageError", "`version` and `tag`");
    refused(service.run(&RunParams::default()).await, "KitaruUsageError", "Name a component");
    let gone = Grants { read: vec![format!("{}::docs", host.path("gone")).parse().unwrap()], ..Grants::default() };
    let gone = RunParams { grants: gone, ..of(&digest, "sequence", json!({ "steps": 3 })) };
    refused(service.run(&gone).await, "KitaruUsageError", "gone");
    let often = RunParams { retries: Some(1001), ..of(&digest, "sequence", json!({ "steps": 3 })) };
    refused(service.run(&often).await, "KitaruUsageError", "<= 1000");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_component_declares_can_be_granted_to_it() {
    let host = Host::new();
    let service = service(&host, HostDefaults { folder: host.work(), ..HostDefaults::default() });
    for folder in ["docs/open", "out/mine"] {
        std::fs::create_dir_all(host.path(folder)).unwrap();
    }
    let view = service.put_component(std::fs::read(fixture("needy")).unwrap(), None).await.unwrap();
    let flow = view.manifest.flows.iter().find(|flow| flow.parameters.is_empty()).expect("a flow without arguments").name.clone();
    let granted = async |allow_needs: bool| {
        let asked = RunParams { allow_needs, ..of(&view.digest, &flow, json!({})) };
        let id = service.run(&asked).await.unwrap();
        service.get(id).await.unwrap().frozen_execution_spec["grants"]["env"].clone()
    };
    assert_eq!((granted(false).await, granted(true).await), (json!([]), json!(["NEEDY_ZONE"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_caller() {
    let host = Host::warm();
    let service = service(&host, HostDefaults::default());
    let component = service.put_component(conformance(), None).await.unwrap().digest;
    let deploy = |steps: u64| DeployParams {
        flow: "sequence".into(),
        component: component.clone(),
        input: map(json!({ "steps": steps })),
        ..DeployParams::default()
    };
    let first = service.deploy_all(vec![deploy(2)]).await.unwrap();
    assert_eq!((first[0].version, first[0].created_by.as_str()), (1, "owner"), "whoever is on the data folder itself");
    let key = || Some("k".to_owned());
    let invoke = InvokeParams { flow: "sequence".into(), idempotency_key: key(), ..InvokeParams::default() };
    let run = RunParams { flow: Some("sequence".into()), idempotency_key: key(), ..RunParams::default() };

    let ada = service.invoke(&invoke).await.unwrap();
    service.deploy_all(vec![deploy(9)]).await.unwrap();
    assert_eq!(service.invoke(&invoke).await.unwrap(), ada, "whatever the default is by now");
    let eve = on_behalf(&service, "eve").await.invoke(&invoke).await.unwrap();
    assert_ne!(eve, ada);
    refused(service.run(&run).await, "KitaruStateError", &ada.to_string());
    let other = InvokeParams { tags: vec!["x".into()], ..invoke.clone() };
    refused(service.invoke(&other).await, "KitaruStateError", "another request");
    let none = InvokeParams { idempotency_key: None, ..invoke.clone() };
    assert_ne!(service.invoke(&none).await.unwrap(), service.invoke(&none).await.unwrap());
    for (id, steps) in [(ada, 2), (eve, 9)] {
        assert_eq!(service.get(id).await.unwrap().input, json!({ "steps": steps }));
    }
    // What was refused keeps no key: it may be asked again when it can be done.
    let later = InvokeParams { tag: Some("later".into()), idempotency_key: Some("l".into()), ..none };
    refused(service.invoke(&later).await, "LookupError", "'later'");
    let tag = TagParams { flow: "sequence".into(), tag: "later".into(), version: 1, exclusive: None };
    service.tag_flow(&tag).await.unwrap();
    let done = service.invoke(&later).await.unwrap();
    assert_eq!(service.invoke(&later).await.unwrap(), done);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_versions_all_are_published_or_none() {
    let host = Host::warm();
    let service = service(&host, HostDefaults::default());
    let component = service.put_component(conformance(), None).await.unwrap().digest;
    let of = |flow: &str, input: Value| DeployParams {
        flow: flow.into(),
        component: component.clone(),
        input: map(input),
        ..DeployParams::default()
    };
    let bad = vec![of("no_calls", json!({})), of("sequence", json!({ "steps": "many" }))];
    refused(service.deploy_all(bad).await, "KitaruUsageError", "`sequence`");
    assert_eq!(service.flows(&Default::default()).await.unwrap().total, 0);
    let unknown = DeployParams { component: "0".repeat(64), ..of("no_calls", json!({})) };
    refused(service.deploy_all(vec![unknown]).await, "KitaruRuntimeError", "was not found");
    let shared = DeployParams { exclusive: Some(false), ..of("no_calls", json!({})) };
    refused(
        service.deploy_all(vec![DeployParams { tags: vec!["default".into()], ..shared }]).await,
        "KitaruUsageError",
        "always exclusive",
    );
    assert_eq!(service.flows(&Default::default()).await.unwrap().total, 0);
}
