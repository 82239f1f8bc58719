//! How the API is served.

use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Shares;
use crate::config::{ServerConfig, TlsFiles};

/// How the API is served, and how much it takes on at a time.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Certificate and key of TLS; none where somebody else does that, or nobody.
    pub tls: Option<TlsFiles>,
    /// The address by which others reach it, without a slash at its end.
    pub public_url: Option<String>,
    /// The names under which it is reached, each with its port where that is not the scheme's own: assistants' requests are for one of them.
    pub names: Vec<String>,
    /// Whether requests from this address may say, in `X-Forwarded-*`, whose they hand on.
    pub is_trusted_proxy: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Whether anybody may read `/metrics`.
    pub open_metrics: bool,
    /// A folder for what is too large for memory, for a while.
    pub folder: PathBuf,
    /// A component or an archive that is sent, in bytes.
    pub largest_upload: u64,
    /// Any other body, in bytes.
    pub largest_body: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Streams of events at a time.
    pub streams: usize,
    /// Verbs that are called at a time.
    pub work: usize,
    /// Components and archives that are taken in or given out at a time.
    pub uploads: usize,
    /// Bytes of answers at a time that their callers have yet to take.
    pub answers: usize,
    /// How long headers may take, and a connection on which nothing is asked.
    pub header_patience: Duration,
    /// How long a body may take that is no upload, and how long any other side may stand still.
    pub body_patience: Duration,
    /// How long an upload may take.
    pub upload_patience: Duration,
    /// How often a stream says that it is there.
    pub heartbeat: Duration,
    /// How often it is looked whether whoever listens may still.
    pub recheck: Duration,
}

impl Settings {
    /// For this folder, with what is good for most.
    pub fn new(folder: PathBuf) -> Self {
        Self::of(ServerConfig::default(), folder)
    }

    /// For this folder, as it is configured; what nobody can configure is as it is good for most.
    pub fn of(config: ServerConfig, folder: PathBuf) -> Self {
        Self {
            listen: config.listen,
            tls: config.tls.clone(),
            public_url: config.public_url.clone(),
            names: Vec::new(),
            open_metrics: false,
            folder,
            largest_upload: config.upload_mib.saturating_mul(1024 * 1024),
            largest_body: 8 * 1024 * 1024,
            connections: usize::try_from(config.connections).unwrap_or(usize::MAX),
            streams: usize::try_from(config.streams).unwrap_or(usize::MAX),
            is_trusted_proxy: Arc::new(move |address| config.trusts(address)),
            work: 256,
            uploads: 4,
            answers: 512 * 1024 * 1024,
            header_patience: Duration::from_secs(15),
            body_patience: Duration::from_secs(30),
            upload_patience: Duration::from_secs(15 * 60),
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// What one has at most of so much for all: a quarter, where that is anything to speak of.
    pub(super) fn part(&self, all: usize) -> usize {
        (all / 4).max(all.min(2))
    }

    /// Connections at a time from one address. Proxies come from theirs, and so does everybody on this machine.
    pub(super) fn connections_from(&self, peer: IpAddr) -> usize {
        match peer.to_canonical() {
            peer if (self.is_trusted_proxy)(peer) => self.connections,
            peer if peer.is_loopback() => self.connections.saturating_sub(self.part(self.connections)).max(1),
            _ => self.part(self.connections),
        }
    }

    pub(super) fn shares<K: Clone + Eq + Hash>(&self, all: usize) -> Shares<K> {
        Shares::new(all, self.part(all))
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("listen", &self.listen).field("public_url", &self.public_url).finish_non_exhaustive()
    }
}
