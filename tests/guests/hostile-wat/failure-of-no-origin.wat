;; A failure has an origin that there is not.
;;; run
(i32.store (i32.const 1032) (i32.const 1))
(i32.store (i32.const 1036) (i32.const 2048))
(i32.store (i32.const 1040) (i32.const 4))
(i32.store (i32.const 1044) (i32.const 2048))
(i32.store (i32.const 1048) (i32.const 4))
(i32.store8 (i32.const 1052) (i32.const 99))
(return (i32.const 1032))
