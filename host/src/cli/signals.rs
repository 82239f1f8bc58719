//! How a process is asked to end.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears when the person presses Ctrl-C, or the system asks (SIGTERM). From when it is made on: what comes before anybody waits is not lost.
pub(super) struct Asked {
    #[cfg(unix)]
    signals: [Option<Signal>; 2],
}

impl Asked {
    #[cfg(unix)]
    pub(super) fn listen() -> Self {
        Self { signals: [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()) }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> Self {
        Self {}
    }

    /// Returns when the process is asked to end, once for each time.
    #[cfg(unix)]
    pub(super) async fn ends(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            () = next(interrupt) => {}
            () = next(terminate) => {}
        }
    }

    /// Returns when the process is asked to end.
    #[cfg(not(unix))]
    pub(super) async fn ends(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
