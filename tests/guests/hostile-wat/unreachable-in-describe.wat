;; `describe` traps.
;;; describe
unreachable
