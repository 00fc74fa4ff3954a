# One image with kvrouter, kvnode and kvctl. Where a build reaches packages only through the host's
# network: docker build --network=host -t ringkv .

# ---- packages: rebuilt only when the list of packages changes
FROM debian:bookworm AS packages
COPY scripts/build-packages.txt /tmp/
RUN apt-get update \
 && sed 's/#.*//' /tmp/build-packages.txt \
  | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/*

# ---- build
FROM packages AS build
WORKDIR /src
COPY . .
RUN cmake --preset release -D RINGKV_TESTS=OFF \
 && ninja -C build/release kvrouter kvnode kvctl \
 && mkdir -p /out/bin \
 && for name in kvrouter kvnode kvctl; do strip -o /out/bin/$name build/release/bin/$name || exit 1; done
# The packages that hold the libraries these three are linked with.
RUN ldd /out/bin/* | awk '$2 == "=>" { print $3 }' | sort -u | xargs -n 1 readlink -f | sort -u \
  | while read -r library; do \
      dpkg -S "$library" 2>/dev/null || dpkg -S "${library#/usr}" || exit 1; \
    done | cut -d : -f 1 | sort -u > /out/packages.txt \
 && cat /out/packages.txt

# ---- what runs: rebuilt only when the list of libraries or the programs change
FROM debian:bookworm-slim
COPY --from=build /out/packages.txt /tmp/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
 && useradd --system --uid 7400 --user-group --home-dir /var/lib/ringkv --create-home ringkv
COPY docker/ready /usr/local/bin/ringkv-ready
COPY configs/docker /etc/ringkv
COPY --from=build /out/bin/ /usr/local/bin/
USER ringkv
WORKDIR /var/lib/ringkv
VOLUME /var/lib/ringkv
EXPOSE 7400 7401 7500 7501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["ringkv-ready"]
CMD ["kvnode", "--config", "/etc/ringkv/kvnode.yaml"]
