# Every target does its own set-up. `make test` is what CI runs; a tier whose means this machine lacks prints SKIPPED and
# the reason, and `REQUIRE=all make test` forbids that.

.PHONY: test lint bench bench-control crds fuzz doc setup image

test:
	tests/run all

lint:
	tests/run format clippy doc licenses

doc:
	tests/run doc

fuzz:
	tests/run fuzz

setup:
	tests/run setup

bench:
	bench/run
	cargo bench --workspace

# How fast an edit reaches traffic beside a real API server, and what it costs; exits with 1 where a bar is missed.
bench-control:
	tests/run setup apiserver clients
	cargo build --release --bin sluicegate --bin bench-control -p sluicegate -p sluicegate-bench
	SLUICEGATE_BIN=$${CARGO_TARGET_DIR:-target}/release/sluicegate $${CARGO_TARGET_DIR:-target}/release/bench-control

crds:
	UPDATE=1 cargo test --quiet -p sluicegate-crds --test generated

# A container image without Docker: target/image.tar, for `ctr images import` and `docker load`.
image:
	image/build
