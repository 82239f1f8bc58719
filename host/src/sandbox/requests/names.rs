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
pub(super) trait Names: Send + Sync {
    /// The addresses of `host`, in the order in which they are to be tried.
    ///
    /// # Errors
    /// Whatever the look-up ran into.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's look-up.
pub(super) struct SystemNames(Arc<Semaphore>);

impl Default for SystemNames {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let place = self.0.clone().acquire_owned().await.map_err(io::Error::other)?;
        let of_all = ALL.acquire().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            let found = (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
            drop((place, of_all));
            found
        });
        looked.await.map_err(io::Error::other)?
    }
}
