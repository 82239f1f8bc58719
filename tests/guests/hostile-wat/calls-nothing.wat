;; The flow calls an element of a table in which there is none.
;;; module
(table $table 4 funcref)
(type $nothing (func))
;;; run
(call_indirect $table (type $nothing) (i32.const 2))
