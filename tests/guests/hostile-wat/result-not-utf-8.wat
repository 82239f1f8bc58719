;; The result is not UTF-8.
;;; run
(i32.store (i32.const 2048) (i32.const 0x22ffc322))
(i32.store (i32.const 1032) (i32.const 0))
(i32.store (i32.const 1036) (i32.const 2048))
(i32.store (i32.const 1040) (i32.const 4))
(return (i32.const 1032))
