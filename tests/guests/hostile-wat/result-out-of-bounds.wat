;; The result lies beyond the end of the memory.
;;; run
(i32.store (i32.const 1032) (i32.const 0))
(i32.store (i32.const 1036) (i32.const -8))
(i32.store (i32.const 1040) (i32.const 100))
(return (i32.const 1032))
