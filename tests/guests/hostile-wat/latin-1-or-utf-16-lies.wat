;; The manifest's length says that it is in UTF-16, of 2 GiB.
;;; options
string-encoding=latin1+utf16
;;; describe
(i32.store (i32.const 1024) (i32.const 65536))
(i32.store (i32.const 1028) (i32.const -1))
(return (i32.const 1024))
