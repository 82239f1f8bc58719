;; A component without an SDK and without WASI: the flow `odd` returns 42.
(component
  (import "kitaru:flow/types@0.1.0" (instance $types
    (type $origin' (enum "user-code" "runtime" "backend" "divergence" "unknown"))
    (export "origin" (type $origin (eq $origin')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "origin" $origin) (field "retryable" bool)
      (field "call-index" (option u32)) (field "details" (option string))))
    (export "failure" (type (eq $failure')))))
  (alias export $types "failure" (type $failure))

  (core module $code
    (memory (export "memory") 1)
    ;; At 0 the manifest, at 512 the result; at 1024 and 1032 what describes them: pointer and length, and before the result `ok`.
    (data (i32.const 0) "{\"manifest\":1,\"flows\":[{\"name\":\"odd\",\"doc\":null,\"parameters\":[],\"input\":{\"type\":\"object\"},\"result\":{}}],\"checkpoints\":[]}")
    (data (i32.const 512) "42")
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
      (local.get $at))
    (func (export "describe") (result i32)
      (unreachable)
      (i32.store (i32.const 1028) (i32.const 121))
      (i32.const 1024))
    (func (export "run") (param i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 1032) (i32.const 0))
      (i32.store (i32.const 1036) (i32.const 512))
      (i32.store (i32.const 1040) (i32.const 2))
      (i32.const 1032)))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))

  (func $describe (result string)
    (canon lift (core func $code "describe") (memory $memory)))
  (func $run (param "name" string) (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $code "run") (memory $memory) (realloc $realloc)))
  (instance $program
    (export "describe" (func $describe))
    (export "run-flow" (func $run))
    (export "run-checkpoint" (func $run)))
  (export "kitaru:flow/program@0.1.0" (instance $program)))
