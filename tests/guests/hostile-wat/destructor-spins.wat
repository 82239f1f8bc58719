;; The destructor of a resource of its own never ends.
;;; component
(core module $destructor (func (export "drop") (param i32) (loop $forever (br $forever))))
(core instance $destructor (instantiate $destructor))
(type $mine (resource (rep i32) (dtor (core func $destructor "drop"))))
(core func $new (canon resource.new $mine))
(core func $drop (canon resource.drop $mine))
;;; with
(with "host" (instance (export "new" (func $new)) (export "drop" (func $drop))))
;;; module
(import "host" "new" (func $new (param i32) (result i32)))
(import "host" "drop" (func $drop (param i32)))
;;; run
(call $drop (call $new (i32.const 1)))
