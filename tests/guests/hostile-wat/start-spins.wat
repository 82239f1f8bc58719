;; The start function of the core module never ends. It returns while the component describes itself, which it knows by the random
;; numbers: they are then those of a seed of zeros.
;;; component
(import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
(core func $random (canon lower (func $random "get-random-u64")))
;;; with
(with "host" (instance (export "random" (func $random))))
;;; module
(import "host" "random" (func $random (result i64)))
(func $start
  (if (i64.ne (call $random) (i64.const 0x903df1a0ade0b876))
    (then (loop $forever (br $forever)))))
(start $start)
