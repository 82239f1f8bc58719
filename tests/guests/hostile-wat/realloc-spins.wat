;; The allocator never returns when the host asks for room for the arguments.
;;; realloc
(loop $forever (br $forever))
