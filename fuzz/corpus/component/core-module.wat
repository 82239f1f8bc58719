;; A core module: WebAssembly, but no component.
(module)
