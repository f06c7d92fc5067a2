# The image that `make image` makes without Docker; both take its files from image/rootfs.
FROM rust:1.95.0-bookworm AS build
# The toolchain that is there: rust-toolchain.toml also asks for clippy and rustfmt, which rustup would download.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p sluicegate && image/rootfs target/release/sluicegate /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/sluicegate"]
