;; `describe` never ends.
;;; describe
(loop $forever (br $forever))
