//! What whoever watches is told of an attempt.

use super::events::Event;
use super::run::Run;
use crate::journal::Failure;

/// An attempt that whoever watches knows to be running.
pub(super) struct Shown<'a> {
    run: &'a Run,
    index: u32,
    invocation: &'a str,
    is_over: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(run: &'a Run, index: u32, invocation: &'a str, attempt: u32) -> Self {
        run.tell(|| Event::Running { execution: run.id(), index, invocation: invocation.to_owned(), attempt });
        Self { run, index, invocation, is_over: false }
    }

    pub(super) fn ended(mut self, failure: Option<&Failure>, again: bool) {
        self.is_over = true;
        self.tell(failure, again);
    }

    fn tell(&self, failure: Option<&Failure>, again: bool) {
        let Self { run, index, invocation, .. } = *self;
        let ran =
            || Event::Ran { execution: run.id(), index, invocation: invocation.to_owned(), failure: failure.cloned(), again };
        run.tell(ran);
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(Some(&Failure::runtime("cancelled", "ended with what it was for")), false);
        }
    }
}
