//! Verbs about access on behalf of those who come over the network: what they may not is refused by the verbs themselves, and what they do has
//! their name.

use std::net::Ipv4Addr;
use std::sync::Arc;

use kitaru_host::access::{Access, AccessError, LinkProblem, NewAccount, Role, Scope, Source};
use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings};
use kitaru_host::ids::SystemIds;
use kitaru_host::sandbox::Sandbox;
use kitaru_host::secrets::ExposeSecret as _;
use kitaru_host::service::{
    AccessVerbs, ApiKeyParams, AuditParams, CreateApiKeyParams, CreateServiceAccountParams, ListApiKeysParams,
    ListServiceAccountsParams, LocalService, RotateApiKeyParams, Service as _, ServiceAccountParams, ServiceError, TokenParams,
    UpdateApiKeyParams, UpdateServiceAccountParams, WaitLinkParams,
};
use kitaru_host::store::Store;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::{Host, example};
use serde_json::json;

/// The owner's service on the data folder of a host.
fn service(host: &Host) -> LocalService {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&host.home()).unwrap());
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let access = Access::new(store.clone(), clock.clone(), ids.clone(), &host.home());
    let engine = Engine::new(store, Sandbox::new(None, [0; 32]).unwrap(), clock, ids, EngineSettings::default());
    LocalService::new(engine).with_access(access)
}

fn somewhere() -> Source {
    Source::at(Ipv4Addr::new(192, 0, 2, 7).into())
}

/// The same service on behalf of a new account, which comes with its key.
async fn on_behalf(owner: &LocalService, name: &str, role: Role, scope: Scope) -> LocalService {
    let access = owner.access().unwrap();
    let new = NewAccount { name: name.into(), description: String::new(), role, scope };
    access.create_account(new).await.unwrap();
    let made = access.create_api_key(name, "first", "").await.unwrap();
    let caller = access.bearer(made.text.expose_secret(), somewhere()).await.unwrap();
    owner.clone().on_behalf_of(caller, somewhere())
}

fn some_flows() -> Scope {
    Scope::of(["team-*"]).unwrap()
}

#[track_caller]
fn forbidden<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) {
    let Err(error) = outcome else { panic!("it was allowed: {outcome:?}") };
    assert!(matches!(&error, ServiceError::Access(AccessError::Forbidden { .. })), "{error:?}");
    assert_eq!(error.class(), "KitaruAuthorizationError");
}

#[tokio::test]
async fn who_may_what_is_for_admins_of_all_flows() {
    let host = Host::new();
    let owner = service(&host);
    let callers = [
        ("viewer", Role::Viewer, Scope::ALL),
        ("operator", Role::Operator, Scope::ALL),
        ("author", Role::Author, Scope::ALL),
        ("admin-of-some", Role::Admin, some_flows()),
    ];
    for (name, role, scope) in callers {
        let service = on_behalf(&owner, name, role, scope).await;
        let account = || name.to_owned();
        let key = || ApiKeyParams { account: name.into(), key: "first".into() };
        let create = CreateServiceAccountParams { name: "mine".into(), role: Some(Role::Admin), ..Default::default() };
        forbidden(service.create_service_account(create).await);
        forbidden(service.service_accounts(ListServiceAccountsParams::default()).await);
        forbidden(service.service_account(ServiceAccountParams { account: account() }).await);
        let update =
            UpdateServiceAccountParams { account: account(), role: Some(Role::Admin), all_flows: true, ..Default::default() };
        forbidden(service.update_service_account(update).await);
        forbidden(service.delete_service_account(ServiceAccountParams { account: account() }).await);
        let create = CreateApiKeyParams { account: account(), name: "second".into(), ..Default::default() };
        forbidden(service.create_api_key(create).await);
        forbidden(service.api_keys(ListApiKeysParams { account: account(), ..Default::default() }).await);
        forbidden(service.api_key(key()).await);
        let update = UpdateApiKeyParams { account: account(), key: "first".into(), ..Default::default() };
        forbidden(service.update_api_key(update).await);
        let rotate = RotateApiKeyParams { account: account(), key: "first".into(), retain_minutes: 0 };
        forbidden(service.rotate_api_key(rotate).await);
        forbidden(service.delete_api_key(key()).await);
        forbidden(service.audit(AuditParams::default()).await);
    }
    assert_eq!(owner.service_accounts(ListServiceAccountsParams::default()).await.unwrap().len(), 4, "nothing was made");
    assert_eq!(owner.audit(AuditParams::default()).await.unwrap().count, 0, "nothing was done");
}

#[tokio::test]
async fn an_admin_does_what_is_noted_in_their_name() {
    let host = Host::new();
    let owner = service(&host);
    let admin = on_behalf(&owner, "boss", Role::Admin, Scope::ALL).await;
    let who = admin.who_am_i().await.unwrap();
    assert_eq!((who.who.as_str(), who.role, who.via.as_str(), who.flows), ("boss", Role::Admin, "api-key", None));
    assert!(who.service_account_id.is_some() && who.api_key_id.is_some() && who.csrf_token.is_none());
    let create = CreateServiceAccountParams { name: "ci".into(), ..Default::default() };
    assert_eq!(admin.create_service_account(create).await.unwrap().role, Role::Viewer, "the least, if nobody says");
    let listing = admin.audit(AuditParams::default()).await.unwrap();
    let [entry] = &listing.items[..] else { panic!("{listing:?}") };
    assert_eq!((entry.who.as_str(), entry.verb.as_str()), ("boss", "auth.service-accounts.create"));
    assert_eq!((entry.subject.as_deref(), entry.source.as_deref()), (Some("ci"), Some("192.0.2.7")));
}

#[tokio::test]
async fn a_session_learns_its_csrf_token_and_a_token_has_no_more_than_its_maker() {
    let host = Host::new();
    let owner = service(&host);
    let access = owner.access().unwrap();
    let code = access.make_login_code().await.unwrap();
    let login = access.log_in_with_code(code.code.expose_secret(), somewhere()).await.unwrap();
    let page = owner.clone().on_behalf_of(login.caller.clone(), somewhere());
    let shown = page.who_am_i().await.unwrap().csrf_token.unwrap();
    assert!(access.check_csrf(&login.caller, Some(&shown)).await.is_ok());
    let author = on_behalf(&owner, "ci", Role::Author, some_flows()).await;
    let made = author.make_token(TokenParams { seconds: Some(60), ..Default::default() }).await.unwrap();
    assert_eq!((made.role, made.flows), (Role::Author, Some(vec!["team-*".to_owned()])));
    let caller = access.bearer(made.token.text().expose_secret(), somewhere()).await.unwrap();
    assert_eq!(caller.who, author.caller().who);
    let more = author.make_token(TokenParams { role: Some(Role::Admin), ..Default::default() }).await.unwrap_err();
    assert_eq!(more.class(), "KitaruUsageError");
}

#[tokio::test]
async fn a_link_answers_a_real_question() {
    let host = Host::new();
    let waiting = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let wait = waiting["pending_wait"]["wait_id"].as_str().unwrap().to_owned();
    let flow = waiting["flow_name"].as_str().unwrap();
    let owner = service(&host).reached_at("https://flows.example.com/");
    let params = || WaitLinkParams { wait: wait.clone(), seconds: None };
    forbidden(on_behalf(&owner, "viewer", Role::Viewer, Scope::ALL).await.make_wait_link(params()).await);
    forbidden(on_behalf(&owner, "others", Role::Admin, some_flows()).await.make_wait_link(params()).await);
    let (execution, _) = wait.split_once(':').unwrap();
    let unasked = ["nobody_asked", "99"].map(|name| format!("{execution}:{name}"));
    for (wrong, class) in [
        ("", "KitaruUsageError"),
        ("nonsense", "KitaruRuntimeError"),
        ("nonsense:1", "KitaruRuntimeError"),
        (unasked[0].as_str(), "KitaruStateError"),
        (unasked[1].as_str(), "KitaruStateError"),
    ] {
        let refused = owner.make_wait_link(WaitLinkParams { wait: wrong.into(), seconds: None }).await.unwrap_err();
        assert_eq!(refused.class(), class, "{wrong:?}: {refused:?}");
    }
    let operator = on_behalf(&owner, "operator", Role::Operator, Scope::of([flow]).unwrap()).await;
    // By its name too, or by its execution, where it is the only question.
    for named in [format!("{execution}:approve_release"), execution.to_owned()] {
        let made = operator.make_wait_link(WaitLinkParams { wait: named, seconds: None }).await.unwrap();
        let token = made.url.text().expose_secret().rsplit('/').next().unwrap().to_owned();
        assert_eq!(owner.access().unwrap().answer_link(&token).await.unwrap().wait.to_string(), wait);
    }
    let made = operator.make_wait_link(params()).await.unwrap();
    let url = made.url.text().expose_secret();
    let token = url.strip_prefix("https://flows.example.com/answer/").unwrap_or_else(|| panic!("{url}"));
    let access = owner.access().unwrap();
    let link = access.answer_link(token).await.unwrap();
    assert_eq!((link.wait.to_string(), link.flow.as_str()), (wait.clone(), flow));
    assert!(link.caller.has_link_for(link.wait) && !link.caller.may(Role::Viewer));
    // An answer that does not fit costs nothing.
    access.use_link(&link).await.unwrap();
    assert!(owner.input(link.wait.execution, Some(&wait), &json!("perhaps")).await.is_err());
    access.give_link_back(&link).await.unwrap();
    let link = access.answer_link(token).await.unwrap();
    access.use_link(&link).await.unwrap();
    owner.input(link.wait.execution, Some(&wait), &json!(true)).await.unwrap();
    let again = access.answer_link(token).await;
    assert!(matches!(again, Err(AccessError::Link(LinkProblem::Used))), "{again:?}");
    assert!(operator.make_wait_link(params()).await.is_err(), "nothing is asked any more");
    assert_eq!(owner.audit(AuditParams { verb: Some("waits.link".into()), ..Default::default() }).await.unwrap().count, 3);
    assert!(owner.pending_waits(Some(link.wait.execution)).await.unwrap().is_empty());
}
