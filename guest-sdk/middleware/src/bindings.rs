//! The component bindings, generated from the WIT package in `wit/middleware/`, and the export of `kitaru:llm-middleware/hooks`.
//!
//! On a native target the imports are stubs that must not be called, which is what lets tests of middleware run without a host.

wit_bindgen::generate!({ path: "../wit/middleware", world: "middleware" });

export!(Component);

struct Component;

use kitaru::llm_middleware::types::{Call, Failure, Outcome, Request};

impl exports::kitaru::llm_middleware::hooks::Guest for Component {
    fn describe() -> String {
        crate::entry::describe()
    }

    fn check(call: Call, request: Request) -> Result<Option<String>, String> {
        crate::entry::check(call, &request).map_err(|error| error.to_string())
    }

    fn rewrite(call: Call, request: Request, annotated: Option<String>) -> Result<Outcome, String> {
        crate::entry::rewrite(call, &request, annotated).map_err(|error| error.to_string())
    }

    fn sanitize_request(call: Call, request: Request) -> Result<Option<Request>, String> {
        crate::entry::sanitize_request(call, &request).map_err(|error| error.to_string())
    }

    fn sanitize_response(call: Call, response: String) -> Result<Option<String>, String> {
        crate::entry::sanitize_response(call, &response).map_err(|error| error.to_string())
    }

    fn execute(call: Call, request: Request) -> Result<String, Failure> {
        crate::entry::execute(call, request).map_err(crate::Error::into_failure)
    }

    fn on_event(event: String, config: String) {
        crate::entry::on_event(&event, &config);
    }
}
