;; The flow divides by zero.
;;; run
(drop (i32.div_u (i32.const 1) (global.get $zero)))
;;; module
(global $zero (mut i32) (i32.const 0))
