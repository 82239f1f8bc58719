//! Puts a component into a pipeline: in all its places, or in none.

use std::sync::Arc;

use kitaru_llm::event::Event;
use kitaru_llm::pipeline::{Hooks, Registration, Registrations, RegistryError};
use kitaru_llm::policy::middleware::CallContext;
use tokio::runtime::Handle;

use super::adapters::{NoStreams, Placed};
use super::component::MiddlewareComponent;
use super::events::{EventQueue, FlowsOfScopes, Sending};
use super::manifest::{StreamedCalls, Surface};

/// Tells the flow that an event is of, where it is of one.
pub type FlowOfEvent = Arc<dyn Fn(&Event) -> Option<String> + Send + Sync>;

/// What middleware has to know of the calls that it is placed around.
#[derive(Clone)]
pub struct Placement {
    /// Knows the calls: model, alias, flow.
    pub context: Arc<dyn CallContext>,
    /// Knows the flow of an event. Without it, a component for some flows only gets no events.
    pub flow_of_event: Option<FlowOfEvent>,
}

/// Middleware could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Something of the kind has that name, or the owner has ended.
    #[error("middleware `{middleware}` ({surface})")]
    Registry {
        /// The middleware.
        middleware: String,
        /// Where it was to stand.
        surface: Surface,
        /// Why it cannot.
        #[source]
        source: RegistryError,
    },
    /// Events are delivered by a task, and there is nothing to run it.
    #[error("middleware `{middleware}` receives events, so it must be registered in a Tokio runtime")]
    NoRuntime {
        /// The middleware.
        middleware: String,
    },
}

/// Middleware in its places. Dropping this changes nothing.
pub struct RegisteredMiddleware {
    component: MiddlewareComponent,
    registrations: Arc<Registrations>,
    queue: Option<EventQueue>,
}

impl RegisteredMiddleware {
    /// Takes it out of all its places. Calls that have begun still see it.
    pub fn deregister(&self) {
        self.component.remove(&self.registrations, self.component.surfaces());
    }

    /// Waits until it was given every event of before.
    pub async fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.flush().await;
        }
    }

    /// How many events it was given and did not take.
    pub fn failed_events(&self) -> u64 {
        self.queue.as_ref().map_or(0, EventQueue::failures)
    }
}

/// Registers all of `components`, in order.
///
/// # Errors
/// When one of them cannot be; then none is.
pub fn register_all(
    components: &[MiddlewareComponent],
    to: &Arc<Registrations>,
    placement: &Placement,
) -> Result<Vec<RegisteredMiddleware>, RegisterError> {
    let mut registered = Vec::with_capacity(components.len());
    for component in components {
        match component.register(to, placement) {
            Ok(one) => registered.push(one),
            Err(error) => {
                registered.iter().for_each(RegisteredMiddleware::deregister);
                return Err(error);
            }
        }
    }
    Ok(registered)
}

impl MiddlewareComponent {
    /// Registers it in all its places, with its name, priority and time limit.
    ///
    /// # Errors
    /// When it cannot stand in one of them; then it stands in none.
    pub fn register(&self, to: &Arc<Registrations>, placement: &Placement) -> Result<RegisteredMiddleware, RegisterError> {
        let queue = if self.surfaces().contains(&Surface::OnEvent) {
            let runtime = Handle::try_current().map_err(|_| RegisterError::NoRuntime { middleware: self.name().to_owned() })?;
            Some(EventQueue::start(self.clone(), &runtime))
        } else {
            None
        };
        let surfaces = self.surfaces();
        for (at, surface) in surfaces.iter().enumerate() {
            if let Err(source) = self.place(to, placement, *surface, queue.as_ref()) {
                self.remove(to, surfaces.get(..at).unwrap_or_default());
                return Err(RegisterError::Registry { middleware: self.name().to_owned(), surface: *surface, source });
            }
        }
        Ok(RegisteredMiddleware { component: self.clone(), registrations: to.clone(), queue })
    }

    fn place(
        &self,
        to: &Registrations,
        placement: &Placement,
        surface: Surface,
        queue: Option<&EventQueue>,
    ) -> Result<(), RegistryError> {
        let Hooks {
            guardrails,
            request_intercepts,
            request_sanitizers,
            response_sanitizers,
            reason_sanitizers,
            execution_intercepts,
        } = &to.llm;
        let version = self.version();
        let registration = || Registration::new(self.name(), self.priority()).version(&version).time_limit(self.timeout());
        let placed = || Placed { component: self.clone(), context: placement.context.clone() };
        match surface {
            Surface::Check => guardrails.register(registration(), Arc::new(placed())),
            Surface::Rewrite if self.breaks_chain() => {
                request_intercepts.register(registration().break_chain(), Arc::new(placed()))
            }
            Surface::Rewrite => request_intercepts.register(registration(), Arc::new(placed())),
            Surface::SanitizeRequest => {
                request_sanitizers.register(registration(), Arc::new(placed()))?;
                reason_sanitizers.register(registration(), Arc::new(placed())).inspect_err(|_| {
                    request_sanitizers.deregister(self.name());
                })
            }
            // Once is enough for what both surfaces do with a reason.
            Surface::SanitizeResponse if self.surfaces().contains(&Surface::SanitizeRequest) => {
                response_sanitizers.register(registration(), Arc::new(placed()))
            }
            Surface::SanitizeResponse => {
                response_sanitizers.register(registration(), Arc::new(placed()))?;
                reason_sanitizers.register(registration(), Arc::new(placed())).inspect_err(|_| {
                    response_sanitizers.deregister(self.name());
                })
            }
            Surface::Execute => {
                execution_intercepts.register(registration(), Arc::new(placed()))?;
                let streams = match self.streams() {
                    None | Some(StreamedCalls::Pass) => Ok(()),
                    Some(StreamedCalls::Refuse) => {
                        to.llm_stream_intercepts.register(registration(), Arc::new(NoStreams(placed())))
                    }
                };
                streams.inspect_err(|_| {
                    execution_intercepts.deregister(self.name());
                })
            }
            Surface::OnEvent => match queue {
                Some(queue) => {
                    let flow_of = placement.flow_of_event.clone();
                    let sending =
                        Sending { component: self.clone(), queue: queue.clone(), flow_of, scopes: FlowsOfScopes::default() };
                    to.subscribers.register(registration(), Arc::new(sending))
                }
                None => Ok(()),
            },
        }
    }

    fn remove(&self, from: &Registrations, surfaces: &[Surface]) {
        let name = self.name();
        for surface in surfaces {
            match surface {
                Surface::Check => from.llm.guardrails.deregister(name),
                Surface::Rewrite => from.llm.request_intercepts.deregister(name),
                Surface::SanitizeRequest => {
                    from.llm.reason_sanitizers.deregister(name);
                    from.llm.request_sanitizers.deregister(name)
                }
                Surface::SanitizeResponse => {
                    from.llm.reason_sanitizers.deregister(name);
                    from.llm.response_sanitizers.deregister(name)
                }
                Surface::Execute => {
                    let refused = self.streams() == Some(StreamedCalls::Refuse) && from.llm_stream_intercepts.deregister(name);
                    from.llm.execution_intercepts.deregister(name) || refused
                }
                Surface::OnEvent => from.subscribers.deregister(name),
            };
        }
    }
}
