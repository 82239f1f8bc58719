//! What flows and checkpoints have in common: who they are, and what they tell about themselves. Also the sealed marker of
//! flow scope, for generic code.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::bindings::kitaru::flow::{execution, log};
use crate::llm::{Llm, Prompt};
use crate::{Checkpoint, Error, Flow, Result, json};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Flow {}
    impl Sealed for crate::Checkpoint {}
}

/// What both scopes offer. Implemented by [`Flow`] and [`Checkpoint`] and by nothing else, so that a function of your own can
/// take either.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// fn announce(cx: &impl Scope, what: &str) -> Result<()> {
///     cx.info(format!("{what} in {}", cx.execution_id()));
///     cx.log("stage", what)
/// }
/// ```
pub trait Scope: sealed::Sealed {
    /// Records structured metadata: on the execution when a flow logs it, on the checkpoint call when a checkpoint does. Objects
    /// logged under one key are merged; of anything else the latest value stands.
    ///
    /// # Errors
    /// [`Error::Serialization`] for a value that is not JSON, [`Error::Failed`] where the host refuses it (a limit).
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    /// fn price(cx: &Checkpoint) -> Result<()> {
    ///     cx.log("cost", json!({ "usd": 0.001 }))?;
    ///     cx.log("cost", json!({ "tokens": 42 })) // now {"usd": 0.001, "tokens": 42}
    /// }
    /// ```
    fn log(&self, key: &str, value: impl Serialize) -> Result<()> {
        log::record(&[(key.to_owned(), json::to_text(&value)?)]).map_err(Error::from)
    }

    /// Records several keys at once: the fields of a JSON object.
    ///
    /// # Errors
    /// Like [`Scope::log`]; [`Error::Serialization`] also for a value that is not an object.
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    /// fn describe(cx: &Flow) -> Result<()> {
    ///     cx.log_all(json!({ "topic": "tides", "stage": "draft" }))
    /// }
    /// ```
    fn log_all(&self, fields: Value) -> Result<()> {
        let Value::Object(fields) = fields else {
            return Err(Error::serialization("`log_all` takes a JSON object, whose fields become the logged keys"));
        };
        let entries: Vec<(String, String)> = fields.into_iter().map(|(key, value)| (key, value.to_string())).collect();
        log::record(&entries).map_err(Error::from)
    }

    /// Writes a line to the execution's log, at level `trace`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) { cx.trace("token by token"); }
    /// ```
    fn trace(&self, message: impl fmt::Display) {
        log::line(log::Level::Trace, &message.to_string());
    }

    /// Writes a line to the execution's log, at level `debug`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) { cx.debug("cache is cold"); }
    /// ```
    fn debug(&self, message: impl fmt::Display) {
        log::line(log::Level::Debug, &message.to_string());
    }

    /// Writes a line to the execution's log, at level `info`. So does everything printed to stdout.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) { cx.info(format!("{} pages read", 12)); }
    /// ```
    fn info(&self, message: impl fmt::Display) {
        log::line(log::Level::Info, &message.to_string());
    }

    /// Writes a line to the execution's log, at level `warn`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) { cx.warn("no sources: the draft will be thin"); }
    /// ```
    fn warn(&self, message: impl fmt::Display) {
        log::line(log::Level::Warn, &message.to_string());
    }

    /// Writes a line to the execution's log, at level `error`. It does not end anything: return an [`Error`] for that.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) { cx.error("the supplier does not answer"); }
    /// ```
    fn error(&self, message: impl fmt::Display) {
        log::line(log::Level::Error, &message.to_string());
    }

    /// Shows live progress, with the completed fraction (0 to 1) where it is known. It is not part of the durable record.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) { cx.progress("reading", Some(0.5)); }
    /// ```
    fn progress(&self, message: &str, fraction: Option<f64>) {
        log::progress(message, fraction);
    }

    /// Prepares a call of a language model: a text, or a conversation as a list of [`Message`](crate::llm::Message)s. Nobody is asked until
    /// [`Llm::text`] or one of its siblings.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("What is a tide?").model("fast").text() }
    /// ```
    fn llm(&self, prompt: impl Into<Prompt>) -> Llm<Self>
    where
        Self: Sized,
    {
        Llm::new(prompt.into())
    }

    /// The execution's ID, a UUID in text form. A replay has an ID of its own.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> String { cx.execution_id() }
    /// ```
    fn execution_id(&self) -> String {
        execution::get_current().execution_id
    }

    /// The name of the flow that runs.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> String { cx.flow_name() }
    /// ```
    fn flow_name(&self) -> String {
        execution::get_current().flow
    }

    /// True in an execution that replays another one. Recovery after a crash or a wait is not a replay.
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    /// fn notify(cx: &Checkpoint) -> Result<()> {
    ///     if cx.is_replay() {
    ///         cx.info("a replay: nobody is notified again");
    ///         return Ok(());
    ///     }
    ///     cx.write("outbox/note.txt", "done")
    /// }
    /// ```
    fn is_replay(&self) -> bool {
        execution::get_current().is_replay
    }
}

impl Scope for Flow {}
impl Scope for Checkpoint {}

/// The scope of a flow: what calling a checkpoint needs. Implemented by [`Flow`] alone.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn fetch(cx: &Checkpoint, page: u32) -> Result<String> {
///     Ok(format!("page {page}"))
/// }
///
/// fn fetch_all(cx: &impl FlowScope, pages: u32) -> Result<Vec<String>> {
///     (1..=pages).map(|page| fetch(cx, page)).collect()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a checkpoint can only be called from a flow",
    label = "this is a `{Self}`, and calling a checkpoint needs a `&Flow`",
    note = "call it in the `#[flow]` function, before or after this checkpoint, and pass its value on as an argument"
)]
pub trait FlowScope: Scope {}
impl FlowScope for Flow {}
