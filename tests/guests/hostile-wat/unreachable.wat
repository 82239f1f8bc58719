;; The flow traps.
;;; run
unreachable
