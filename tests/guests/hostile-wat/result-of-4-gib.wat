;; The result says that it has 4 GiB.
;;; run
(i32.store (i32.const 1032) (i32.const 0))
(i32.store (i32.const 1036) (i32.const 0))
(i32.store (i32.const 1040) (i32.const -1))
(return (i32.const 1032))
