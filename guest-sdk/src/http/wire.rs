//! Requests over `wasi:http`.

use std::io::{self, Read};
use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, HeaderError, IncomingBody, IncomingResponse, InputStream, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use super::error::HttpError;
use super::request::Prepared;

/// As many bytes as one call may hand over.
const WRITTEN: usize = 4096;
/// As many bytes as are asked for at once.
const ASKED: u64 = 64 * 1024;

/// The head of a response, and its body.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Body,
}

/// A body as it comes. Its parts hang on each other in this order.
pub(super) struct Body {
    stream: Option<InputStream>,
    _body: IncomingBody,
    _response: IncomingResponse,
    request: String,
    origin: String,
    piece: Vec<u8>,
    taken: usize,
}

pub(super) fn send(prepared: Prepared) -> Result<Received, HttpError> {
    let (shown, origin) = (prepared.shown(), prepared.url.origin());
    let Prepared { method, url, headers, body, timeout } = prepared;
    let invalid = |why: &str| HttpError::Invalid(format!("{shown} cannot be sent: {why}"));
    let told = |code: ErrorCode| explained(&code, &shown, &origin);
    let fields = Fields::from_list(&headers).map_err(|error| match error {
        HeaderError::Forbidden => invalid("one of its headers belongs to the connection, and is the host's"),
        HeaderError::InvalidSyntax | HeaderError::Immutable => invalid("one of its headers is none"),
    })?;
    let request = OutgoingRequest::new(fields);
    request.set_method(&as_method(method)).map_err(|()| invalid("its method is none"))?;
    request
        .set_scheme(Some(&if url.is_https { Scheme::Https } else { Scheme::Http }))
        .map_err(|()| invalid("its scheme is none"))?;
    request.set_authority(Some(&url.authority)).map_err(|()| invalid("its host or port is none"))?;
    request.set_path_with_query(Some(&url.path_and_query)).map_err(|()| invalid("its path or query is none"))?;
    let sink = match &body {
        Some(_) => Some(request.body().map_err(|()| invalid("it has no body"))?),
        None => None,
    };
    let response = outgoing_handler::handle(request, timeout.map(options)).map_err(told)?;
    if let (Some(sink), Some(bytes)) = (sink, body) {
        // A server may answer before it has read everything, and read no more. What it says counts.
        let _ = write(sink, &bytes);
    }
    response.subscribe().block();
    let response = match response.get() {
        Some(Ok(answered)) => answered.map_err(told)?,
        _ => return Err(HttpError::Failed(format!("{shown} has no answer"))),
    };
    let (status, headers) = (response.status(), response.headers().entries());
    let no_body = |()| HttpError::Failed(format!("the answer to {shown} has no body"));
    let body = response.consume().map_err(no_body)?;
    let stream = body.stream().map_err(no_body)?;
    let body = Body {
        stream: Some(stream),
        _body: body,
        _response: response,
        request: shown.clone(),
        origin: origin.clone(),
        piece: Vec::new(),
        taken: 0,
    };
    Ok(Received { status, headers, body })
}

fn as_method(method: String) -> Method {
    match method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        _ => Method::Other(method),
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // A host that does not know one of them has limits of its own.
    let _ = options.set_connect_timeout(Some(nanos));
    let _ = options.set_first_byte_timeout(Some(nanos));
    let _ = options.set_between_bytes_timeout(Some(nanos));
    options
}

fn write(sink: OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = sink.write().map_err(|()| StreamError::Closed)?;
    for piece in bytes.chunks(WRITTEN) {
        stream.blocking_write_and_flush(piece)?;
    }
    // The stream is a part of the body, which is over when it is gone.
    drop(stream);
    OutgoingBody::finish(sink, None).map_err(|_| StreamError::Closed)
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() {
            let Some(stream) = &self.stream else { return Ok(0) };
            match stream.blocking_read(ASKED) {
                Ok(piece) => (self.piece, self.taken) = (piece, 0),
                Err(StreamError::Closed) => self.stream = None,
                Err(StreamError::LastOperationFailed(error)) => {
                    let failed = match http_error_code(&error) {
                        Some(code) => explained(&code, &self.request, &self.origin),
                        None => HttpError::Failed(format!("the answer to {} did not come in full", self.request)),
                    };
                    drop(error);
                    self.stream = None;
                    return Err(io::Error::other(failed));
                }
            }
        }
        let mut left = self.piece.get(self.taken..).unwrap_or_default();
        let read = left.read(buffer)?;
        self.taken += read;
        Ok(read)
    }
}

/// What a code means to an author.
fn explained(code: &ErrorCode, request: &str, origin: &str) -> HttpError {
    let failed = |why: &str| HttpError::Failed(format!("{request} failed: {why}"));
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            HttpError::Denied { request: request.to_owned(), flag: format!("--allow-net={origin}") }
        }
        ErrorCode::ConnectionLimitReached => HttpError::Limit(format!("{request} was not sent: too many requests are open")),
        ErrorCode::HttpResponseBodySize(_) => {
            HttpError::Limit(format!("the answer to {request} is larger than the host's limit"))
        }
        ErrorCode::HttpRequestMethodInvalid => HttpError::Invalid(format!("{request} cannot be sent: its method is never sent")),
        ErrorCode::HttpRequestUriInvalid => {
            HttpError::Invalid(format!("{request} cannot be sent: its URL is ambiguous, or none"))
        }
        ErrorCode::HttpRequestUriTooLong => HttpError::Invalid(format!("{request} cannot be sent: its URL is too long")),
        ErrorCode::HttpRequestBodySize(_) => {
            HttpError::Invalid(format!("{request} cannot be sent: its body is not as long as it says"))
        }
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout | ErrorCode::DestinationNotFound => {
            failed("its host's name leads nowhere")
        }
        ErrorCode::ConnectionRefused => failed("the server refused the connection"),
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => failed("the server cannot be reached"),
        ErrorCode::ConnectionTimeout => failed("the server cannot be reached in time"),
        ErrorCode::HttpResponseTimeout => failed("the server did not answer in time"),
        ErrorCode::ConnectionReadTimeout => failed("the server paused for too long"),
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => failed("the connection broke"),
        ErrorCode::TlsCertificateError => failed("the server's certificate is not trusted"),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => failed("no secure connection could be agreed upon"),
        ErrorCode::HttpProtocolError => failed("the server does not speak HTTP as it should"),
        ErrorCode::HttpResponseHeaderSectionSize(_) | ErrorCode::HttpResponseHeaderSize(_) => {
            failed("the head of the answer is too large")
        }
        other => failed(&format!("{other:?}")),
    }
}
