;; `describe` calls itself without end.
;;; module
(func $again (param i64) (result i64) (i64.add (call $again (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
;;; describe
(drop (call $again (i64.const 0)))
