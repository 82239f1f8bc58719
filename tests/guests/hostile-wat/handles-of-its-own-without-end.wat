;; Handles of a resource of its own are made and never dropped.
;;; component
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
  (alias outer 1 $pollable (type $outer))
  (export "pollable" (type $pollable (eq $outer)))
  (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
(core func $block (canon lower (func $poll "[method]pollable.block")))
(core func $subscribe (canon lower (func $clock "subscribe-duration")))
(core func $drop (canon resource.drop $pollable))
(type $mine (resource (rep i32)))
(core func $new (canon resource.new $mine))
(core func $rep (canon resource.rep $mine))
;;; with
(with "host" (instance (export "block" (func $block)) (export "subscribe" (func $subscribe)) (export "drop" (func $drop))
  (export "new" (func $new)) (export "rep" (func $rep))))
;;; module
(import "host" "block" (func $block (param i32)))
(import "host" "subscribe" (func $subscribe (param i64) (result i32)))
(import "host" "drop" (func $drop (param i32)))
(import "host" "new" (func $new (param i32) (result i32)))
(import "host" "rep" (func $rep (param i32) (result i32)))
;;; run
(loop $more (drop (call $new (i32.const 0))) (br $more))
