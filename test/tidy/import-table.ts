/**
 * Who may import what: the most specific row that names a file decides. A row's own directory is always allowed. Adding to this
 * table is the rarest of changes, and a reason goes with it.
 */

/** One row. A name that ends in `/` stands for all below it; `node:` and `npm:` alone stand for all of them. */
export interface Row {
  /** A directory (ends in `/`) or a file. */
  readonly files: string;
  readonly may: readonly string[];
}

/** Pure and of no area: anybody may know them. */
const COMMON = ["src/errors.ts", "src/limits.ts"];

/** Ports of time, chance, counting and logging, with their real versions beside them. */
const RUNTIME = "src/runtime/";

/** What a message, a command and an effect are. */
const VALUES = [
  "src/commands/command.ts",
  "src/state-machine/effects.ts",
  "src/state-machine/session-view.ts",
];

/** Byte encoding without Node: the state machine's records use it too. */
const BYTES = [
  "src/commands/codec/byte-reader.ts",
  "src/commands/codec/byte-writer.ts",
  "src/commands/codec/owned-copy.ts",
];

/** What edges have in common. */
const EDGES_SHARE = [
  "src/edges/edge.ts",
  "src/edges/message-properties.ts",
  "src/edges/retained-queue.ts",
  "src/edges/socket-budget.ts",
];

/** What edges know of the node: its front, never its inside. */
const EDGE_VIEW = [
  ...COMMON,
  ...VALUES,
  RUNTIME,
  "src/broker.ts",
  "src/cluster-control.ts",
  ...EDGES_SHARE,
  "src/store/message-store.ts",
  "src/topics/subscriber.ts",
  "src/topics/filter-set.ts",
  "src/topics/topic-name.ts",
];

export const IMPORT_TABLE: readonly Row[] = [
  // Replication knows no topic and imports nothing of src/; only one file of it knows the engine.
  { files: "cluster/", may: ["node:"] },
  { files: "cluster/raft-core.ts", may: ["cluster/", "npm:@coaty/consensus.raft"] },

  // Leaves.
  { files: "src/errors.ts", may: [] },
  { files: "src/limits.ts", may: ["src/errors.ts"] },
  { files: "src/runtime/", may: ["node:crypto", "node:fs", "node:os", "npm:pino", "npm:prom-client"] },
  // Where the program's manifest is.
  { files: "src/runtime/version.ts", may: ["node:fs", "node:path", "node:url"] },
  {
    files: "src/config/",
    may: [
      ...COMMON,
      "src/runtime/logger.ts",
      // What a topic filter is.
      "src/topics/topic-name.ts",
      "node:net",
      "node:util",
      "npm:zod",
      "npm:yaml",
    ],
  },
  // A file's mode is checked on the very file that is read.
  { files: "src/config/secret-file.ts", may: [...COMMON, "node:fs"] },
  { files: "src/config.ts", may: ["src/config/", ...COMMON] },

  // Pure: no Node, no npm.
  {
    files: "src/state-machine/",
    // Which shares a message is for is decided here, by the same pure tree that the edges' side of the broker uses.
    may: [
      ...COMMON,
      "src/commands/command.ts",
      ...BYTES,
      "src/topics/topic-name.ts",
      "src/topics/topic-trie.ts",
    ],
  },

  // The only way to change state; carries commands to replication and back.
  {
    files: "src/commands/",
    may: [...COMMON, RUNTIME, "src/state-machine/effects.ts", "cluster/types.ts", "cluster/errors.ts"],
  },

  // What is kept. One file knows lmdb.
  { files: "src/store/", may: [...COMMON, "src/commands/command.ts", "src/state-machine/", "node:"] },
  {
    files: "src/store/lmdb-state-store.ts",
    may: ["src/store/", ...COMMON, "src/state-machine/", "node:", "npm:lmdb"],
  },

  // Fan-out on this node: reads the store through its port.
  {
    files: "src/topics/",
    may: [...COMMON, RUNTIME, "src/state-machine/effects.ts", "src/store/message-store.ts"],
  },
  { files: "src/topics/topic-name.ts", may: ["src/limits.ts"] },

  // Joins replication, machine, store and topic brokers; its edges are ports.
  {
    files: "src/replica/",
    may: [
      ...COMMON,
      RUNTIME,
      "cluster/",
      "src/broker.ts",
      "src/cluster-control.ts",
      "src/commands/",
      "src/edges/edge.ts",
      "src/state-machine/",
      "src/store/",
      "src/topics/",
      "node:",
    ],
  },
  {
    files: "src/broker.ts",
    may: [...VALUES, "src/store/message-store.ts", "src/topics/filter-set.ts", "src/topics/subscriber.ts"],
  },
  { files: "src/cluster-control.ts", may: ["src/broker.ts"] },

  // Bytes to commands, batches to bytes. One edge knows nothing of another, but some things are the same for all.
  { files: "src/edges/edge.ts", may: [] },
  { files: "src/edges/socket-budget.ts", may: [] },
  { files: "src/edges/message-properties.ts", may: ["src/errors.ts", "src/commands/command.ts"] },
  { files: "src/edges/retained-queue.ts", may: EDGE_VIEW },
  {
    files: "src/edges/http/",
    // How a peer's address is written is the same in a setting and in a request.
    may: [
      ...EDGE_VIEW,
      "src/config/peer-address.ts",
      "node:",
      "npm:fastify",
      "npm:@fastify/swagger",
      "npm:ws",
      "npm:zod",
    ],
  },
  { files: "src/edges/mqtt/", may: [...EDGE_VIEW, "src/security/enhanced-auth.ts", "node:"] },
  // Bytes and values: pure, so that any bytes can be tried on it.
  {
    files: "src/edges/mqtt/packets/",
    may: [
      ...COMMON,
      "src/commands/command.ts",
      "src/edges/mqtt/bytes.ts",
      "src/edges/mqtt/refusal.ts",
      "src/topics/topic-name.ts",
      "node:buffer",
    ],
  },

  // Who may do what: ports that edges ask.
  { files: "src/security/", may: COMMON },

  // Wiring: may know everybody but the command line. Edges in one file, what is behind them in the other.
  {
    files: "src/node.ts",
    may: [
      ...COMMON,
      RUNTIME,
      "src/config.ts",
      "src/core.ts",
      "src/edges/",
      "src/lifecycle.ts",
      "src/replica/",
      "src/security/",
      "node:timers/promises",
    ],
  },
  {
    files: "src/core.ts",
    may: [
      ...COMMON,
      RUNTIME,
      "cluster/",
      "src/commands/",
      "src/config.ts",
      "src/lifecycle.ts",
      "src/log-time.ts",
      "src/peers.ts",
      "src/replica/",
      "src/store/",
      "src/topics/",
      "node:timers/promises",
    ],
  },
  {
    files: "src/log-time.ts",
    may: [
      ...COMMON,
      RUNTIME,
      "cluster/",
      "src/commands/",
      "src/config.ts",
      "src/lifecycle.ts",
      "src/replica/",
      "src/store/message-store.ts",
    ],
  },
  { files: "src/lifecycle.ts", may: [...COMMON, RUNTIME, "src/broker.ts"] },
  {
    files: "src/peers.ts",
    may: [
      ...COMMON,
      RUNTIME,
      "cluster/",
      "src/cluster-control.ts",
      "src/config.ts",
      "src/config/",
      "src/join.ts",
      "src/replica/data-directory.ts",
      "node:crypto",
    ],
  },
  {
    files: "src/join.ts",
    may: [...COMMON, RUNTIME, "src/cluster-control.ts", "node:timers/promises", "npm:zod"],
  },
  {
    files: "src/cli/",
    may: [
      ...COMMON,
      RUNTIME,
      "src/config.ts",
      "src/config/",
      "src/lifecycle.ts",
      "src/node.ts",
      // Loaded by itself first: a node's modules are many files to open at once.
      "src/edges/mqtt/server.ts",
      "node:",
      "npm:eventsource-parser",
      "npm:pino-pretty",
    ],
  },

  // Outside programs: they see the node as users do, over the network.
  { files: "clients/", may: ["node:", "npm:"] },
  { files: "load/", may: ["node:", "npm:"] },
];
