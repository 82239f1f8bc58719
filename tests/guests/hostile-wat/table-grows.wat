;; A table grows until it cannot.
;;; module
(table $table 1 funcref)
;;; run
(loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 4096)) (i32.const -1))))
