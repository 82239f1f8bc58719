//! The only `bindgen!` of middleware: Rust for the WIT package `kitaru:llm-middleware@0.1.0`.

wasmtime::component::bindgen!({
    path: "../wit/middleware",
    world: "kitaru:llm-middleware/middleware",
    imports: { default: async | trappable },
    exports: { default: async },
});
