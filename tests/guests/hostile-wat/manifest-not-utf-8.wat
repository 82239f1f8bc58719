;; The manifest is not UTF-8.
;;; describe
(i32.store (i32.const 2048) (i32.const 0xfffefdfc))
(i32.store (i32.const 1024) (i32.const 2048))
(i32.store (i32.const 1028) (i32.const 4))
(return (i32.const 1024))
