# Three stages from the same package lists (packages/*.txt) that ./dev uses.
#   dev       a place to build in:       docker build --target dev --build-arg LIST=test .      (LIST: build or test)
#   build     the release binary
#   runtime   what is shipped (default): docker build -t weft . && docker run --rm -p 11434:11434 weft

FROM debian:forky-slim AS dev
ARG LIST=build
ENV LANG=C.UTF-8 WEFT_INSIDE=1
COPY dev /opt/weft-packages/dev
COPY packages /opt/weft-packages/packages
RUN apt-get update \
 && apt-get install -y --no-install-recommends $(bash /opt/weft-packages/dev deps "$LIST") \
 && rm -rf /var/lib/apt/lists/*

FROM dev AS build
WORKDIR /src
COPY . .
RUN cmake --preset release -DWEFT_TESTS=OFF -DWEFT_BENCH=OFF \
 && ninja -C build/release weft \
 && strip build/release/weft

FROM debian:forky-slim AS runtime
ENV LANG=C.UTF-8
COPY packages/run.txt /tmp/run.txt
RUN apt-get update \
 && sed 's/#.*//' /tmp/run.txt | xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /tmp/run.txt \
 && useradd --uid 10001 --home-dir /var/lib/weft --create-home --shell /usr/sbin/nologin weft \
 && mkdir /models
COPY --from=build /src/build/release/weft /usr/local/bin/weft
COPY --from=build /src/build/release/lib/weft /usr/local/lib/weft
COPY models/*.gguf /usr/share/weft/models/
USER weft
ENV WEFT_HOME=/var/lib/weft
WORKDIR /var/lib/weft
EXPOSE 11434
# Loading a model does not make the server unready; a step thread that is stuck, or draining, does.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["weft", "health"]
ENTRYPOINT ["weft"]
# Your own models: -v /path/to/ggufs:/models:ro
CMD ["serve", "--host", "0.0.0.0", "--models-dir", "/usr/share/weft/models", "--models-dir", "/models"]
