# Cordon in a container: one binary, one volume, no root.
#
#   docker build -t cordon .
#   docker run -v cordon:/var/lib/cordon -p 127.0.0.1:8080:8080 -p 2575:2575 -p 6601:6601 -p 5514:5514/udp cordon
#
# packaging/container.yaml is what it runs with; mount your own over
# /etc/cordon/cordon.yaml. Put a reverse proxy with TLS in front of port 8080.
#
# A sensor on a mirror port of the host takes its network and one capability:
#   docker run --network host --cap-add NET_RAW --user 0 -e CORDON_TOKEN cordon sensor --server URL -i eth1
#
# Sources are compiled with C, because the lake asks its questions through DuckDB.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -ldflags='-s -w' -o /out/cordon ./cmd/cordon \
 && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/cordon-verify ./cmd/cordon-verify

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libstdc++6 tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 8014 --home-dir /var/lib/cordon --shell /usr/sbin/nologin cordon \
 && install -d -o cordon -g cordon -m 0700 /var/lib/cordon
COPY --from=build /out/cordon /out/cordon-verify /usr/local/bin/
COPY packaging/container.yaml /etc/cordon/cordon.yaml
COPY LICENSE /usr/share/doc/cordon/LICENSE
USER cordon
WORKDIR /var/lib/cordon
VOLUME /var/lib/cordon
# console and API; HL7 over MLLP; syslog over TCP and UDP
EXPOSE 8080 2575 6601 5514/udp
STOPSIGNAL SIGTERM
# The image has no curl; bash can ask as well.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["cordon"]
CMD ["serve", "--config", "/etc/cordon/cordon.yaml"]
