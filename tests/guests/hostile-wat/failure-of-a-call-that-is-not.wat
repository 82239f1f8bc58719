;; A failure says that it comes from a call that was never made, and from the host's own divergence.
;;; run
(i32.store (i32.const 2048) (i32.const 0x65746861))
(i32.store (i32.const 1032) (i32.const 1))
(i32.store (i32.const 1036) (i32.const 2048))
(i32.store (i32.const 1040) (i32.const 4))
(i32.store (i32.const 1044) (i32.const 2048))
(i32.store (i32.const 1048) (i32.const 4))
(i32.store8 (i32.const 1052) (i32.const 3))
(i32.store8 (i32.const 1053) (i32.const 1))
(i32.store8 (i32.const 1056) (i32.const 1))
(i32.store (i32.const 1060) (i32.const -1))
(i32.store (i32.const 1064) (i32.const 0))
(return (i32.const 1032))
