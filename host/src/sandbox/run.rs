//! Runs flows and checkpoint attempts, each in a fresh instance, to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::audit::Audit;
use super::ceiling::Seat;
use super::determinism::Entropy;
use super::folders::{Files, Withheld};
use super::grants::{Grants, Need};
use super::instance::{Called, Ran, Streams, classify, state};
use super::limits::{LimitReached, Limits};
use super::network::NetPolicy;
use super::port::{CheckpointPort, FlowClock, FlowPort, LogSink};
use super::program::Program;
use super::requests::{Client, HttpState};
use super::secrets::{MaskedLog, Secrets};
use super::state::{Capabilities, Fresh, HostState, Port};
use super::{deadline, determinism, wasi};
use crate::journal::Failure;
use serde_json::{Value, json};
use wasmtime::Store;

/// What a flow run needs.
pub struct FlowRun {
    /// Flow name.
    pub name: String,
    /// Input: a JSON object as text.
    pub input: String,
    /// Seed of its random stream.
    pub seed: [u8; 32],
    /// Its time.
    pub clock: FlowClock,
    /// Where its durable calls go.
    pub port: Box<dyn FlowPort>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// What it may use.
    pub limits: Limits,
    /// Its place among all instances.
    pub seat: Seat,
}

/// What a checkpoint attempt needs.
pub struct CheckpointRun<'a> {
    /// Checkpoint name.
    pub name: &'a String,
    /// Input: a JSON object as text.
    pub input: &'a String,
    /// What it was granted.
    pub grants: &'a Grants,
    /// Where its calls go.
    pub port: Box<dyn CheckpointPort>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// What it may use.
    pub limits: Limits,
    /// How long the author lets it take, beside the limit.
    pub timeout: Option<Duration>,
    /// Where it is noted what it used of its grants, and what it was denied.
    pub audit: Audit,
    /// Its place among all instances.
    pub seat: Seat,
}

impl Program {
    /// Runs a flow body in a fresh, deterministic instance.
    pub async fn run_flow(&self, run: FlowRun) -> Ran {
        self.run_flow_and_look(run, |_, _| ()).await.0
    }

    /// The same, and `look` sees the instance when it has ended, however it did.
    pub(super) async fn run_flow_and_look<T>(
        &self,
        run: FlowRun,
        look: impl FnOnce(&mut Store<HostState>, &Called) -> T + Send,
    ) -> (Ran, T) {
        let streams = Streams::new(&run.log, &run.limits);
        let wasi = determinism::flow_wasi(&run.clock, streams.stdout.clone(), streams.stderr.clone());
        let fresh = Fresh {
            port: Port::Flow(run.port),
            wasi,
            entropy: Some(Entropy::new(run.seed)),
            limits: run.limits,
            log: run.log,
            capabilities: Capabilities::none(&run.limits),
            seat: run.seat,
            deadline: Instant::now() + run.limits.flow_time(),
        };
        let state = state(&self.sandbox, &streams, fresh);
        let cpu = state.cpu.clone();
        // In a box, as below: it is large, and what it is part of is moved about before it runs.
        let result = Box::pin(async {
            let (mut store, instance) = self.instantiate(state).await;
            let called = match instance {
                Ok(instance) => instance.kitaru_flow_program().call_run_flow(&mut store, &run.name, &run.input).await,
                Err(error) => Err(error),
            };
            let seen = look(&mut store, &called);
            (called, seen)
        });
        let (called, seen) = cpu.of(result).await;
        (classify("the flow", called, &streams, &run.limits), seen)
    }

    /// The folders of an attempt, where all that is granted may and can be given.
    fn files(&self, grants: &Grants, limits: &Limits) -> Result<Files, Withheld> {
        self.sandbox.check_grants(grants).map_err(|error| Withheld {
            told: "a granted folder overlaps the host's own data folder".into(),
            why: error.to_string(),
        })?;
        self.sandbox.check_walls(grants).map_err(|error| Withheld { told: error.for_guests(), why: error.to_string() })?;
        Files::open(grants, limits)
    }

    /// Runs one checkpoint attempt in a fresh instance that has what it was granted. What it tried beyond that is named in its failure.
    pub async fn run_checkpoint(&self, run: CheckpointRun<'_>) -> Ran {
        let audit = run.audit;
        let secrets = Arc::new(Secrets::new(&run.grants.secrets, &audit));
        let log = MaskedLog::over(run.log, &secrets);
        let streams = Streams::new(&log, &run.limits);
        let network = Arc::new(NetPolicy::new(&run.grants.net, &audit).narrowed_by(run.grants.narrowed.net()));
        let client = Client::new(&network, &secrets, &audit, run.limits);
        let files = match self.files(run.grants, &run.limits) {
            Ok(files) => files,
            Err(withheld) => return Ran::Ended(withheld.failure(log.as_ref())),
        };
        let wasi = wasi::checkpoint_wasi(run.grants, streams.stdout.clone(), streams.stderr.clone(), &network, &audit);
        let limit = run.limits.checkpoint_time();
        let timeout = run.timeout.filter(|timeout| *timeout < limit);
        let time = timeout.unwrap_or(limit);
        let started = Instant::now();
        let http = HttpState::new(Some(client.clone()));
        let fresh = Fresh {
            port: Port::Checkpoint(run.port),
            wasi,
            entropy: None,
            limits: run.limits,
            log,
            capabilities: Capabilities { network, files, http, secrets: secrets.clone(), audit: audit.clone() },
            seat: run.seat.clone(),
            deadline: started + time,
        };
        let state = state(&self.sandbox, &streams, fresh);
        let cpu = state.cpu.clone();
        let body = Box::pin(async {
            let (mut store, instance) = self.instantiate(state).await;
            instance?.kitaru_flow_program().call_run_checkpoint(&mut store, run.name, run.input).await
        });
        let result = tokio::select! {
            biased;
            result = cpu.of(body) => result,
            () = passed(started, time, &run.seat) => match timeout {
                Some(_) => Err(LimitReached("its time is up".into()).into()),
                None => Err(LimitReached(deadline::over_time(run.limits.checkpoint_seconds)).into()),
            },
        };
        let over = timeout.filter(|_| Instant::now() >= started + time + run.seat.waited());
        let ran = classify("the checkpoint", result, &streams, &run.limits);
        // Its own time is up: that is the author's word, and another attempt may be quicker.
        let ran = match (ran, over) {
            (Ran::Ended(failure), Some(timeout)) if failure.kind == "limit" => {
                let message = format!("the checkpoint took more than its timeout of {timeout:?}");
                Ran::Ended(Failure::runtime("timeout", message).retryable())
            }
            (ran, _) => ran,
        };
        // A denial says most, and nothing that is recorded says what was revealed.
        let told = |failure| secrets.revealed().failure(explained(failure, &audit, run.grants));
        match ran {
            Ran::ReturnedFailure(failure) => Ran::ReturnedFailure(told(client.explained(failure))),
            // The limit that ended it is the one to be told.
            Ran::Ended(failure) if failure.kind == "limit" => Ran::Ended(told(failure)),
            Ran::Ended(failure) => Ran::Ended(told(client.explained(failure))),
            other => other,
        }
    }
}

/// Returns when an attempt that began at `started` has taken so much time. What it waited for memory is not counted.
async fn passed(started: Instant, time: Duration, seat: &Seat) {
    loop {
        let left = (started + time + seat.waited()).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// Kinds of failure that may come of a missing grant. One that the author named is the author's.
const UNEXPLAINED: [&str; 4] = ["error", "trap", "exit", "capability"];

/// A failure with what may have led to it: what was denied, and the flags of what is declared and was not granted.
fn explained(failure: Failure, audit: &Audit, grants: &Grants) -> Failure {
    let unmet: Vec<String> = grants.narrowed.unmet().iter().map(Need::flag).collect();
    let may_be_why = UNEXPLAINED.contains(&failure.kind.as_str());
    let failure = with_denials(failure, audit);
    if unmet.is_empty() || !may_be_why {
        return failure;
    }
    match failure.details_json() {
        None => failure.with_details(&json!({ "not_granted": unmet })),
        Some(Value::Object(mut details)) => {
            details.insert("not_granted".into(), json!(unmet));
            failure.with_details(&Value::Object(details))
        }
        // The author's own.
        Some(_) => failure,
    }
}

/// A failure after a denial: what was denied and the flag that grants it, in place of whatever the guest's libraries made of it. A failure
/// that the author named is the author's: the body knew what it was doing, and the denials are only added.
fn with_denials(failure: Failure, audit: &Audit) -> Failure {
    let denied = audit.denials();
    if denied.is_empty() {
        return failure;
    }
    if !UNEXPLAINED.contains(&failure.kind.as_str()) {
        let details = json!({ "denied": denied, "guest_details": failure.details_json() });
        return failure.with_details(&details);
    }
    let details = json!({ "denied": denied, "guest_message": failure.message, "guest_kind": failure.kind });
    Failure::runtime("capability", format!("denied: {}", denied.join("; "))).with_details(&details)
}
