# SPDX-License-Identifier: Apache-2.0
# Two stages: the build with its tools, and a runtime image with sabird, libsabir and the libraries that they need.
#
#   podman build --build-arg BASE=debian:bookworm-slim -t sabir .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make install DESTDIR=/out PREFIX=/usr LIBDIR=/usr/lib && install -D -t /out/usr/lib/sabir/examples build/examples/*[!.d]

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgrpc29 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 742 sabir && useradd --system --uid 742 --gid sabir --no-create-home sabir \
    && install -d -o sabir -g sabir /run/sabir && install -d -m 700 -o sabir -g sabir /var/lib/sabir
COPY --from=build /out/usr/ /usr/
USER sabir
VOLUME /run/sabir
EXPOSE 7420
ENV SABIR_SOCKET=/run/sabir/sabir.sock
HEALTHCHECK --interval=5s --timeout=3s --start-period=2s CMD ["/usr/bin/sabird", "--health"]
ENTRYPOINT ["/usr/bin/sabird"]
CMD ["--listen", "0.0.0.0:7420"]
