//! The client of the API, against a real host that serves: what it gives is what the commands give where the data folder is, and what it promises
//! holds when connections are cut, servers die and strangers answer.

#[path = "client/lost.rs"]
mod lost;
#[path = "client/same.rs"]
mod same;
#[path = "client/strangers.rs"]
mod strangers;
#[path = "client/transfers.rs"]
mod transfers;
#[path = "client/unfinished.rs"]
mod unfinished;
#[path = "client/watched.rs"]
mod watched;

use std::net::SocketAddr;
use std::time::Duration;

use kitaru_host::client::{ClientSettings, RemoteService};
use kitaru_host::config::ServerConnection;
use kitaru_host::engine::DriveOptions;
use kitaru_host::ids::ExecutionId;
use kitaru_host::service::{FlowVerbs as _, RunParams, Service as _, ServiceError};
use kitaru_tests::{Host, Served, fixture};
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
