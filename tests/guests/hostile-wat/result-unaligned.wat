;; What describes the result is not aligned.
;;; run
(return (i32.const 1033))
