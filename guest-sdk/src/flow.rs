//! The flow's scope: waiting, and time and random numbers that are the same whenever the flow is re-executed.

use std::time::{Duration, SystemTime};

use crate::answer::Wait;
use crate::bindings::kitaru::flow::wait;
use crate::child::Child;
use crate::{Error, Pending, Result, entropy};

/// What a flow's body may do. A flow function gets it as its first parameter.
///
/// Flows are re-executed from the top after every interruption, so they see nothing of the outside world: no files, no network,
/// no environment, a clock and random numbers that repeat. All work happens in checkpoints.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[flow]
/// fn greet(cx: &Flow, name: String) -> Result<String> {
///     Ok(format!("Hello, {name}!"))
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Flow {
    _private: (),
}

impl Flow {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }

    /// Prepares a wait for a person or another program: a question with a yes or no, unless [`Wait::schema`] says otherwise.
    /// Nothing happens until [`Wait::ask`].
    ///
    /// Several waits may share a name, for instance in a loop: each is one of its own.
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[flow]
    /// fn release(cx: &Flow) -> Result<String> {
    ///     let approved: bool = cx.wait("approve").question("Release now?").ask()?;
    ///     Ok(if approved { "released" } else { "kept back" }.into())
    /// }
    /// # fn main() {}
    /// ```
    pub fn wait(&self, name: impl Into<String>) -> Wait<bool> {
        Wait::new(Some(name.into()))
    }

    /// Like [`Flow::wait`], named by the host: `wait`, `wait_2` …
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<bool> {
    /// cx.wait_unnamed().question("Go on?").ask()
    /// # }
    /// ```
    pub fn wait_unnamed(&self) -> Wait<bool> {
        Wait::new(None)
    }

    /// Goes on when `duration` has passed, counted from the first time that this call was made, whatever happens to the host
    /// meanwhile: milliseconds or months. It costs nothing while it lasts.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses (a limit).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # use std::time::Duration;
    /// # fn f(cx: &Flow) -> Result<()> { cx.sleep(Duration::from_secs(3_600)) }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        wait::sleep(None, milliseconds(duration)).map_err(Error::from)
    }

    /// Like [`Flow::sleep`], without waiting: a handle whose outcome is there when `duration` has passed, to select among others
    /// or to await.
    ///
    /// # Errors
    /// Like [`Flow::sleep`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # use std::time::Duration;
    /// # fn f(cx: &Flow) -> Result<kitaru::Pending<()>> { cx.timer(Duration::from_secs(60)) }
    /// ```
    pub fn timer(&self, duration: Duration) -> Result<Pending<()>> {
        let handle = wait::submit_sleep(None, milliseconds(duration)).map_err(Error::from)?;
        Ok(Pending::new(handle, |outcome| outcome.map(drop).map_err(Error::from)))
    }

    /// Prepares a call of a flow by name, of this component or another: an execution of its own, a child of this one. Flows of
    /// this component are called by their functions' names too: `review::call(cx, ..)`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, component: String) -> Result<Value> {
    /// cx.child("review").component(component).input(json!({ "topic": "tides" })).call()
    /// # }
    /// ```
    pub fn child(&self, flow: impl Into<String>) -> Child {
        Child::new(flow.into())
    }

    /// The time of the last recorded event of this execution, not of the wall clock: when the flow is re-executed it sees the
    /// same time again. `SystemTime::now()` in a flow answers the same.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<()> {
    /// let seconds = cx.now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    /// cx.log("started_at", seconds)
    /// # }
    /// ```
    pub fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Sixty-four random bits from the execution's own seed: different for every execution, the same whenever it is re-executed,
    /// and the same in a replay of it.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> bool {
    /// let sampled = cx.random() % 10 == 0;
    /// # sampled
    /// # }
    /// ```
    pub fn random(&self) -> u64 {
        entropy::random()
    }
}

/// Whole milliseconds, rounded up: nothing ends earlier than its author asked.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    whole.saturating_add(u64::from(!duration.subsec_nanos().is_multiple_of(1_000_000)))
}

/// Whole seconds, rounded up: a wait is never left earlier than its author asked.
pub(crate) fn seconds_rounded_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
