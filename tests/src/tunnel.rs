//! A proxy on the loopback interface behind which the addresses of real providers lead to a scripted one: over TLS, under their own names.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::provider::Provider;

/// A certificate for `openrouter.ai` and `api.anthropic.com`, and its key: for tests, and good for nothing else, for nobody but them trusts who signed
/// it ([`Tunnel::authority`]), whose key is gone.
const CERTIFICATE: &[u8] = include_bytes!("tls/providers.pem");
const KEY: &[u8] = include_bytes!("tls/providers.key");

/// The proxy. It runs until it is dropped.
pub struct Tunnel {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

impl Tunnel {
    /// A proxy with which every tunnel ends at this provider.
    pub fn to(provider: &Provider) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().expect("versions of TLS");
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a key that fits");
        let (tls, end) = (TlsAcceptor::from(Arc::new(config)), provider.address());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port of the loopback interface");
        let address = listener.local_addr().expect("a bound listener has an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, tls.clone(), end, Arc::clone(&log)));
            }
        });
        Self { address, asked, runtime: Some(runtime) }
    }

    /// Its URL, for `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The certificate to trust behind it, for `SSL_CERT_FILE`.
    pub fn authority() -> PathBuf {
        crate::repository().join("tests/src/tls/providers-authority.pem")
    }

    /// Where tunnels were to lead, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// One tunnel, as long as both ends want it.
async fn pass(mut stream: TcpStream, tls: TlsAcceptor, end: SocketAddr, log: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let wanted = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    log.lock().unwrap_or_else(PoisonError::into_inner).push(wanted);
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok()?;
    let mut client = tls.accept(stream).await.ok()?;
    let mut provider = TcpStream::connect(end).await.ok()?;
    copy_bidirectional(&mut client, &mut provider).await.ok().map(|_| ())
}
