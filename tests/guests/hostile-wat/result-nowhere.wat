;; What describes the result lies beyond the end of the memory.
;;; run
(return (i32.const -4))
