# Launchway itself. Both base images can be replaced: --build-arg BUILD_IMAGE=... --build-arg RUNTIME_IMAGE=...
# Needs no BuildKit feature, so every builder can build it.
ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

# ---- what runs: the binary, the CA certificates, OpenSSL (for git over https and ssh)
FROM ${RUNTIME_IMAGE} AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/launchway --shell /usr/sbin/nologin launchway \
 && install -d -o launchway -g launchway -m 0700 /var/lib/launchway
USER launchway
WORKDIR /var/lib/launchway
VOLUME /var/lib/launchway
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["launchway", "health"]
ENTRYPOINT ["launchway"]
CMD ["serve", "--config", "/etc/launchway/launchway.toml"]

# ---- the build: dependencies in a layer of their own, so that a change of the source compiles only the source
FROM ${BUILD_IMAGE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo 'fn main() {}' >src/main.rs \
 && touch src/lib.rs \
 && cargo build --locked --release --lib --bins \
 && rm -rf src target/release/launchway target/release/deps/*launchway* target/release/.fingerprint/launchway-*
COPY . .
RUN cargo build --locked --release --bin launchway

FROM base
COPY --from=build /build/target/release/launchway /usr/local/bin/launchway
