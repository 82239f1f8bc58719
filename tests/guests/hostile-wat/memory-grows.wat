;; The memory grows until it cannot.
;;; run
(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
