;; The message of a failure is not UTF-8.
;;; run
(i32.store (i32.const 2048) (i32.const 0xffffffff))
(i32.store (i32.const 1032) (i32.const 1))
(i32.store (i32.const 1036) (i32.const 2048))
(i32.store (i32.const 1040) (i32.const 0))
(i32.store (i32.const 1044) (i32.const 2048))
(i32.store (i32.const 1048) (i32.const 4))
(return (i32.const 1032))
