//! The other end of the only HTTP client that the translator has: a Unix socket in a private folder, for one request.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::mutex::lock;

/// Where the translator believes to be. The name cannot exist (RFC 2606), and nobody looks it up.
pub(super) const BASE: &str = "http://translator.invalid/";

/// What the translator sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// The path, as it stands in the request.
    pub(super) path: String,
    /// The body.
    pub(super) body: Bytes,
}

/// What the relay does with the one request that it takes.
pub(super) enum Role {
    /// Tells what it is, and never answers.
    Listen(oneshot::Sender<Heard>),
    /// Answers with `pieces`, of the media type `kind`, if it is the `expected` one.
    Answer { expected: Heard, kind: &'static str, pieces: mpsc::Receiver<Bytes> },
}

/// A socket that takes one request. It is gone with its folder when this is dropped.
pub(super) struct Relay {
    client: reqwest::Client,
    server: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Relay {
    /// A new one.
    ///
    /// # Errors
    /// When there is no place for a socket.
    pub(super) fn open(role: Role) -> io::Result<Self> {
        let private = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("kitaru-llm-").permissions(private).tempdir()?;
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path)?;
        let client = reqwest::Client::builder()
            // It trusts nobody: what is meant for the network would not get there.
            .tls_backend_preconfigured(trusting_nobody().map_err(io::Error::other)?)
            .unix_socket(path.as_path())
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .build()
            .map_err(io::Error::other)?;
        let server = tokio::spawn(serve(listener, role));
        Ok(Self { client, server, _folder: folder })
    }

    /// The translator, with nothing but this relay to talk to.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn genai(&self) -> Result<genai::Client, genai::Error> {
        genai::Client::builder().with_reqwest(self.client.clone()).build()
    }
}

fn trusting_nobody() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// One connection, and then nobody listens.
async fn serve(listener: UnixListener, role: Role) {
    let Ok((connection, _)) = listener.accept().await else { return };
    drop(listener);
    let role = Mutex::new(Some(role));
    let service = service_fn(|request| respond(lock(&role).take(), request));
    // What goes wrong here, the translator sees.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

async fn respond(role: Option<Role>, request: Request<Incoming>) -> Result<Response<Pieces>, hyper::Error> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let body = request.into_body().collect().await?.to_bytes();
    let heard = Heard { path, body };
    let (status, kind, pieces) = match role {
        Some(Role::Listen(told)) => {
            let _ = told.send(heard);
            std::future::pending().await
        }
        Some(Role::Answer { expected, kind, pieces }) if expected == heard => (StatusCode::OK, kind, pieces),
        // Not what was sent: then the answer is not one to this.
        Some(Role::Answer { .. }) | None => (StatusCode::CONFLICT, "text/plain", mpsc::channel(1).1),
    };
    let mut response = Response::new(Pieces(pieces));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    Ok(response)
}

/// A body whose pieces somebody else gives.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[tokio::test]
    async fn it_is_private_takes_one_request_and_leaves_nothing() {
        let (told, heard) = oneshot::channel();
        let relay = Relay::open(Role::Listen(told)).unwrap();
        let folder = relay._folder.path().to_owned();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let client = relay.client.clone();
        let asking = tokio::spawn(async move { client.post(format!("{BASE}a%2Fb?c")).body("body").send().await.map(drop) });
        assert!(heard.await.unwrap() == Heard { path: "/a%2Fb?c".into(), body: "body".into() });
        assert!(relay.client.get(BASE).send().await.is_err(), "a second connection");
        drop(relay);
        assert!(asking.await.unwrap().is_err());
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn its_client_reaches_nothing_else() {
        let peer = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (told, heard) = oneshot::channel();
        let relay = Relay::open(Role::Listen(told)).unwrap();
        let (client, url) = (relay.client.clone(), format!("http://{}/x", peer.local_addr().unwrap()));
        let asking = tokio::spawn(async move { client.get(url).send().await.map(drop) });
        assert_eq!(heard.await.unwrap().path, "/x");
        assert!(tokio::time::timeout(std::time::Duration::from_millis(100), peer.accept()).await.is_err());
        asking.abort();
    }

    #[tokio::test]
    async fn an_answer_to_another_request_is_not_given() {
        let (feed, pieces) = mpsc::channel(1);
        feed.send("secret".into()).await.unwrap();
        let expected = Heard { path: "/x".into(), body: "one".into() };
        let relay = Relay::open(Role::Answer { expected, kind: "application/json", pieces }).unwrap();
        let answer = relay.client.post(format!("{BASE}x")).body("two").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (409, ""));
    }
}
