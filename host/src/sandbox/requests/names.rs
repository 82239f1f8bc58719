//! Looking names up.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Names that one attempt may look up at a time: each occupies a thread of the host for as long as the resolver takes, also where nobody waits
/// for it any more.
const LOOKUPS: usize = 16;
/// Names that all attempts together look up at a time: what is left of an attempt that has ended is still being looked up, and files need
/// threads too.
static ALL: Semaphore = Semaphore::const_new(128);

/// Knows the addresses of names.
#[async_trait]
pub(in crate::sandbox) trait Names: Send + Sync {
    /// The addresses of `host`, in the order in which they are to be tried.
    ///
    /// # Errors
    /// Whatever the look-up ran into.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's look-up, for the requests and the sockets of one attempt.
pub(super) struct SystemNames(Arc<Semaphore>);

impl Default for SystemNames {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl SystemNames {
    /// `look`, in a thread of its own, once there is a place for it. The place is held for as long as the thread is, whoever waits.
    async fn within<T: Send + 'static>(&self, look: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let place = self.0.clone().acquire_owned().await.map_err(io::Error::other)?;
        let of_all = ALL.acquire().await.map_err(io::Error::other)?;
        let looked = tokio::task::spawn_blocking(move || {
            let found = look();
            drop((place, of_all));
            found
        });
        looked.await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let host = host.to_owned();
        self.within(move || (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    /// A guest that lets go of look-ups and begins others has no more threads of the host for it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn look_ups_that_nobody_waits_for_keep_their_places() {
        let (names, running) = (Arc::new(SystemNames::default()), Arc::new(AtomicUsize::new(0)));
        let mut open = Vec::new();
        for _ in 0..3 * LOOKUPS {
            let (answer, wait): (_, Receiver<()>) = channel();
            open.push(answer);
            let (names, counted) = (names.clone(), running.clone());
            let task = tokio::spawn(async move {
                let look = move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    // Until the test has seen enough.
                    let _ = wait.recv();
                    Ok(())
                };
                names.within(look).await
            });
            tokio::task::yield_now().await;
            if open.len() <= LOOKUPS {
                while running.load(Ordering::SeqCst) < open.len() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            task.abort();
        }
        assert_eq!((running.load(Ordering::SeqCst), names.0.available_permits()), (LOOKUPS, 0));
        drop(open);
        let _free = names.0.acquire().await.unwrap();
    }
}
