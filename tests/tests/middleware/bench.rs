//! What the tests of middleware are made with: the component, and a pipeline around a model that answers with what it was asked.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kitaru_host::journal::LogLevel;
use kitaru_host::sandbox::middleware::{
    MiddlewareComponent, MiddlewareError, MiddlewareProblem, MiddlewareSettings, Placement, RegisteredMiddleware, Surface,
};
use kitaru_host::sandbox::{LogSink, Sandbox};
use kitaru_llm::chat::RawRequest;
use kitaru_llm::event::Event;
use kitaru_llm::pipeline::{CallError, CallInfo, CallOptions, Execute, Failure, FromFn, LlmCall, Pipeline, Registration, Stage};
use kitaru_llm::policy::middleware::CallFacts;
use kitaru_tests::fixture;
use serde_json::{Value, json};

/// One for all tests, so that the component is compiled once.
pub(crate) async fn sandbox() -> Arc<Sandbox> {
    static SANDBOX: tokio::sync::OnceCell<Arc<Sandbox>> = tokio::sync::OnceCell::const_new();
    let made = || async {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("middleware");
        std::fs::create_dir_all(&folder).unwrap();
        Sandbox::new(Some(&folder), [7; 32]).unwrap()
    };
    SANDBOX.get_or_init(made).await.clone()
}

pub(crate) async fn load(settings: MiddlewareSettings) -> MiddlewareComponent {
    let bytes = std::fs::read(fixture("middleware")).unwrap();
    MiddlewareComponent::load(&sandbox().await, &bytes, settings).await.unwrap()
}

pub(crate) fn settings(config: Value) -> MiddlewareSettings {
    let Value::Object(config) = config else { panic!("a configuration is an object") };
    // Where many tests run at a time, a second may pass before anything happened.
    MiddlewareSettings { config, timeout: Duration::from_secs(20), ..MiddlewareSettings::default() }
}

/// Misbehaves in one place.
pub(crate) fn misbehaving(surface: Surface, how: &str) -> MiddlewareSettings {
    settings(json!({ "misbehave": { "surface": surface, "how": how } }))
}

pub(crate) fn context() -> Placement {
    let facts = |call: &CallInfo| CallFacts {
        resolved_model: "test/model".into(),
        alias: Some("fast".into()),
        flow: call.metadata["flow"].as_str().map(str::to_owned),
        ..CallFacts::default()
    };
    Placement {
        context: Arc::new(facts),
        flow_of_event: Some(Arc::new(|event: &Event| event.metadata["flow"].as_str().map(str::to_owned))),
    }
}

/// A pipeline around a model that answers with what it was asked.
pub(crate) struct Bench {
    pub(crate) pipeline: Pipeline,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) asked: Arc<Mutex<Vec<RawRequest>>>,
    /// How many of its first answers are failures.
    pub(crate) failing: Arc<AtomicUsize>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench =
            Self { pipeline: Pipeline::default(), events: Arc::default(), asked: Arc::default(), failing: Arc::default() };
        let events = bench.events.clone();
        let log = move |event: &Event| events.lock().unwrap().push(event.clone());
        bench.pipeline.registrations().subscribers.register(Registration::new("log", 0), Arc::new(log)).unwrap();
        bench
    }

    pub(crate) async fn with(settings: MiddlewareSettings) -> Self {
        let bench = Self::new();
        bench.register(&load(settings).await);
        bench
    }

    pub(crate) fn register(&self, component: &MiddlewareComponent) -> RegisteredMiddleware {
        component.register(self.pipeline.registrations(), &context()).unwrap()
    }

    pub(crate) fn model(&self) -> Arc<dyn Execute<RawRequest>> {
        let (asked, failing) = (self.asked.clone(), self.failing.clone());
        Arc::new(FromFn(move |request: RawRequest| {
            let (asked, failing) = (asked.clone(), failing.clone());
            async move {
                let echo = json!({ "echo": request.content });
                asked.lock().unwrap().push(request);
                let fails = failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
                if fails { Err(Failure::new("503", std::io::Error::other("try later"))) } else { Ok(echo) }
            }
        }))
    }

    pub(crate) async fn call(&self, call: LlmCall) -> Result<Value, CallError> {
        call.run(&self.pipeline.stack(), self.model()).await
    }

    pub(crate) async fn run(&self) -> Result<Value, CallError> {
        self.call(call()).await
    }

    pub(crate) fn asked(&self) -> Vec<RawRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// Start and end of the call itself.
    pub(crate) fn recorded(&self) -> (Event, Event) {
        let events = self.events.lock().unwrap();
        let of_call = |event: &&Event| event.name == "chat" && event.profile.is_some();
        let start = events.iter().filter(of_call).find(|event| event.is_start()).unwrap().clone();
        let end = events.iter().filter(of_call).find(|event| event.is_end()).unwrap().clone();
        (start, end)
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.events.lock().unwrap().iter().any(|event| event.profile.is_some())
    }
}

pub(crate) fn content() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "my secret is kept" }], "max_tokens": 500, "temperature": 0.1 })
}

pub(crate) fn call() -> LlmCall {
    let mut request = RawRequest::new(content());
    request.headers.insert("Authorization".into(), json!("Bearer marker"));
    LlmCall {
        options: CallOptions { metadata: json!({ "flow": "writer" }), ..CallOptions::default() },
        ..LlmCall::new("chat", request)
    }
}

#[track_caller]
pub(crate) fn rejected(result: Result<Value, CallError>) -> String {
    match result {
        Err(CallError::Rejected { guardrail, reason }) if guardrail == "configured" => reason,
        other => panic!("it should be rejected by `configured`: {other:?}"),
    }
}

/// The problem of a guardrail or request intercept that failed.
#[track_caller]
pub(crate) fn failed(result: Result<Value, CallError>, at: Stage) -> MiddlewareProblem {
    match result {
        Err(CallError::Middleware { stage, name, cause }) if stage == at && name == "configured" => {
            let text = cause.to_string();
            assert!(text.starts_with("middleware `configured` ("), "{text}");
            cause.downcast_ref::<MiddlewareError>().unwrap_or_else(|| panic!("{text}")).problem.clone()
        }
        other => panic!("the {at} should fail: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn not_executed(result: Result<Value, CallError>) -> (String, MiddlewareProblem) {
    match result {
        Err(CallError::Execution(failure)) => {
            let problem = failure.downcast_ref::<MiddlewareError>().unwrap_or_else(|| panic!("{failure:?}")).problem.clone();
            (failure.error_type().to_owned(), problem)
        }
        other => panic!("the execution should fail: {other:?}"),
    }
}

/// What middleware says, line by line.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _: LogLevel, module: &'static str, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{module}: {message}"));
    }

    fn progress(&self, _: String, _: Option<f64>) {}
}
