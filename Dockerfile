# Beyond loopback, where a container has to listen, the server asks for API keys.
# The first start makes one with every right and prints it once (docker logs):
#   docker build -t grym-synth .
#   docker run --read-only -p 127.0.0.1:8080:8080 -v grym-data:/data grym-synth

FROM golang:1.26-bookworm AS build
# npm fetches the ONNX Runtime library, the decoders and the libraries of the console, which `make build` checks and embeds.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates nodejs npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# A volume takes its first owner from the folder in the image, so there must be one.
RUN make build && mkdir /empty

# ffmpeg decodes the formats that the server does not decode itself (docs/audio.md). The
# binary unpacks the library into memory and writes to /data only; the user is not root.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 65532 --no-create-home --shell /usr/sbin/nologin nonroot
COPY --from=build /src/bin/grym-synth /grym-synth
COPY --from=build /src/services/audiofile/xiph/licences.txt /usr/share/doc/grym-synth/
COPY --from=build --chown=65532:65532 /empty /data
ENV GRYM_API__LISTEN=0.0.0.0:8080 \
    GRYM_DATADIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/grym-synth", "healthcheck"]
ENTRYPOINT ["/grym-synth"]
