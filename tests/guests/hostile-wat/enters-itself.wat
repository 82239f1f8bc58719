;; The start function of a second module calls the component's own export.
;;; after
(core func $again (canon lower (func $describe) (memory $memory) (realloc $realloc)))
(core module $second
  (import "host" "describe" (func $describe (param i32)))
  (func $start (call $describe (i32.const 2048)))
  (start $start))
(core instance (instantiate $second (with "host" (instance (export "describe" (func $again))))))
