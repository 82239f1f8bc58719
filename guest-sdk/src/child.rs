//! Calls of flows by name: child executions.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::kitaru::flow::{flows, types};
use crate::{Error, Pending, Result, json as text};

/// A call of a flow that is being prepared. It happens, durably, in [`Child::call`], [`Child::submit`] or [`Child::start`].
///
/// The child is an execution of its own, with its own ID, journal and answers. A flow of another component is given no grants.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[flow]
/// fn parent(cx: &Flow, component: String) -> Result<String> {
///     cx.child("review_flow").component(component).input(json!({ "topic": "tides" })).call()
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until `.call()`, `.submit()` or `.start()`"]
pub struct Child {
    request: flows::Request,
}

impl Child {
    pub(crate) fn new(flow: String) -> Self {
        Self { request: flows::Request { flow, component: None, input: "{}".into(), id: None } }
    }

    /// The SHA-256 of the component that has the flow, in hexadecimal; the host must know it. This component, if none is given.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, digest: &str) -> Result<Value> { cx.child("review").component(digest).call() }
    /// ```
    pub fn component(mut self, digest: impl Into<String>) -> Self {
        self.request.component = Some(digest.into());
        self
    }

    /// The flow's arguments: a JSON object.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Value> { cx.child("review").input(json!({ "topic": "tides" })).call() }
    /// ```
    pub fn input(mut self, arguments: Value) -> Self {
        self.request.input = arguments.to_string();
        self
    }

    /// An invocation ID of the author's own.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Value> { cx.child("review").id("second_opinion").call() }
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.id = Some(id.into());
        self
    }

    /// Starts the flow and returns its result. It is cancelled when this execution is.
    ///
    /// # Errors
    /// [`Error::Failed`] with the child's failure, whose details name its execution; [`Error::Serialization`] where the result is
    /// no `T`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.child("greet").input(json!({ "name": "Ada" })).call() }
    /// ```
    pub fn call<T: DeserializeOwned>(self) -> Result<T> {
        let outcome = flows::call(&self.request);
        decoded(&self.request.flow, outcome)
    }

    /// Starts the flow without waiting for its result.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses. The handle's errors are those of [`Child::call`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> {
    /// let greeting = cx.child("greet").input(json!({ "name": "Ada" })).submit::<String>()?;
    /// greeting.load()
    /// # }
    /// ```
    pub fn submit<T: DeserializeOwned + 'static>(self) -> Result<Pending<T>> {
        let handle = flows::submit(&self.request).map_err(Error::from)?;
        let flow = self.request.flow;
        Ok(Pending::new(handle, move |outcome| decoded(&flow, outcome)))
    }

    /// Starts the flow as an execution that goes its own way, and returns its ID.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses: there is no such flow, or its arguments do not fit.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.child("clean_up").start() }
    /// ```
    pub fn start(self) -> Result<String> {
        flows::start(&self.request).map_err(Error::from)
    }
}

fn decoded<T: DeserializeOwned>(flow: &str, outcome: Result<String, types::Failure>) -> Result<T> {
    text::from_text(&outcome.map_err(Error::from)?)
        .map_err(|error| Error::serialization(format!("the result of flow `{flow}` has an unexpected form: {error}")))
}
