/** The table of what is fuzzed. Knows where the targets are and imports none: they are imported with their decoders instrumented. */
import type { TargetPlace } from "./target.js";

export const TARGETS: readonly TargetPlace[] = [
  {
    name: "mqtt-packets",
    module: "mqtt-packets",
    covers: [
      "src/edges/mqtt/framer",
      "src/edges/mqtt/packets/",
      "src/edges/message-properties",
      "src/topics/topic-name",
    ],
  },
  {
    name: "peer-frames",
    module: "peer-frames",
    covers: [
      "cluster/transport/frame-codec",
      "cluster/transport/message-codec",
      "cluster/change-data",
      "cluster/log/snapshot-meta",
    ],
  },
  {
    name: "peer-handshake",
    module: "peer-handshake",
    covers: ["cluster/transport/handshake"],
  },
  {
    name: "peer-snapshot",
    module: "peer-snapshot",
    covers: [
      "cluster/snapshot-",
      "cluster/calls",
      "cluster/log/snapshot-meta",
      "cluster/log/snapshot-manifest",
      "cluster/log/memory-snapshot-store",
    ],
  },
  {
    name: "peer-calls",
    module: "peer-calls",
    covers: ["cluster/calls", "cluster/member", "cluster/transport/frame-codec"],
  },
  {
    name: "peer-answers",
    module: "peer-answers",
    covers: ["cluster/calls", "cluster/reads", "cluster/wall-clocks", "cluster/member-"],
  },
  { name: "commands", module: "commands", covers: ["src/commands/codec/", "src/state-machine/"] },
  {
    name: "state-file",
    module: "state-file",
    covers: ["src/replica/state-file", "src/state-machine/", "src/commands/codec/byte-reader"],
  },
  { name: "raft-log", module: "raft-log", covers: ["cluster/log/"] },
  { name: "node-file", module: "node-file", covers: ["src/replica/node-identity"] },
  {
    name: "snapshot-files",
    module: "snapshot-files",
    covers: ["cluster/log/file-snapshot-store", "cluster/log/snapshot-", "cluster/log/disk"],
  },
  { name: "message-segments", module: "message-segments", covers: ["src/store/"] },
  {
    name: "store-sidecars",
    module: "store-sidecars",
    covers: ["src/store/sealed-index", "src/store/sidecar", "src/store/segment-index", "src/store/trims"],
  },
  { name: "state-store", module: "state-store", covers: ["src/store/lmdb-", "src/store/state-"] },
  {
    name: "http-head",
    module: "http-head",
    covers: [
      "src/edges/http/",
      "src/edges/message-properties",
      "src/replica/event-id",
      "src/topics/topic-name",
    ],
  },
  { name: "mqtt-connection", module: "mqtt-connection", covers: ["src/edges/mqtt/", "src/topics/"] },
  {
    name: "websocket",
    module: "websocket",
    covers: [
      "src/edges/http/websocket-stream",
      "node_modules/ws/lib/receiver",
      "node_modules/ws/lib/validation",
    ],
  },
  { name: "http-server", module: "http-server", covers: ["src/edges/http/"] },
];
