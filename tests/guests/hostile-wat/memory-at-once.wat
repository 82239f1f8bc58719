;; The memory has 4 GiB from the start.
;;; memory
65536
