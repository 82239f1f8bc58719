//! The only `bindgen!` of flows: Rust for the WIT package `kitaru:flow@0.1.0`.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "kitaru:flow/flow",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "kitaru:flow/calls.pending": super::state::PendingCall,
        "kitaru:flow/llm.answer-stream": super::state::OpenStream,
        "kitaru:flow/llm.span": super::state::OpenSpan,
    },
});
