//! Where an answer waits until the test lets it go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::until;

/// A gate that is closed until [`Gate::open`]. Clones are the same gate; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<State>);

#[derive(Debug)]
struct State {
    open: watch::Sender<bool>,
    came: AtomicUsize,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(State { open: watch::Sender::new(false), came: AtomicUsize::new(0) }))
    }

    /// Lets go of all answers that wait here, and of all that come later.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Waits until so many answers have come here, in all. What they sent before is with the client, or on its way.
    #[track_caller]
    pub fn until_reached(&self, times: usize) {
        until(&format!("{times} answers at the gate"), || (self.0.came.load(Ordering::SeqCst) >= times).then_some(()));
    }

    /// Waits here.
    pub(super) async fn pass(&self) {
        let mut open = self.0.open.subscribe();
        self.0.came.fetch_add(1, Ordering::SeqCst);
        // An error would say that nobody can open it any more; `self` can.
        let _ = open.wait_for(|open| *open).await;
    }
}
