;; A component that imports what no host of ours offers.
(component
  (import "acme:rockets/launch@1.0.0" (instance (export "launch" (func)))))
