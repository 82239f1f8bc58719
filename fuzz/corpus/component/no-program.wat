;; A component that does not export `kitaru:flow/program`.
(component)
