# Thin over `cargo xtask`: each target does all its own set-up. Arguments: make demo ARGS=--exit
.PHONY: demo test bench fmt lint
demo:  ; @cargo xtask demo $(ARGS)
test:  ; @cargo xtask test $(ARGS)
bench: ; @cargo xtask bench $(ARGS)
fmt:   ; @cargo xtask fmt
lint:  ; @cargo xtask lint
