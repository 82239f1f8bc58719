;; What cleans up after the result calls the host.
;;; component
(import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
(core func $random (canon lower (func $random "get-random-u64")))
;;; with
(with "host" (instance (export "random" (func $random))))
;;; module
(import "host" "random" (func $random (result i64)))
;;; post-return
(drop (call $random))
