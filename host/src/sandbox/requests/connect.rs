//! The connection of one request: to an address that was checked, with the name that the guest gave as the one that the server proves to have.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;
use wasmtime_wasi_http::{Error, Result};

use crate::sandbox::grants::{HttpScheme, RequestTarget};

/// How long an address may take to answer, where the next one could be tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const TRIED: usize = 8;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the first of `addresses` that answers, each within `time`.
pub(super) async fn connect(target: &RequestTarget, addresses: &[IpAddr], time: Option<Duration>) -> Result<Box<dyn Stream>> {
    let time = time.map_or(PATIENCE, |time| time.min(PATIENCE));
    let stream = first_of(addresses, target.port, time).await?;
    // A small request is not to wait for a larger one.
    let _ = stream.set_nodelay(true);
    match target.scheme {
        HttpScheme::Http => Ok(Box::new(stream)),
        HttpScheme::Https => {
            let name = ServerName::try_from(target.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
            // A server that does not know TLS waits for more, and says nothing.
            let connecting = tokio::time::timeout(time, tls()?.connect(name, stream)).await;
            Ok(Box::new(connecting.map_err(|_| Error::ConnectionTimeout)?.map_err(|error| not_trusted(&error))?))
        }
    }
}

async fn first_of(addresses: &[IpAddr], port: u16, time: Duration) -> Result<TcpStream> {
    let mut failed = Error::DestinationNotFound;
    for address in addresses.iter().take(TRIED) {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        failed = match tokio::time::timeout(time, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => not_reached(&error),
            Err(_) => Error::ConnectionTimeout,
        };
    }
    Err(failed)
}

fn not_reached(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    }
}

fn not_trusted(error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => Error::TlsCertificateError,
        _ => Error::TlsProtocolError,
    }
}

/// TLS as model calls have it, set up when the first request needs it.
fn tls() -> Result<TlsConnector> {
    static CONFIG: OnceLock<Option<Arc<rustls::ClientConfig>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| match kitaru_llm::provider::tls_config() {
        Ok(config) => Some(Arc::new(config)),
        Err(error) => {
            tracing::warn!(%error, "no TLS for the requests of checkpoints");
            None
        }
    });
    config.clone().map(TlsConnector::from).ok_or(Error::ConfigurationError)
}
