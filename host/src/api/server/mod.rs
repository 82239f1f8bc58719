//! Connections: taken on up to a number, each with limits on how slow its other end may be, and let go of one by one when the host ends.

mod connection;
mod files;
mod moving;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Api, Settings, closed};
use crate::access::{Shares, Source};
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

    /// Serves until the API is closed, and then until the last request is answered. Whoever drops it cuts all connections.
    pub async fn serve(self) {
        let settings = &self.api.shared.settings;
        let limits = Limits {
            headers: settings.header_patience,
            pause: settings.body_patience,
            requests: self.api.router(),
            closing: self.api.shared.closing.subscribe(),
        };
        let limits = Arc::new(limits);
        let room = Arc::new(Semaphore::new(files::connections(settings.connections)));
        let peers: Shares<Source> = settings.shares(settings.connections);
        let mut closing: watch::Receiver<bool> = self.api.shared.closing.subscribe();
        let mut connections = JoinSet::new();
        loop {
            // Whoever finds no room waits in the system's own line.
            let permit = tokio::select! {
                () = closed(&mut closing) => break,
                permit = room.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let (stream, peer) = tokio::select! {
                () = closed(&mut closing) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not taken on");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let from = Source::at(peer.ip()).network();
            let Ok(place) = peers.take_within(from, 1, settings.connections_from(peer.ip())) else {
                tracing::debug!(%peer, "a connection was not taken on: there are as many from there as one gets");
                continue;
            };
            let (limits, acceptor) = (limits.clone(), self.acceptor.clone());
            connections.spawn(async move {
                let (_permit, _place) = (permit, place);
                if let Err(error) = serve_one(stream, peer, acceptor, &limits).await {
                    tracing::debug!(%peer, error = error.as_ref() as &dyn std::error::Error, "a connection ended early");
                }
            });
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
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
