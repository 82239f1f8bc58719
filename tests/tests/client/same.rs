//! What is read at a server, and what it refuses, is the same where the data folder is.

use kitaru_host::engine::DriveOptions;
use kitaru_host::ids::ExecutionId;
use kitaru_host::service::{
    AccessQuery, AccessVerbs as _, ArtifactQuery, CohortQuery, DeployParams, DeploymentParams, ExecutionSummary, FlowParams,
    FlowVerbs as _, GroupBy, InvokeParams, JournalQuery, ListApiKeysParams, ListFlowsParams, ListQuery, Listing, LogQuery,
    Metric, ModelUsageQuery, ReplayCommand, Service as _, ServiceError,
};
use kitaru_host::store::Status;
use kitaru_llm::event::atof;
use kitaru_tests::{Host, Served};
use serde_json::{Value, json};

use super::{admin, ran, sent, to, told};

/// A view as it is written.
macro_rules! shown {
    ($view:expr) => {
        serde_json::to_value($view).unwrap()
    };
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
    let page = |listing: Listing<ExecutionSummary>| shown!(listing.items);
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
        (vec!["executions", "journal", t_saved], shown!(remote.journal(saved, JournalQuery::default()).await.unwrap())),
        (vec!["executions", "journal", t_replayed], shown!(remote.journal(replayed, JournalQuery::default()).await.unwrap())),
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
            let of = ListApiKeysParams { account: "root".into(), ..Default::default() };
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
