//! `wasi:http`, over the library's own: requests are counted together with sockets, and a scope that sends none is told so at once. The library
//! would tell it later, at a time that is not the same on each run (E6).

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, FutureIncomingResponse, OutgoingRequest, RequestOptions};

use crate::sandbox::requests::sockets;
use crate::sandbox::state::HostState;

/// As the library names it.
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

type Handled = Result<Resource<FutureIncomingResponse>, ErrorCode>;

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker.instance(HANDLER)?.func_wrap(
        "handle",
        |mut store: StoreContextMut<'_, HostState>,
         (request, options): (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>)| {
            Ok((handle(store.data_mut(), request, options)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn handle(
    state: &mut HostState,
    request: Resource<OutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Handled> {
    state.http.hooks.sockets = sockets(&mut state.table);
    let options_rep = options.as_ref().map(Resource::rep);
    let handled = if state.http.hooks.client().is_none() {
        state.table.delete(request)?;
        Ok(Err(ErrorCode::HttpRequestDenied))
    } else {
        match state.http().handle(request, options) {
            Ok(response) => Ok(Ok(response)),
            Err(error) => error.downcast().map(Err),
        }
    };
    // The library reads them and leaves them where they are, until a guest that makes many requests has no room for handles.
    if let Some(rep) = options_rep {
        state.table.delete(Resource::<RequestOptions>::new_own(rep))?;
    }
    handled
}
