# SPDX-License-Identifier: Apache-2.0
# A Python program that uses the server over gRPC.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY proto proto
COPY bindings/python bindings/python
RUN bindings/python/install /opt/sabir
COPY deploy/compose/client.py /usr/local/bin/client.py
USER nobody
CMD ["/opt/sabir/bin/python", "/usr/local/bin/client.py"]
