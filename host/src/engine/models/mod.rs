//! Calls of models: in a flow durable calls of their own, in a checkpoint records of the body.
//!
//! Uses the gateway of `kitaru-llm`, which makes a call and knows nothing of journals; what is here gives it a name, a place and a grant, keeps
//! what it leaves behind, and decides what a crash or a missing key means. Keeps E1 (a recorded answer is served, and neither middleware nor a
//! provider runs), E3 (everything before a call is durable before the call is made) and E4.

mod body;
mod chunk;
mod durable;
mod given;
mod kept;
mod live;
mod looking;
mod missing;
mod names;
mod overheard;
mod place;
mod places;
mod relay;
mod reused;
mod said;
mod secrets;
mod stream;
mod uses;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(super) use body::BodyCalls;
pub use chunk::{LiveChunk, Said};
pub(super) use live::Live;
pub use live::LiveText;
pub(super) use looking::{LEFT_TO_OTHERS, Looked};
pub(super) use missing::{is_marked, waited};
pub(super) use names::{CHECKPOINT_TYPE, ModelNames};
pub use overheard::Overheard;
pub(super) use reused::{Reuse, reused};

use kitaru_llm::clock::SystemClock;
use kitaru_llm::event::Event;
use kitaru_llm::gateway::{AfterCrash, CallFailure, CallRequest, FailureOrigin, Gateway, GatewayConfig, Services};
use kitaru_llm::ids::SystemIds;
use kitaru_llm::models::{Environment, FrozenModels, OnMissing};
use kitaru_llm::policy::ResponseStore;
use kitaru_llm::provider::{AnyAddress, SystemNames};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Engine, EngineError};
use crate::journal::{Failure, Origin};
use crate::models::{StoredAnswers, StoredLedger};
use crate::sandbox::middleware::{MiddlewareComponent, Placement, register_all};

/// Middleware that was loaded, or why it could not be.
pub type LoadedMiddleware = Result<Vec<MiddlewareComponent>, Arc<dyn std::error::Error + Send + Sync>>;

/// Loads middleware when the first model is called.
pub type LoadMiddleware = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = LoadedMiddleware> + Send>> + Send + Sync>;

/// What models mean now, for executions that were created when nothing was configured; or why that cannot be told.
pub type ModelsNow = Arc<dyn Fn() -> Result<FrozenModels, Arc<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// The models of a host.
pub(super) struct Models {
    config: GatewayConfig,
    services: Services,
    now: ModelsNow,
    middleware: Option<LoadMiddleware>,
    /// Made when the first model is called: most commands call none, and it costs them nothing.
    gateway: OnceCell<Gateway>,
}

impl Models {
    async fn gateway(&self) -> Result<&Gateway, EngineError> {
        self.gateway.get_or_try_init(|| self.make()).await
    }

    async fn make(&self) -> Result<Gateway, EngineError> {
        let gateway = Gateway::new(&self.config, self.services.clone()).map_err(EngineError::Models)?;
        if let Some(load) = &self.middleware {
            let components = load().await.map_err(EngineError::Middleware)?;
            // The beginning and the end of a call say whose it is.
            let flow_of = |event: &Event| event.metadata.get("kitaru.flow").and_then(Value::as_str).map(str::to_owned);
            let placement = Placement { context: gateway.context(), flow_of_event: Some(Arc::new(flow_of)) };
            register_all(&components, gateway.pipeline().registrations(), &placement)
                .map_err(|error| EngineError::Middleware(Arc::new(error)))?;
        }
        Ok(gateway)
    }

    fn on_missing(&self) -> OnMissing {
        self.config.on_missing
    }

    fn after_crash(&self) -> AfterCrash {
        self.config.after_crash
    }

    /// What models mean for an execution: what was frozen, if that is anything.
    fn of(&self, frozen: &FrozenModels) -> Result<FrozenModels, EngineError> {
        let nothing = frozen.registry.aliases.is_empty() && frozen.registry.default.is_none() && frozen.default_model.is_none();
        if nothing { (self.now)().map_err(EngineError::Aliases) } else { Ok(frozen.clone()) }
    }
}

impl Engine {
    /// The same engine, whose flows reach models as `config` says, through what `middleware` loads. Keys come from `environment` and from the secrets of the store; budgets and
    /// answers are shared by all processes of the data folder. `now` is asked what models mean for executions that were created when nothing was
    /// configured.
    #[must_use]
    pub fn with_models(
        self,
        config: GatewayConfig,
        middleware: Option<LoadMiddleware>,
        environment: Arc<dyn Environment>,
        now: ModelsNow,
    ) -> Self {
        let (store, clock, ids) = (self.store.clone(), self.clock.clone(), self.ids.clone());
        let cache = config.cache.as_ref().map(|policy| {
            let answers =
                StoredAnswers::new(store.clone(), clock.clone(), StoredAnswers::BOUNDS, Duration::from_secs(policy.ttl_seconds));
            Arc::new(answers) as Arc<dyn ResponseStore>
        });
        let services = Services {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            environment,
            secrets: self.secret_source(),
            ledger: Arc::new(StoredLedger::new(store, clock)),
            cache,
            names: Arc::new(SystemNames),
            addresses: Arc::new(AnyAddress),
            chance: Arc::new(move || ids.fraction()),
        };
        let models = Models { config, services, now, middleware, gateway: OnceCell::new() };
        Self { models: Some(Arc::new(models)), ..self }
    }

    /// What calls models.
    ///
    /// # Errors
    /// When this engine was given nothing to call them with, or its settings or middleware cannot be used.
    pub async fn models(&self) -> Result<&Gateway, EngineError> {
        match &self.models {
            Some(models) => models.gateway().await,
            None => Err(EngineError::NoModels),
        }
    }
}

/// What a call comes to where there is nothing to call models with.
fn unusable(error: &EngineError) -> Failure {
    let kind = match error {
        // Nothing goes past middleware that could not be loaded.
        EngineError::Middleware(_) => CallFailure::MIDDLEWARE,
        _ => CallFailure::NOT_CONFIGURED,
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message.push_str(&format!(": {source}"));
        cause = source.source();
    }
    Failure::runtime(kind, message)
}

/// A request, as a guest wrote it.
fn read(request: &Value) -> Result<CallRequest, Failure> {
    serde_json::from_value(request.clone())
        .map_err(|error| Failure::usage(format!("the model's request cannot be read: {error}")))
}

/// A failed call, as it is journaled and as the guest sees it.
fn failure(failure: CallFailure) -> Failure {
    let origin = match failure.origin {
        FailureOrigin::User => Origin::UserCode,
        FailureOrigin::Runtime => Origin::Runtime,
        FailureOrigin::Backend => Origin::Backend,
    };
    let mut details = match failure.details {
        Some(Value::Object(map)) => map,
        Some(other) => serde_json::Map::from_iter([("details".to_owned(), other)]),
        None => serde_json::Map::new(),
    };
    if let Some(hint) = failure.hint {
        details.insert("hint".into(), json!(hint));
    }
    let details = (!details.is_empty()).then(|| Value::Object(details).to_string());
    Failure {
        kind: failure.kind.to_owned(),
        message: failure.message,
        origin,
        retryable: failure.retryable,
        call_index: None,
        details,
    }
}
