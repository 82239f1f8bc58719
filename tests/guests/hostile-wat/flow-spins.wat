;; The flow never ends.
;;; run
(loop $forever (br $forever))
