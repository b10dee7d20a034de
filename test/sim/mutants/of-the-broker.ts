/** Rules of our own: proposals, sessions, deliveries, retention, the store. Each broken by itself. */
import { edit, type Mutant, mutant } from "./mutant.js";

const MACHINE = "dist/src/state-machine";

export const MUTANTS_OF_THE_BROKER: readonly Mutant[] = [
  mutant({
    name: "the receipt of a QoS 2 publish is not committed with it",
    rule: "reliability 8: one append per packet id until PUBREL",
    nodes: 3,
    edits: edit(`${MACHINE}/publish.js`, "session.addIncoming(receipt.packetId);", ""),
    shows: /a second time|has another/,
  }),
  mutant({
    name: "a QoS 2 receipt that is there does not stop a repeat",
    rule: "reliability 8",
    nodes: 3,
    edits: edit(
      `${MACHINE}/publish.js`,
      "if (session.incoming.has(receipt.packetId))\n        return DONE;",
      "",
    ),
    shows: /a second time/,
  }),
  mutant({
    name: "the cursor of a session moves before the client has acknowledged",
    rule: "reliability 7 and 12: nothing is forgotten before its PUBACK",
    nodes: 3,
    edits: edit(
      `${MACHINE}/progress-commands.js`,
      "session.live.take({ through, received: entry.received, done: entry.done });",
      "session.live.take({ through: Math.max(through, session.sentThrough), received: entry.received, done: entry.done });",
    ),
    shows: /never got|lacks position|not within/,
  }),
  mutant({
    name: "retention does not ask what sessions still need",
    rule: "ARCHITECTURE: what a kept session has not got is held back",
    nodes: 1,
    edits: edit(
      "dist/src/replica/session-holds.js",
      "        return above;\n    }\n    /** How many",
      "        return Number.POSITIVE_INFINITY;\n    }\n    /** How many",
    ),
    shows: /never got|lacks position|not within|sessions lose/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "a connection that was taken over still speaks for the session",
    rule: "ARCHITECTURE: every command carries its epoch",
    nodes: 3,
    edits: edit(
      `${MACHINE}/speaker.js`,
      "session?.epoch === command.epoch && session.owner !== null ? session : undefined",
      "session",
    ),
    shows: /is published, and is not due/,
    seedsMax: 1_500,
  }),
  mutant({
    name: "a will stays in the session when it was published",
    rule: "reliability 12: wills are published once",
    nodes: 3,
    edits: edit(`${MACHINE}/wills.js`, "state.sessions.setWill(session, null);", ""),
    shows: /a second time|has another|is published, and is not due/,
  }),
  mutant({
    name: "the sessions of a node that is gone are let be",
    rule: "reliability 12: wills of a dead node's clients",
    nodes: 3,
    edits: edit(
      `${MACHINE}/node-commands.js`,
      'for (const session of sessions)\n        displace(session, "node_down", effects);\n    loseConnections(state, sessions, effects);',
      "",
    ),
    shows: /lacks its will|not within|another|is due, and is not published/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "a proposal that was applied is applied again",
    rule: "ARCHITECTURE: proposals are exactly-once",
    nodes: 3,
    edits: edit(`${MACHINE}/origins.js`, 'return "duplicate";', 'return "applied";'),
    shows: /a second time|out of turn|another/,
  }),
  mutant({
    name: "a proposal whose predecessor was lost is applied",
    rule: "ARCHITECTURE: only right after its predecessor",
    nodes: 3,
    edits: edit(`${MACHINE}/origins.js`, 'return "out-of-order";', "void 0;"),
    shows: /was applied out of turn/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "an idempotency key that was seen is appended again",
    rule: "reliability 9",
    nodes: 3,
    edits: edit(
      `${MACHINE}/publish.js`,
      "const first = state.idempotency.find(topic.id, idempotency.key, state.timeMs);",
      "const first = undefined;",
    ),
    shows: /a second time|has another|answered/,
  }),
  mutant({
    name: "an empty payload does not delete the retained message",
    rule: "reliability 11",
    nodes: 1,
    edits: edit(
      `${MACHINE}/retained.js`,
      "if (message.payload.byteLength === 0) {\n            this.delete(id);",
      "if (message.payload.byteLength === 0) {",
    ),
    shows: /retains/,
  }),
  mutant({
    name: "the id of an event of the future is taken",
    rule: "reliability 10: a future id gives an error",
    nodes: 1,
    edits: edit("dist/src/replica/event-id.js", "position > head", "position > head + 1_000"),
    shows: /which is in the future/,
  }),
  mutant({
    name: "nobody is told of what was trimmed",
    rule: "reliability 5: no gap, or an explicit notice",
    nodes: 1,
    edits: edit(
      "dist/src/topics/live-subscription.js",
      "this.#guard(() => this.#sink.gap(after, trimmedThrough));",
      "void after;",
    ),
    shows: /never got position/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "a subscriber that catches up goes live too early",
    rule: "reliability 5: no gap within a filter",
    nodes: 1,
    edits: edit(
      "dist/src/topics/live-subscription.js",
      "if (this.#cursor < this.#broker.flushedThrough)\n            return false;",
      "if (this.#cursor + 3 < this.#broker.flushedThrough)\n            return false;",
    ),
    shows: /never got position|lacks position/,
  }),
  mutant({
    name: "packet identifiers depend on the node",
    rule: "ARCHITECTURE: a packet identifier follows from the position",
    nodes: 3,
    edits: edit(
      "dist/src/edges/mqtt/delivery/packet-id.js",
      "return ((position - 1) % ids) + 1;",
      "const shift = (globalThis.__shift = (globalThis.__shift ?? 0) + 1) >> 6; return ((position - 1 + shift) % ids) + 1;",
    ),
    shows: /lacks position/,
  }),
  mutant({
    name: "PUBREL is sent before PUBREC is committed",
    rule: "ARCHITECTURE: what the client relies on is committed first",
    nodes: 3,
    edits: edit(
      `${MACHINE}/delivery-progress.js`,
      "const received = news.received.filter(isAbove);",
      "const received = [];",
    ),
    shows: /twice at QoS 2/,
  }),
  mutant({
    name: "what was lost with a leader is not proposed again",
    rule: "ARCHITECTURE: what gets lost is proposed again by its submitter",
    nodes: 3,
    edits: edit(
      "dist/src/commands/submit.js",
      "for (const { payload } of this.#inFlight) {",
      "for (const { payload } of this.#inFlight.slice(1)) {",
    ),
    shows: /not within|never answered/,
  }),
  mutant({
    name: "callers of one batch get each other's answers",
    rule: "reliability 1: what is acknowledged is where it is said to be",
    nodes: 1,
    edits: edit(
      "dist/src/commands/submit.js",
      "const result = applied.results[i];",
      "const result = applied.results[(i + 1) % applied.results.length];",
    ),
    shows: /is acknowledged at|answered/,
  }),
  mutant({
    name: "a page tells of a gap where nothing was trimmed",
    rule: "reliability 5: an explicit gap notice",
    nodes: 1,
    edits: edit(
      "dist/src/store/page.js",
      "trimmedThrough: gap > this.#query.after ? gap : 0",
      "trimmedThrough: next",
    ),
    shows: /is told of a gap/,
  }),
  mutant({
    name: "a message of a page has the bytes of the one before",
    rule: "reliability 2",
    nodes: 1,
    edits: edit(
      "dist/src/store/page.js",
      "this.#messages.push(message);",
      "this.#messages.push({ ...message, payload: (this.#messages.at(-1) ?? message).payload });",
    ),
    shows: /with other bytes/,
  }),
];
