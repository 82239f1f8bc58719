//! Runs an `async` flow: when nothing can go on, the host says which awaited call ended first, and records it (E7). So the order in which
//! futures go on is the same whenever the flow is re-executed, whatever combinators the author uses.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::bindings::kitaru::flow::calls;
use crate::pending::Call;
use crate::{Error, Failure, Origin, Result};

struct Watched {
    call: Weak<Call>,
    waker: Waker,
}

thread_local! {
    /// Awaited calls in the order in which they were first awaited. A flow has one thread.
    static WATCHED: RefCell<Vec<Watched>> = const { RefCell::new(Vec::new()) };
}

/// Notes that `waker` is to be woken when `call` has ended.
pub(crate) fn watch(call: &Rc<Call>, waker: &Waker) {
    WATCHED.with_borrow_mut(|watched| match watched.iter_mut().find(|known| known.call.as_ptr() == Rc::as_ptr(call)) {
        Some(known) => known.waker.clone_from(waker),
        None => watched.push(Watched { call: Rc::downgrade(call), waker: waker.clone() }),
    });
}

/// Runs `future` to its end.
///
/// # Errors
/// What the future returns; and where it awaits something that is no durable call, which would never end.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
        let live: Vec<Rc<Call>> = WATCHED.with_borrow_mut(|watched| {
            watched.retain(|known| known.call.strong_count() > 0);
            watched.iter().filter_map(|known| known.call.upgrade()).collect()
        });
        let handles: Vec<&calls::Pending> = live.iter().map(|call| &call.handle).collect();
        let winner = match handles.as_slice() {
            [] => {
                let message = "the flow awaits something that is no durable call, and would never go on";
                return Err(Error::Failed(Failure::new("usage", message, Origin::UserCode, false)));
            }
            // Nothing to choose.
            [_] => 0,
            several => calls::first(several).map_err(Error::from)? as usize,
        };
        let Some(ended) = live.get(winner) else { continue };
        let _ = ended.outcome();
        let waker = WATCHED.with_borrow_mut(|watched| {
            let position = watched.iter().position(|known| known.call.as_ptr() == Rc::as_ptr(ended))?;
            Some(watched.remove(position).waker)
        });
        waker.into_iter().for_each(Waker::wake);
    }
}
