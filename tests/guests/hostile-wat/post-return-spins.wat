;; What cleans up after the result never ends.
;;; post-return
(loop $forever (br $forever))
