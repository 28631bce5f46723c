# For a Go module whose root is the main package.
FROM golang:1.25 AS build
WORKDIR /src
COPY go.mod go.sum* ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /app .

FROM gcr.io/distroless/static-debian12:nonroot
ENV PORT=8080
COPY --from=build /app /app
EXPOSE 8080
ENTRYPOINT ["/app"]
