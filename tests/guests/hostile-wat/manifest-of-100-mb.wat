;; The manifest has 100 MB of zeros.
;;; memory
1600
;;; describe
(i32.store (i32.const 1024) (i32.const 131072))
(i32.store (i32.const 1028) (i32.const 100000000))
(return (i32.const 1024))
