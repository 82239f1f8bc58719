//! Connections: taken on up to a number, each with limits on how slow its other end may be, and let go of one by one when the host ends.

mod connection;
mod files;
mod lines;
mod moving;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Api, Settings, closed};
use crate::access::{Share, Shares, Source};
use connection::Limits;

/// After an error of accepting: it is of the machine, such as too many open files, and passes.
const PAUSE: Duration = Duration::from_millis(100);

/// The API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of TLS cannot be read.
    #[error("`{path}` cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate and a key that do not belong together, or are none.
    #[error("the certificate and its key cannot be used")]
    Tls(#[source] tokio_rustls::rustls::Error),
}

impl ServeError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "choose another with --listen, such as 127.0.0.1:0 for any free port",
            Self::Read { .. } | Self::Tls(_) => "give files in PEM: the certificate with those above it, and its private key",
        }
    }
}

/// Somebody who listens for connections.
pub struct Server {
    api: Api,
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens. Whoever connects from here on is served once [`Server::serve`] runs.
    ///
    /// # Errors
    /// When the address cannot be had, or TLS not be spoken.
    pub async fn bind(settings: &Settings) -> Result<(TcpListener, Option<TlsAcceptor>, SocketAddr), ServeError> {
        let address = settings.listen;
        let failed = |source| ServeError::Listen { address, source };
        let acceptor = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, acceptor, address))
    }

    /// Serves an API to whoever connects.
    pub fn new(api: Api, (listener, acceptor, address): (TcpListener, Option<TlsAcceptor>, SocketAddr)) -> Self {
        Self { api, listener, address, acceptor }
    }

    /// Serves until the API is closed. From then on whoever comes is told no more than how it stands with the host, until [`Api::end`] is called and
    /// the last request is answered. Whoever drops it cuts all connections.
    pub async fn serve(self) {
        let settings = &self.api.shared.settings;
        let room = Arc::new(Semaphore::new(files::connections(settings.connections)));
        let peers: Shares<Source> = settings.shares(settings.connections);
        let mut closing = self.api.shared.closing.subscribe();
        let limits = self.limits(true, self.api.router(), closing.clone());
        let mut connections = JoinSet::new();
        loop {
            // Whoever finds no room waits in the system's own line.
            let permit = tokio::select! {
                () = closed(&mut closing) => break,
                permit = room.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let taken = tokio::select! {
                () = closed(&mut closing) => break,
                Some(_) = connections.join_next() => continue,
                taken = self.next(&peers) => taken,
            };
            if let Some(taken) = taken {
                connections.spawn(self.one(taken, permit, limits.clone()));
            }
        }
        self.until_ended(connections, &room, &peers).await;
    }

    /// Lets connections come to their end, and tells others meanwhile that the host is ending: whoever hands requests to several hosts hands on no
    /// more to this one.
    async fn until_ended(self, mut connections: JoinSet<()>, room: &Arc<Semaphore>, peers: &Shares<Source>) {
        let mut ending = self.api.shared.ended.subscribe();
        let limits = self.limits(false, self.api.ending(), ending.clone());
        let (mut others, mut is_ended) = (JoinSet::new(), false);
        while !(is_ended && connections.is_empty()) {
            tokio::select! {
                () = closed(&mut ending), if !is_ended => is_ended = true,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                Some(_) = others.join_next(), if !others.is_empty() => {}
                taken = self.next(peers) => {
                    if let (Some(taken), Ok(permit)) = (taken, room.clone().try_acquire_owned()) {
                        others.spawn(self.one(taken, permit, limits.clone()));
                    }
                }
            }
        }
        drop(self.listener);
        // Each of them has but one short answer.
        let answered = async { while others.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(PAUSE, answered).await;
    }

    fn limits(&self, keeps: bool, requests: Router, closing: watch::Receiver<bool>) -> Arc<Limits> {
        let settings = &self.api.shared.settings;
        Arc::new(Limits { headers: settings.header_patience, pause: settings.body_patience, keeps, requests, closing })
    }

    /// Whoever comes next, with their place. None of whom nothing becomes.
    async fn next(&self, peers: &Shares<Source>) -> Option<Taken> {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not taken on");
                tokio::time::sleep(PAUSE).await;
                return None;
            }
        };
        let from = Source::at(peer.ip()).network();
        match peers.take_within(from, 1, self.api.shared.settings.connections_from(peer.ip())) {
            Ok(place) => Some(Taken { stream, peer, place }),
            Err(_) => {
                tracing::debug!(%peer, "a connection was not taken on: there are as many from there as one gets");
                None
            }
        }
    }

    /// Serves one connection, which has its place in all until it ends.
    fn one(&self, taken: Taken, permit: OwnedSemaphorePermit, limits: Arc<Limits>) -> impl Future<Output = ()> + Send + use<> {
        let (acceptor, Taken { stream, peer, place }) = (self.acceptor.clone(), taken);
        async move {
            let _places = (permit, place);
            if let Err(error) = serve_one(stream, peer, acceptor, &limits).await {
                tracing::debug!(%peer, error = error.as_ref() as &dyn std::error::Error, "a connection ended early");
            }
        }
    }
}

/// A connection that was taken on.
struct Taken {
    stream: TcpStream,
    peer: SocketAddr,
    place: Share<Source>,
}

async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    limits: &Limits,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Events are small, and wanted at once.
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else { return connection::serve(stream, peer, None, limits).await };
    let stream = tokio::time::timeout(limits.headers, acceptor.accept(stream)).await??;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    connection::serve(stream, peer, Some(protocol.as_deref() == Some(tls::HTTP_2)), limits).await
}
