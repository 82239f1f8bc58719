;; The allocator traps.
;;; realloc
unreachable
