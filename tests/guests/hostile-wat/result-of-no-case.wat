;; The result is neither a value nor a failure.
;;; run
(i32.store (i32.const 1032) (i32.const 77))
(return (i32.const 1032))
