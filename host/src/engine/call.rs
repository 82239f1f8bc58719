//! A durable call, as the flow makes it.

use crate::journal::Descriptor;

/// A durable call that the flow makes now.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) index: u32,
    pub(super) descriptor: Descriptor,
}
