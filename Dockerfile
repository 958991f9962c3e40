# The server asks for no key yet. Publish its port to the loopback interface:
#   docker build -t grym-synth . && docker run --read-only -p 127.0.0.1:8080:8080 -v grym-data:/data grym-synth

FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends npm && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build && mkdir /empty

# glibc and libstdc++ for ONNX Runtime, and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/bin/grym-synth /grym-synth
COPY --from=build --chown=nonroot:nonroot /empty /data
ENV GRYM_API__LISTEN=0.0.0.0:8080 GRYM_DATADIR=/data
VOLUME /data
EXPOSE 8080
USER nonroot
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/grym-synth", "healthcheck"]
ENTRYPOINT ["/grym-synth"]
