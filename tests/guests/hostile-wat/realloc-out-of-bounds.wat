;; The allocator answers with a place beyond the end of the memory.
;;; realloc
(return (i32.const -16))
