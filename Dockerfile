# One Jangada node. Built on any image with Node 20.15 or newer, npm and glibc (--build-arg BASE_IMAGE=...).
#
#     docker build -t jangada .
#     docker run -p 127.0.0.1:1883:1883 -p 127.0.0.1:8080:8080 -v jangada:/data jangada serve --allow-anonymous
ARG BASE_IMAGE=node:20-bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /app
# What decides the dependencies comes first, so that a change of the sources does not install them anew. Install scripts stay
# off (.npmrc says so too): every native part comes prebuilt inside its package.
COPY package.json package-lock.json .npmrc ./
COPY stubs ./stubs
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY cluster ./cluster
COPY src ./src
# The program alone: load programs and tests stay outside the image.
RUN node_modules/.bin/tsc --project tsconfig.build.json --incremental false --tsBuildInfoFile null --sourceMap false \
 && npm prune --omit=dev --ignore-scripts

FROM ${BASE_IMAGE}
# A numeric user needs no entry in /etc/passwd, and lets Kubernetes see that it is not root.
ARG UID=1000
ENV NODE_ENV=production \
    JANGADA_DATA_DIR=/data \
    JANGADA_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/stubs ./stubs
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN mkdir -m 0700 /data && chown "${UID}:${UID}" /data
USER ${UID}:${UID}
VOLUME /data
# MQTT, HTTP, peers.
EXPOSE 1883 8080 7000
# SIGTERM hands over leadership, flushes and exits within 10 s; node as process 1 gets it, since it handles it itself.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.JANGADA_HTTP_PORT || 8080}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/cli/jangada.js"]
CMD ["serve"]
