//! The component bindings, generated from the WIT package in `wit/`, and the export of `kitaru:flow/program`.
//!
//! This is the only `generate!` of the SDK: a flow crate has none. On a native target the imports are stubs that must not be
//! called, which is what lets tests of macros, manifests and plain logic run without a host.

wit_bindgen::generate!({ path: "wit", world: "flow" });

export!(Component);

struct Component;

impl exports::kitaru::flow::program::Guest for Component {
    fn describe() -> String {
        crate::manifest::describe()
    }

    fn run_flow(name: String, input: String) -> Result<String, kitaru::flow::types::Failure> {
        crate::program::run_flow(&name, &input).map_err(Into::into)
    }

    fn run_checkpoint(name: String, input: String) -> Result<String, kitaru::flow::types::Failure> {
        crate::program::run_checkpoint(&name, &input).map_err(Into::into)
    }
}
