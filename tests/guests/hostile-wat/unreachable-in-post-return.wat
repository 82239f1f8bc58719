;; What cleans up after the result traps.
;;; post-return
unreachable
