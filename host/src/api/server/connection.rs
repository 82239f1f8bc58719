//! One connection: its requests, and its end.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::http::header::HOST;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::lines::Lines;
use super::moving::Moving;
use crate::api::{Peer, closed};

/// Headers of one request, in bytes.
const LARGEST_HEADERS: u32 = 64 * 1024;
/// Header fields of one request.
const MOST_HEADERS: usize = 100;
/// Requests at a time on one connection.
const AT_A_TIME: u32 = 64;

/// What all connections have in common.
pub(super) struct Limits {
    /// How long headers may take, and a connection on which nothing is asked.
    pub(super) headers: Duration,
    /// How long the other end may take nothing of what is written.
    pub(super) pause: Duration,
    /// Whether more than one request may come by a connection.
    pub(super) keeps: bool,
    pub(super) requests: Router,
    pub(super) closing: watch::Receiver<bool>,
}

/// Serves a connection to its end. `is_http_2` is known of encrypted ones; others speak HTTP/1.1.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    is_http_2: Option<bool>,
    limits: &Limits,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let peer = Peer { address: peer, is_encrypted: is_http_2.is_some() };
    let inner = TowerToHyperService::new(limits.requests.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // HTTP/2 has the name of the host in the address, where nobody looks for it.
        let authority = request.uri().authority().and_then(|authority| authority.as_str().parse().ok());
        if let (Some(name), false) = (authority, request.headers().contains_key(HOST)) {
            request.headers_mut().insert(HOST, name);
        }
        inner.call(request)
    });
    let stream = Moving::new(stream, limits.pause);
    let mut closing = limits.closing.clone();
    if is_http_2 == Some(true) {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(AT_A_TIME).max_header_list_size(LARGEST_HEADERS);
        builder.keep_alive_interval(limits.headers).keep_alive_timeout(limits.pause);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = closed(&mut closing) => connection.as_mut().graceful_shutdown(),
        }
        return Ok(connection.await?);
    }
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.headers).keep_alive(limits.keeps);
    builder.max_buf_size(LARGEST_HEADERS as usize).max_headers(MOST_HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Lines::new(stream)), service));
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = closed(&mut closing) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}
