;; The manifest lies beyond the end of the memory.
;;; describe
(i32.store (i32.const 1024) (i32.const 65536))
(i32.store (i32.const 1028) (i32.const 0x7fffffff))
(return (i32.const 1024))
