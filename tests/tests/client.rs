//! The client of the API, against a real host that serves: what it gives is what the commands give where the data folder is, and what it promises
//! holds when connections are cut, servers die and strangers answer.

#[path = "client/lost.rs"]
mod lost;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kitaru_host::client::{ClientSettings, RemoteService};
use kitaru_host::config::ServerConnection;
use kitaru_host::engine::{DriveOptions, Event, Observer, WaitPolicy};
use kitaru_host::ids::ExecutionId;
use kitaru_host::service::{
    AccessQuery, AccessVerbs as _, ArtifactQuery, CohortQuery, DeployParams, DeploymentParams, FlowParams, FlowVerbs as _,
    GroupBy, InvokeParams, ListFlowsParams, ListQuery, LogQuery, Metric, ModelUsageQuery, ReplayCommand, RunParams, Service,
    ServiceError,
};
use kitaru_host::store::Status;
use kitaru_llm::event::atof;
use kitaru_tests::web::Say;
use kitaru_tests::{Host, Served, Web, fixture};
use lost::followed;
use serde_json::{Value, json};

/// The service at an address, for whoever has this key.
fn at(url: &str, key: &str) -> RemoteService {
    let settings = ClientSettings { reconnect: Duration::from_secs(60), ..ClientSettings::default() };
    RemoteService::new(ServerConnection::new(url, key.to_owned().into()).unwrap(), settings).unwrap()
}

fn to(address: SocketAddr, key: &str) -> RemoteService {
    at(&format!("http://{address}"), key)
}

/// A host that serves, and an admin's way to it.
fn admin(host: &Host) -> (Served, RemoteService, String) {
    let served = Served::start(host);
    let key = Served::key(host, "root", "admin", &[]);
    let remote = to(served.address, &key);
    (served, remote, key)
}

async fn sent(remote: &RemoteService) -> String {
    remote.put_component(std::fs::read(fixture("conformance")).unwrap(), None).await.unwrap().digest
}

fn order(component: &str, flow: &str, input: &Value) -> RunParams {
    let input = input.as_object().unwrap().clone();
    RunParams { component: Some(component.to_owned()), flow: Some(flow.to_owned()), input, ..RunParams::default() }
}

/// Starts a flow, and watches it to its next stop.
async fn ran(remote: &RemoteService, component: &str, flow: &str, input: &Value) -> ExecutionId {
    let id = remote.run(&order(component, flow, input)).await.unwrap();
    remote.drive(id, DriveOptions::default()).await.unwrap();
    id
}

/// A view as it is written.
macro_rules! shown {
    ($view:expr) => {
        serde_json::to_value($view).unwrap()
    };
}

/// What an error tells, as the command line would.
fn told(error: &ServiceError) -> Value {
    let mut causes: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    json!({ "type": error.class(), "message": error.to_string(), "causes": causes, "hint": error.hint() })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_at_a_server_is_what_is_read_where_the_data_folder_is() {
    let host = Host::new();
    let (_served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    let done = ran(&remote, &component, "log_lines", &json!({})).await;
    let saved = ran(&remote, &component, "save_kinds", &json!({ "blob_bytes": 300 })).await;
    let failed = ran(&remote, &component, "uncaught", &json!({ "message": "no" })).await;
    let waits = ran(&remote, &component, "wait_bool", &json!({})).await;
    let replayed = remote.replay(done, ReplayCommand { from: Some("prints".into()), ..ReplayCommand::default() }).await.unwrap();
    remote.drive(replayed, DriveOptions::default()).await.unwrap();
    let version = |flow: &str| DeployParams { flow: flow.into(), component: component.clone(), ..DeployParams::default() };
    let published = remote.deploy_all(vec![version("no_calls"), version("thrice")]).await.unwrap();
    assert_eq!(published.len(), 2);

    let all = ListQuery { limit: 20, ..ListQuery::default() };
    let page = |listing: kitaru_host::service::Listing<kitaru_host::service::ExecutionSummary>| shown!(listing.items);
    let flow = |flow: &str| DeploymentParams { flow: flow.into(), ..DeploymentParams::default() };
    let texts: Vec<String> = [done, saved, failed, waits, replayed].iter().map(ToString::to_string).collect();
    let [t_done, t_saved, t_failed, t_waits, t_replayed] = std::array::from_fn(|at| texts[at].as_str());
    let narrow = ListQuery { status: Some(Status::Completed), flow: Some("log_lines".into()), limit: 1, ..ListQuery::default() };
    let cohort = CohortQuery {
        filter: ListQuery { flow: Some("log_lines".into()), ..all.clone() },
        at: None,
        include_failed: false,
        max_scan: 500,
        limit: 50,
        oldest_first: false,
    };
    let artifact = remote.artifacts(saved, &ArtifactQuery::default()).await.unwrap().pop().unwrap().artifact_id;
    let (groups, metrics) = ([GroupBy::Flow, GroupBy::Status], [Metric::FailureRate]);

    let lists: Vec<(Vec<&str>, Value)> = vec![
        (vec!["executions", "list"], page(remote.list(&all).await.unwrap())),
        (
            vec!["executions", "list", "--status", "completed", "--flow", "log_lines", "--limit", "1"],
            page(remote.list(&narrow).await.unwrap()),
        ),
        (vec!["executions", "journal", t_saved], shown!(remote.journal(saved).await.unwrap())),
        (vec!["executions", "journal", t_replayed], shown!(remote.journal(replayed).await.unwrap())),
        (vec!["executions", "access", t_done], shown!(remote.accesses(done, &AccessQuery::default()).await.unwrap())),
        (vec!["executions", "logs", t_done], shown!(remote.logs(done, &LogQuery::default()).await.unwrap())),
        (vec!["executions", "pending-waits"], shown!(remote.pending_waits(None).await.unwrap())),
        (vec!["executions", "pending-waits", t_waits], shown!(remote.pending_waits(Some(waits)).await.unwrap())),
        (vec!["executions", "diff", t_done], shown!(remote.diff(done, &[]).await.unwrap())),
        (
            vec!["executions", "diff-matrix", t_done, t_replayed, t_saved],
            shown!(remote.diff_matrix(&[done, replayed, saved]).await.unwrap()),
        ),
        (vec!["executions", "cohort", "--flow", "log_lines"], shown!(remote.cohort(&cohort).await.unwrap())),
        (vec!["executions", "verify", t_done, t_saved], shown!(remote.verify(&[done, saved], None).await.unwrap())),
        (vec!["artifacts", "list", t_saved], shown!(remote.artifacts(saved, &ArtifactQuery::default()).await.unwrap())),
        (vec!["flow", "list"], shown!(remote.flows(&ListFlowsParams::default()).await.unwrap().items)),
        (vec!["model", "usage"], shown!(remote.model_usage(&ModelUsageQuery::default()).await.unwrap().groups)),
        (vec!["grants", "list"], shown!(remote.remembered_grants().await.unwrap())),
        (vec!["secrets", "list"], shown!(remote.secrets().await.unwrap())),
        (vec!["model", "list"], shown!(remote.models().await.unwrap())),
        (vec!["auth", "service-accounts", "list"], shown!(remote.service_accounts(Default::default()).await.unwrap())),
        (vec!["auth", "api-keys", "list", "root"], {
            let of = kitaru_host::service::ListApiKeysParams { account: "root".into(), ..Default::default() };
            shown!(remote.api_keys(of).await.unwrap())
        }),
    ];
    for (words, at_the_server) in lists {
        let mut here = Value::from(host.json(&words).items());
        let mut there = at_the_server;
        forget_what_moves(&mut here);
        forget_what_moves(&mut there);
        assert_eq!(there, here, "{words:?}");
    }
    let items: Vec<(Vec<&str>, Value)> = vec![
        (vec!["executions", "get", t_done], shown!(remote.get(done).await.unwrap())),
        (vec!["executions", "get", t_failed], shown!(remote.get(failed).await.unwrap())),
        (vec!["executions", "get", t_waits], shown!(remote.get(waits).await.unwrap())),
        (vec!["executions", "get", t_replayed], shown!(remote.get(replayed).await.unwrap())),
        (vec!["executions", "latest", "--flow", "uncaught"], {
            let query = ListQuery { flow: Some("uncaught".into()), limit: 1, ..ListQuery::default() };
            shown!(remote.latest(&query).await.unwrap())
        }),
        (vec!["executions", "statistics", "--group-by", "flow", "--group-by", "status", "--metric", "failure-rate"], {
            shown!(remote.statistics(&ListQuery::default(), &groups, &metrics, 1_000).await.unwrap())
        }),
        (vec!["artifacts", "get", artifact.as_str()], shown!(remote.artifact(&artifact).await.unwrap())),
        (vec!["flow", "show", "thrice"], shown!(remote.flow(&FlowParams { flow: "thrice".into() }).await.unwrap())),
        (vec!["flow", "deployments", "show", "thrice"], shown!(remote.deployment(&flow("thrice")).await.unwrap())),
    ];
    for (words, at_the_server) in items {
        let mut here = host.item(&words);
        let mut there = at_the_server;
        forget_what_moves(&mut here);
        forget_what_moves(&mut there);
        assert_eq!(there, here, "{words:?}");
    }
    let events = remote.events(done, true).await.unwrap();
    let lines = host.text(["executions", "export", t_done, "--format", "atof", "--content"]).ok().stdout;
    assert_eq!(events.iter().map(atof::to_line).collect::<Vec<_>>(), lines.lines().collect::<Vec<_>>());
    let trajectory = serde_json::to_string(&remote.trajectory(done, false).await.unwrap()).unwrap();
    assert_eq!(trajectory, host.text(["executions", "export", t_done, "--format", "atif"]).ok().stdout.trim_end());
    assert_eq!(remote.ids(&ListQuery::default()).await.unwrap().len(), 5);
    assert_eq!(remote.resolve(&t_done[..30]).await.unwrap(), done);
    assert!(remote.governed(done).await.unwrap().is_empty() && remote.ended_before(1).await.unwrap().is_empty());
    assert_eq!(remote.system().await.unwrap().store.execution_count, 5);
}

/// Takes away what may be another one a moment later: who drives, and when a key was last seen.
fn forget_what_moves(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_what_moves),
        Value::Object(fields) => {
            for name in ["runner", "last_login"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget_what_moves);
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_at_a_server_is_watched_asked_about_and_answered() {
    let host = Host::new();
    let (_served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, answers) = (seen.clone(), tokio::sync::mpsc::unbounded_channel());
    let (ask, mut asked) = answers;
    let observer = Observer::new(move |event| {
        log.lock().unwrap().push(match event {
            Event::Running { invocation, attempt, .. } => format!("running {invocation} {attempt}"),
            Event::Ran { invocation, failure, .. } => format!("ran {invocation} {}", failure.is_none()),
            Event::Log(row) => format!("log {}", row.message),
            Event::Stopped { status, .. } => format!("stopped {status}"),
            Event::Waiting { id } => {
                ask.send(id).unwrap();
                format!("asked {id}")
            }
            _ => return,
        });
    });
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let stopped = remote.drive(id, DriveOptions::default()).await.unwrap();
    assert_eq!(stopped.status, Status::Waiting, "nobody stays for an answer");
    assert_eq!(remote.check_resumable(id).await.unwrap_err().class(), "KitaruStateError");
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let options = DriveOptions { wait: WaitPolicy::Stay, observer, ..DriveOptions::default() };
    let answering = async {
        let question = asked.recv().await.unwrap();
        assert_eq!(question.execution, id);
        remote.input(id, Some(&question.to_string()), &json!(true)).await.unwrap();
    };
    let (driven, ()) = tokio::join!(remote.drive(id, options), answering);
    assert_eq!(driven.unwrap().status, Status::Completed);
    let seen = seen.lock().unwrap().clone();
    for expected in ["log before", "log after", "stopped completed"] {
        assert!(seen.iter().filter(|one| *one == expected).count() == 1, "{expected}: {seen:?}");
    }
    let view = remote.get(id).await.unwrap();
    assert!(view.has_result && view.runner.is_none());
    remote.free(id).await.unwrap();

    let failed = ran(&remote, &component, "checkpoint_panic", &json!({ "message": "no" })).await;
    assert_eq!(remote.get(failed).await.unwrap().summary.status, "failed");
    let refused = remote.check_resumable(failed).await.unwrap_err();
    assert_eq!(refused.hint(), Some(format!("kitaru-host executions retry {failed}")));
    let cli = host.json(["executions", "resume", &failed.to_string()]).error();
    assert_eq!((&cli["message"], &cli["hint"]), (&json!(refused.to_string()), &json!(refused.hint())));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_and_go_as_they_are() {
    let (host, other) = (Host::new(), Host::new());
    let (_served, remote, _) = admin(&host);
    let (_elsewhere, elsewhere, _) = admin(&other);
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let inspected = remote.inspect(&bytes).await.unwrap();
    assert_eq!(inspected.digest, sent(&remote).await, "what is only looked at is kept, and once");
    let digest = inspected.digest.parse().unwrap();
    assert_eq!(remote.component_bytes(digest).await.unwrap(), bytes);
    assert!(elsewhere.component_bytes(digest).await.is_err(), "nobody has sent it there");

    let id = ran(&remote, &inspected.digest, "save_kinds", &json!({ "blob_bytes": 100_000 })).await;
    for one in remote.artifacts(id, &ArtifactQuery::default()).await.unwrap() {
        let whole = remote.artifact(&one.artifact_id).await.unwrap();
        let mut written = Vec::new();
        let length = remote.download_artifact(&one.artifact_id, &mut written).await.unwrap();
        assert_eq!((length, &written), (whole.bytes.len() as u64, &whole.bytes), "{one:?}");
        assert_eq!(json!(length), one.metadata["size_bytes"]);
    }

    let order = ReplayCommand { from: Some("saves_kinds".into()), ..ReplayCommand::default() };
    let replay = remote.replay(id, order).await.unwrap();
    remote.drive(replay, DriveOptions::default()).await.unwrap();
    let mut archive = Vec::new();
    let exported = remote.export(&[replay], &mut archive).await.unwrap();
    assert_eq!(exported, [replay, id], "what a replay needs goes with it");
    let imported = elsewhere.import(&mut archive.as_slice(), false).await.unwrap();
    assert_eq!(imported.executions.len(), exported.len());
    let again = elsewhere.import(&mut archive.as_slice(), true).await.unwrap();
    assert_eq!((again.executions.len(), again.known.len()), (0, exported.len()));
    assert_eq!(elsewhere.journal(id).await.unwrap().len(), remote.journal(id).await.unwrap().len());
    let refused = elsewhere.import(&mut &archive[..archive.len() / 2], false).await.unwrap_err();
    assert_eq!(refused.class(), "KitaruUsageError", "{refused}");
    let broken = elsewhere.import(&mut Broken, false).await.unwrap_err();
    assert!(told(&broken)["causes"].to_string().contains("a bad disk"), "{broken:?}");

    let viewer = to(_elsewhere.address, &Served::key(&other, "eyes", "viewer", &[]));
    let refused = viewer.import(&mut archive.as_slice(), false).await.unwrap_err();
    assert_eq!(refused.class(), "KitaruAuthorizationError");
}

/// A file that cannot be read.
struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("a bad disk"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_what_it_says_where_the_data_folder_is() {
    let host = Host::new();
    let (served, remote, key) = admin(&host);
    let component = sent(&remote).await;
    let waits = ran(&remote, &component, "wait_bool", &json!({})).await;
    let nobody: ExecutionId = "01234567-89ab-7def-8123-456789abcdef".parse().unwrap();
    let text = nobody.to_string();
    let waiting = waits.to_string();
    let cases: Vec<(Vec<&str>, ServiceError)> = vec![
        (vec!["executions", "get", "beef"], remote.resolve("beef").await.unwrap_err()),
        (vec!["executions", "get", text.as_str()], remote.get(nobody).await.unwrap_err()),
        (vec!["executions", "latest", "--flow", "x"], {
            remote.latest(&ListQuery { flow: Some("x".into()), ..ListQuery::default() }).await.unwrap_err()
        }),
        (vec!["executions", "input", waiting.as_str(), "--value", "7"], remote.input(waits, None, &json!(7)).await.unwrap_err()),
        (vec!["executions", "input", waiting.as_str(), "--wait", "x", "--value", "7"], {
            remote.input(waits, Some("x"), &json!(7)).await.unwrap_err()
        }),
        (vec!["executions", "retry", waiting.as_str()], remote.retry(waits, None).await.unwrap_err()),
        (vec!["flow", "show", "x"], remote.flow(&FlowParams { flow: "x".into() }).await.unwrap_err()),
        (vec!["invoke", "x"], remote.invoke(&InvokeParams { flow: "x".into(), ..Default::default() }).await.unwrap_err()),
        (vec!["secrets", "show", "x"], remote.secret("x", false).await.unwrap_err()),
        (vec!["model", "show", "x"], remote.model("x").await.unwrap_err()),
        (vec!["artifacts", "get", "x"], remote.artifact("x").await.unwrap_err()),
    ];
    for (words, error) in cases {
        let here = host.json(&words).error();
        let there = told(&error);
        for name in ["type", "message", "hint"] {
            assert_eq!(there[name], here[name], "{words:?}: {there:#} {here:#}");
        }
    }
    assert!(remote.get(nobody).await.unwrap_err().is_missing());
    for refused in [remote.secret("x", true).await, remote.secret("", true).await] {
        assert!(refused.unwrap_err().to_string().contains("data folder only"));
    }

    let stranger = to(served.address, "kh_0000000000000000_ZZMARK");
    let error = stranger.who_am_i().await.unwrap_err();
    assert_eq!((error.class(), error.hint().is_some()), ("KitaruAuthenticationError", true));
    let said = format!("{error:?} {stranger:?} {remote:?}");
    assert!(!said.contains("ZZMARK") && !said.contains(&key), "{said}");
    let viewer = to(served.address, &Served::key(&host, "eyes", "viewer", &[]));
    let refused = viewer.cancel(waits).await.unwrap_err();
    assert_eq!((refused.class(), refused.hint().is_some()), ("KitaruAuthorizationError", true));
    assert_eq!(viewer.who_am_i().await.unwrap().who, "eyes");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_server_is_told_from_one() {
    const KEY: &str = "kh_0123456789abcdef_SECRET";
    let html = Say::text("<html>").with("Content-Type", "text/html");
    let echo = Say::Answer {
        status: 418,
        headers: vec![("Content-Type".into(), "application/problem+json".into())],
        body: json!({ "detail": KEY, "class": KEY, "causes": [KEY], "hint": KEY }).to_string().into_bytes(),
    };
    for (say, expected) in [
        (html, "is no kitaru-host"),
        (Say::status(404), "is no kitaru-host"),
        (Say::text("{}").with("Content-Type", "application/json"), "cannot be read"),
        (Say::redirect("http://127.0.0.1:1/elsewhere"), "sends elsewhere"),
        (Say::status(502), "cannot reach it"),
        (echo, "***"),
        (Say::text(json!(format!("Bearer {KEY}")).to_string()).with("Content-Type", "application/json"), "cannot be read"),
        (Say::Raw(b"SSH-2.0-x\r\n".to_vec()), "was lost"),
    ] {
        let web = Web::always(say.clone());
        let error = at(&web.url(""), KEY).who_am_i().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{say:?}: {error}");
        assert!(!format!("{error:?} {}", told(&error)).contains("SECRET"), "{say:?}: {error:?}");
        let once = matches!(say, Say::Answer { status, .. } if status != 502);
        assert_eq!(web.asked().len() == 1, once, "{say:?}: only what may pass is asked for again");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = to(free, KEY).who_am_i().await.unwrap_err();
    assert!(error.to_string().contains("cannot connect") && error.hint().is_some(), "{error}");
    let settings = ClientSettings { answer: Duration::from_millis(200), tries: 1, ..ClientSettings::default() };
    let silent = Web::always(Say::nothing());
    let connection = ServerConnection::new(&silent.url(""), KEY.to_owned().into()).unwrap();
    let error = RemoteService::new(connection, settings).unwrap().who_am_i().await.unwrap_err();
    assert!(error.to_string().contains("did not answer"), "{error}");
    assert!(ServerConnection::new("k.example/SECRET", KEY.to_owned().into()).is_err());
    let unusable = ServerConnection::new("http://127.0.0.1:1", "a\nb".to_owned().into()).unwrap();
    assert!(RemoteService::new(unusable, ClientSettings::default()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_when_it_says() {
    let busy = |status: u16| {
        let problem = json!({ "detail": "busy", "class": "KitaruRateLimitError", "causes": [] }).to_string().into_bytes();
        let headers = vec![("Content-Type".into(), "application/problem+json".into()), ("Retry-After".into(), "1".into())];
        Say::Answer { status, headers, body: problem }
    };
    for (status, posts) in [(429, 2), (503, 1)] {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let web = Web::new(move |_| {
            let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst).is_multiple_of(2);
            if is_first { busy(status) } else { Say::text("{\"items\":[],\"count\":0}").with("Content-Type", "application/json") }
        });
        let remote = at(&web.url(""), "kh_x");
        let began = std::time::Instant::now();
        assert!(remote.secrets().await.unwrap().is_empty());
        assert!(began.elapsed() >= Duration::from_secs(1), "it waits as long as it is told");
        let id = "01234567-89ab-7def-8123-456789abcdef".parse().unwrap();
        let _ = remote.cancel(id).await;
        let asked = web.asked().iter().filter(|asked| asked.method == "POST").count();
        assert_eq!(asked, posts, "{status}: what was not carried out is sent again, what may have been is not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_its_own_is_trusted_by_a_file() {
    let host = Host::new();
    let tls = |name: &str| kitaru_tests::repository().join("tests/src/tls").join(name).to_str().unwrap().to_owned();
    let (certificate, private) = (tls("localhost.pem"), tls("localhost.key"));
    let copied = host.file("localhost.key", std::fs::read(private).unwrap());
    #[cfg(unix)]
    std::fs::set_permissions(&copied, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let served = Served::start_at(&host, "127.0.0.1:0", &["--tls-certificate", &certificate, "--tls-key", &copied]);
    let key = Served::key(&host, "root", "admin", &[]);
    let url = format!("https://localhost:{}", served.address.port());
    let with = |authorities: Option<PathBuf>| {
        let settings = ClientSettings { authorities, ..ClientSettings::default() };
        RemoteService::new(ServerConnection::new(&url, key.clone().into()).unwrap(), settings)
    };
    let trusting = with(Some(Web::authority())).unwrap();
    assert_eq!(trusting.who_am_i().await.unwrap().who, "root");
    let component = sent(&trusting).await;
    let id = ran(&trusting, &component, "log_lines", &json!({})).await;
    assert!(followed(trusting.follow(id, &LogQuery::default()).await.unwrap()).await.len() > 3);
    let refused = with(None).unwrap().who_am_i().await.unwrap_err();
    assert!(refused.to_string().contains("does not show who it is"), "{refused}");
    assert!(refused.hint().unwrap().contains("KITARU_CA_FILE"));
    assert!(with(Some("/no/such/file".into())).unwrap_err().to_string().contains("/no/such/file"));
    let no_certificate = host.file("empty.pem", "no certificate");
    assert!(with(Some(no_certificate.into())).is_err());
    let plain = at(&format!("http://127.0.0.1:{}", served.address.port()), &key);
    assert!(plain.who_am_i().await.is_err());
}
