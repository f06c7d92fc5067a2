# The image that `make image` makes without Docker; both take its files from image/rootfs.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p sluicegate && image/rootfs target/release/sluicegate /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/sluicegate"]
