# For a Cargo project with one program.
FROM rust:1-slim AS build
WORKDIR /src
COPY . .
RUN cargo install --path . --root /out --locked || cargo install --path . --root /out
RUN mkdir /program && cp "$(find /out/bin -type f | head -n 1)" /program/app

FROM debian:stable-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system app
ENV PORT=8080
COPY --from=build /program/app /usr/local/bin/app
USER app
EXPOSE 8080
ENTRYPOINT ["app"]
