//! Calls under way: handles on durable calls that were submitted, which can be loaded, selected among and awaited.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::bindings::kitaru::flow::{calls, types};
use crate::{Error, Result, executor};

/// A durable call that was submitted: a checkpoint, a wait, a sleep or a child flow that is under way beside the flow.
///
/// [`Pending::load`] waits for its outcome; [`select`](crate::select()) waits for the first of several; in an `async` flow a `Pending` is
/// a future. Whatever the order in which calls end, a re-executed flow sees the same.
///
/// Dropping it ends nothing: a flow that returns well waits for the checkpoints and child flows that it submitted. Only
/// [`Pending::cancel`] ends a call, and dropping a future that was awaited and had not ended, as `select!` does with those that lose.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn fetch(cx: &Checkpoint, page: u32) -> Result<String> {
///     Ok(format!("page {page}"))
/// }
///
/// #[flow]
/// fn both(cx: &Flow) -> Result<String> {
///     let first = fetch::submit(cx, 1)?;
///     let second = fetch::submit(cx, 2)?; // both run now
///     Ok(first.load()? + &second.load()?)
/// }
/// # fn main() {}
/// ```
#[must_use = "a submitted call runs, and its outcome is only known by `load`"]
pub struct Pending<T> {
    call: Rc<Call>,
    decode: Box<dyn Fn(Result<String, types::Failure>) -> Result<T>>,
    /// It was awaited and has not ended: whoever drops it now wants it no more.
    awaited: bool,
    done: bool,
}

/// The call itself, which the executor holds while it is awaited.
pub(crate) struct Call {
    pub(crate) handle: calls::Pending,
    /// Known once somebody waited for it.
    outcome: RefCell<Option<Result<String, types::Failure>>>,
}

impl Call {
    /// Waits for the outcome, the first time.
    pub(crate) fn outcome(&self) -> Result<String, types::Failure> {
        self.outcome.borrow_mut().get_or_insert_with(|| self.handle.result()).clone()
    }

    fn known(&self) -> Option<Result<String, types::Failure>> {
        self.outcome.borrow().clone()
    }
}

impl<T> Pending<T> {
    pub(crate) fn new(handle: calls::Pending, decode: impl Fn(Result<String, types::Failure>) -> Result<T> + 'static) -> Self {
        let call = Rc::new(Call { handle, outcome: RefCell::new(None) });
        Self { call, decode: Box::new(decode), awaited: false, done: false }
    }

    /// Waits for the call to end, and returns its outcome. It can be asked for again.
    ///
    /// # Errors
    /// What the call itself returns when it is made directly; [`Error::Failed`] of kind `cancelled` where it was cancelled.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(pending: kitaru::Pending<String>) -> Result<String> { pending.load() }
    /// ```
    pub fn load(&self) -> Result<T> {
        (self.decode)(self.call.outcome())
    }

    /// Ends the call if it has not ended. A checkpoint's body is stopped where it is; a child flow is cancelled.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(pending: kitaru::Pending<String>) { pending.cancel() }
    /// ```
    pub fn cancel(mut self) {
        self.awaited = false;
        self.call.handle.cancel();
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.call.known() {
            (self.awaited, self.done) = (false, true);
            return Poll::Ready((self.decode)(outcome));
        }
        self.awaited = true;
        executor::watch(&self.call, context.waker());
        Poll::Pending
    }
}

impl<T> futures_util::future::FusedFuture for Pending<T> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<T> Unpin for Pending<T> {}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if self.awaited && self.call.known().is_none() {
            self.call.handle.cancel();
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// Any [`Pending`], whatever its outcome's type: what [`select`](crate::select()) takes.
pub trait AnyPending: sealed::Sealed {
    #[doc(hidden)]
    fn handle(&self) -> &calls::Pending;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Pending<T> {}
}

impl<T> AnyPending for Pending<T> {
    fn handle(&self) -> &calls::Pending {
        &self.call.handle
    }
}

/// Waits until one of the calls has ended, and returns its position. Which one it was is recorded, so a re-executed flow sees the same.
///
/// # Errors
/// [`Error::Failed`] where there is no call to wait for, or the host refuses (a limit).
///
/// ```no_run
/// use kitaru::prelude::*;
/// use std::time::Duration;
///
/// #[checkpoint]
/// fn slow(cx: &Checkpoint) -> Result<String> {
///     Ok("done".into())
/// }
///
/// #[flow]
/// fn in_time(cx: &Flow) -> Result<String> {
///     let work = slow::submit(cx)?;
///     let limit = cx.timer(Duration::from_secs(60))?;
///     if kitaru::select(&[&work, &limit])? == 0 { work.load() } else { Ok("too slow".into()) }
/// }
/// # fn main() {}
/// ```
pub fn select(pending: &[&dyn AnyPending]) -> Result<usize> {
    let handles: Vec<&calls::Pending> = pending.iter().map(|pending| pending.handle()).collect();
    let winner = calls::first(&handles).map_err(Error::from)?;
    Ok(winner as usize)
}

/// Several calls of one checkpoint that were submitted together, by `map` or `product`.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn fetch(cx: &Checkpoint, page: u32) -> Result<String> {
///     Ok(format!("page {page}"))
/// }
///
/// #[flow]
/// fn pages(cx: &Flow) -> Result<Vec<String>> {
///     fetch::map(cx, 1..=10)?.load()
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use = "submitted calls run, and their outcomes are only known by `load`"]
pub struct PendingAll<T> {
    calls: Vec<Pending<T>>,
}

impl<T> PendingAll<T> {
    #[doc(hidden)]
    pub fn new(calls: Vec<Pending<T>>) -> Self {
        Self { calls }
    }

    /// Waits for all of them, and returns the outcomes in the order of the inputs.
    ///
    /// # Errors
    /// The first failure in that order. The others go on; their outcomes are recorded.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(pages: kitaru::PendingAll<String>) -> Result<Vec<String>> { pages.load() }
    /// ```
    pub fn load(&self) -> Result<Vec<T>> {
        self.calls.iter().map(Pending::load).collect()
    }

    /// Waits for all of them, and returns every outcome, success or failure, in the order of the inputs.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(pages: kitaru::PendingAll<String>) -> usize {
    /// pages.outcomes().iter().filter(|page| page.is_ok()).count()
    /// # }
    /// ```
    pub fn outcomes(&self) -> Vec<Result<T>> {
        self.calls.iter().map(Pending::load).collect()
    }

    /// How many calls there are.
    ///
    /// ```no_run
    /// # fn f(pages: kitaru::PendingAll<String>) -> usize { pages.len() }
    /// ```
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    ///
    /// ```no_run
    /// # fn f(pages: kitaru::PendingAll<String>) -> bool { pages.is_empty() }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl<T> IntoIterator for PendingAll<T> {
    type Item = Pending<T>;
    type IntoIter = std::vec::IntoIter<Pending<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.calls.into_iter()
    }
}
