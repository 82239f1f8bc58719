//! What the library asks about a request: which headers a guest may set, how large the pieces of its body are, and how it is sent.

use std::future::{Future, ready};
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{Request, Response};
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::client::Client;

/// Headers that are the connection's, and so the host's: a guest can neither set them nor see them.
const FORBIDDEN: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("http2-settings"),
];

/// The largest piece of a body that a guest hands over, in bytes.
const PIECE: usize = 64 * 1024;

type Io = Box<dyn Future<Output = Result<()>> + Send>;

/// The hooks of one instance.
pub(in crate::sandbox) struct Hooks {
    client: Option<Arc<Client>>,
    /// Sockets that are open while a request is made.
    pub(in crate::sandbox) sockets: usize,
}

impl Hooks {
    pub(super) fn new(client: Option<Arc<Client>>) -> Self {
        Self { client, sockets: 0 }
    }

    pub(in crate::sandbox) fn client(&self) -> Option<&Arc<Client>> {
        self.client.as_ref()
    }
}

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| FORBIDDEN.contains(name))
    }

    /// The host's own, from the address that was checked.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io)>> + Send> {
        let Some(client) = self.client.clone() else { return Box::new(ready(Err(Error::HttpRequestDenied))) };
        let place = client.place(self.sockets);
        Box::new(async move {
            let response = client.send(request, options.unwrap_or_default(), place?).await?;
            // What goes on after the head goes on for as long as somebody holds the body.
            Ok((response, Box::new(ready(Ok(()))) as Io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }
}
