# Every target does its own set-up. `make test` is what CI runs; a tier whose means this machine lacks prints SKIPPED and
# the reason, and `REQUIRE=all make test` forbids that.

.PHONY: test lint bench crds fuzz doc setup image

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

crds:
	UPDATE=1 cargo test --quiet -p sluicegate-crds --test generated

# A container image without Docker: target/image.tar, for `ctr images import` and `docker load`.
image:
	image/build
