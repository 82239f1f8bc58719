//! One run of a flow with its durable calls written down, and runs in which they are answered from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kitaru_host::clock::Timestamp;
use kitaru_host::journal::{CanonicalJson, Failure, LogLevel};
use kitaru_host::sandbox::{
    ArtifactValue, Audit, Ceiling, CheckpointPort, CheckpointRequest, CheckpointRun, ChildRequest, Current, FlowClock, FlowPort,
    FlowRun, Grants, Limits, LogSink, Program, Ran, Sight, Stop, Submitted,
};
use serde_json::Value;

use super::corpus::Flow;

/// Calls of one run.
const MOST: usize = 200;

type Answer = Result<String, Failure>;

/// How a run ended, without what is for people only.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Returned(String),
    Failed(Failure),
    Ended { kind: String, message: String },
    Stopped(String),
}

impl From<Ran> for Outcome {
    fn from(ran: Ran) -> Self {
        match ran {
            Ran::Returned(value) => Self::Returned(value),
            Ran::ReturnedFailure(failure) => Self::Failed(failure),
            // What comes after the first line, and the details of a trap, have the addresses of code in them.
            Ran::Ended(Failure { kind, message, .. }) => {
                Self::Ended { kind, message: message.lines().next().unwrap_or_default().to_owned() }
            }
            Ran::Stopped(stop) => Self::Stopped(stop.to_string()),
        }
    }
}

/// What was written down of one run.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Each durable call: kind, name, hash of its canonical input.
    pub calls: Vec<String>,
    pub outcome: Outcome,
    /// What was in its memory, where it was ended to be looked at.
    pub sight: Option<Sight>,
}

/// The first run of a flow.
pub(super) struct Tape {
    pub calls: Vec<String>,
    pub outcome: Outcome,
    answers: HashMap<u32, Answer>,
}

impl Tape {
    /// Runs a flow, and its checkpoints without a grant.
    pub(super) async fn record(program: &Arc<Program>, flow: &Flow) -> Self {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let recorded = run(program, flow, &notes, None).await;
        let answers = std::mem::take(&mut notes.lock().unwrap().answers);
        Self { calls: recorded.calls, outcome: recorded.outcome, answers }
    }

    /// Runs it again, with the same answers. With `until`, it is ended at that call, and looked at.
    pub(super) async fn replay(&self, program: &Arc<Program>, flow: &Flow, until: Option<usize>) -> Recorded {
        let notes = Arc::new(Mutex::new(Notes { answers: self.answers.clone(), ..Notes::default() }));
        run(program, flow, &notes, until).await
    }
}

#[derive(Default)]
struct Notes {
    calls: Vec<String>,
    answers: HashMap<u32, Answer>,
}

async fn run(program: &Arc<Program>, flow: &Flow, notes: &Arc<Mutex<Notes>>, until: Option<usize>) -> Recorded {
    let clock = FlowClock::new(Timestamp::from_micros(1_700_000_000_000_000));
    let port = Calls { program: program.clone(), notes: notes.clone(), clock: clock.clone(), until, submitted: HashMap::new() };
    let run = FlowRun {
        name: flow.name.clone(),
        input: flow.input.to_string(),
        seed: flow.seed,
        clock,
        port: Box::new(port),
        log: Arc::new(Silent),
        limits: Limits::default(),
        seat: Ceiling::default().exempt(),
    };
    let (ran, sight) = program.run_flow_observed(run).await;
    Recorded { calls: notes.lock().unwrap().calls.clone(), outcome: ran.into(), sight }
}

/// The flow was ended to be looked at.
#[derive(Debug, thiserror::Error)]
#[error("it was ended to be looked at")]
struct LookedAt;

/// The durable calls of one run.
struct Calls {
    program: Arc<Program>,
    notes: Arc<Mutex<Notes>>,
    clock: FlowClock,
    until: Option<usize>,
    submitted: HashMap<u32, Submitted>,
}

impl Calls {
    /// Writes a call down, unless the run is to end at it. The clock moves on, as it does at durable calls.
    fn note(&mut self, kind: &str, name: &str, input: &Value) -> Result<u32, Stop> {
        let mut notes = self.notes.lock().unwrap();
        let index = notes.calls.len();
        if self.until == Some(index) {
            return Err(Stop::Engine(Box::new(LookedAt)));
        }
        // Flows that go on until somebody says no are heard long enough by then.
        if index >= MOST {
            return Err(Stop::Limit(format!("an audit ends after {MOST} calls")));
        }
        let hash = blake3::hash(CanonicalJson::of(input).as_str().as_bytes()).to_hex();
        notes.calls.push(format!("{kind} `{name}` {}", &hash[..16]));
        let index = u32::try_from(index).unwrap();
        self.clock.advance(Timestamp::from_micros(1_700_000_000_000_000 + 1_000_003 * i64::from(index + 1)));
        Ok(index)
    }

    /// What a call comes to: as it was recorded, or as `live` says, which is recorded then.
    async fn answer(&self, index: u32, live: impl Future<Output = Answer>) -> Answer {
        let known = self.notes.lock().unwrap().answers.get(&index).cloned();
        match known {
            Some(answer) => answer,
            None => {
                let answer = live.await;
                self.notes.lock().unwrap().answers.insert(index, answer.clone());
                answer
            }
        }
    }

    async fn body(&self, request: &CheckpointRequest) -> Answer {
        let (input, grants) = (request.input.to_string(), Grants::default());
        let ran = self.program.run_checkpoint(CheckpointRun {
            name: &request.name,
            input: &input,
            grants: &grants,
            port: Box::new(Body),
            log: Arc::new(Silent),
            limits: Limits { checkpoint_seconds: 60, ..Limits::default() },
            timeout: Some(Duration::from_secs(60)),
            audit: Audit::default(),
            seat: Ceiling::default().exempt(),
        });
        match ran.await {
            Ran::Returned(value) => Ok(value),
            Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(failure),
            Ran::Stopped(stop) => panic!("a body was stopped: {stop}"),
        }
    }

    async fn outcome(&self, index: u32, call: &Submitted) -> Answer {
        let live = async {
            match call {
                Submitted::Checkpoint(request) => self.body(request).await,
                // Whoever is asked says yes, where that is an answer.
                Submitted::Wait(_) => Ok("true".into()),
                Submitted::Sleep(..) => Ok("null".into()),
                Submitted::Flow(_) => Err(Failure::runtime("not-found", "there are no other flows in an audit")),
                Submitted::Model(_) => Err(Failure::runtime("not-configured", "there are no models in an audit")),
            }
        };
        self.answer(index, live).await
    }
}

/// Kind, name and input of a call.
fn described(call: &Submitted) -> (&'static str, String, Value) {
    match call {
        Submitted::Checkpoint(request) => ("checkpoint", request.name.clone(), request.input.clone()),
        Submitted::Wait(request) => ("wait", request.name.clone().unwrap_or_default(), Value::from(format!("{request:?}"))),
        Submitted::Sleep(name, milliseconds) => ("sleep", name.clone().unwrap_or_default(), Value::from(*milliseconds)),
        Submitted::Flow(request) => ("flow", request.flow.clone(), request.input.clone()),
        Submitted::Model(request) => ("model", String::new(), request.clone()),
    }
}

#[async_trait]
impl FlowPort for Calls {
    async fn checkpoint(&mut self, request: CheckpointRequest) -> Result<Answer, Stop> {
        let index = self.note("checkpoint", &request.name, &request.input)?;
        Ok(self.outcome(index, &Submitted::Checkpoint(request)).await)
    }

    async fn submit(&mut self, call: Submitted) -> Result<Result<u32, Failure>, Stop> {
        let (kind, name, input) = described(&call);
        let index = self.note(kind, &name, &input)?;
        self.submitted.insert(index, call);
        Ok(Ok(index))
    }

    async fn result(&mut self, call: u32) -> Result<Answer, Stop> {
        let submitted = self.submitted[&call].clone();
        Ok(self.outcome(call, &submitted).await)
    }

    async fn first(&mut self, calls: Vec<u32>) -> Result<Result<u32, Failure>, Stop> {
        self.note("first", "", &Value::from(calls))?;
        Ok(Ok(0))
    }

    async fn cancel(&mut self, _: u32) -> Result<(), Stop> {
        Ok(())
    }

    fn forget(&mut self, _: u32) {}

    async fn start(&mut self, request: ChildRequest) -> Result<Answer, Stop> {
        self.note("start", &request.flow, &request.input)?;
        Ok(Err(Failure::runtime("not-found", "there are no other flows in an audit")))
    }

    fn made(&self) -> u32 {
        u32::try_from(self.notes.lock().unwrap().calls.len()).unwrap()
    }

    fn record(&mut self, _: Vec<(String, Value)>) {}

    fn current(&mut self) -> Current {
        Current {
            execution: "00000000-0000-7000-8000-000000000000".into(),
            flow: "audited".into(),
            attempt: 1,
            is_replay: false,
            idempotency_key: None,
        }
    }
}

/// What bodies reach: nothing that lasts.
struct Body;

#[async_trait]
impl CheckpointPort for Body {
    async fn save(&mut self, name: String, _: ArtifactValue, _: String, _: Vec<String>) -> Result<Answer, Stop> {
        Ok(Ok(format!("artifact-{name}")))
    }

    async fn load(&mut self, _: String, name: String) -> Result<Result<ArtifactValue, Failure>, Stop> {
        Ok(Err(Failure::runtime("not-found", format!("there is no artifact `{name}`"))))
    }

    fn record(&mut self, _: Vec<(String, Value)>) {}

    fn current(&mut self) -> Current {
        Current {
            execution: "00000000-0000-7000-8000-000000000000".into(),
            flow: "audited".into(),
            attempt: 1,
            is_replay: false,
            idempotency_key: Some("00000000-0000-7000-8000-000000000000:0".into()),
        }
    }
}

struct Silent;

impl LogSink for Silent {
    fn line(&self, _: LogLevel, _: &'static str, _: String) {}
    fn progress(&self, _: String, _: Option<f64>) {}
}
