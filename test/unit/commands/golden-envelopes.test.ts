/**
 * The bytes of envelopes, held still. Those of version 1 lie in logs and are only read; those of version 2 are what is written.
 */
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../../src/commands/codec.js";
import type { Envelope, SessionProgress, SubscriptionOptions, Will } from "../../../src/commands/command.js";
import { readGolden } from "../../golden/read-golden.js";
import { codeOf, encodeEnvelope, envelopeOf, publishOf } from "./arbitrary-command.js";

/** Each has its line in both files. */
const SINCE_1: Record<string, Envelope> = {
  empty: envelopeOf(),
  "largest-numbers": {
    origin: "nó-17",
    incarnation: Number.MAX_SAFE_INTEGER,
    sequence: Number.MAX_SAFE_INTEGER,
    timeMs: Number.MAX_SAFE_INTEGER,
    commands: [publishOf("a", "", {}, { expiresAtMs: Number.MAX_SAFE_INTEGER })],
  },
  "publish-plain": envelopeOf(publishOf("sensors/a", "21.5")),
  "publish-no-create": envelopeOf(publishOf("sensors/a", "21.5", { autoCreate: false })),
  "publish-all-fields": envelopeOf(
    publishOf(
      "praça/1",
      "oi",
      { idempotency: { key: "key-1", digest: "00ff" } },
      { contentType: "text/plain", qos: 2, retain: true, expiresAtMs: 1_790_000_060_000 },
    ),
  ),
  "publish-several": envelopeOf({
    ...publishOf("a", ""),
    messages: [...publishOf("a", "one").messages, ...publishOf("a", "two", {}, { qos: 0 }).messages],
  }),
  "publish-same-topic": envelopeOf(
    publishOf("a", "1"),
    publishOf("a", "2"),
    publishOf("b", "3"),
    publishOf("a", "4"),
  ),
  create: envelopeOf({ kind: "create-topic", topic: "a", retention: {}, ifMissing: false }),
  "create-with-retention": envelopeOf({
    kind: "create-topic",
    topic: "a",
    retention: { ageMs: 86_400_000, bytes: 1_073_741_824 },
    ifMissing: true,
  }),
  "update-set": envelopeOf({ kind: "update-topic", topic: "a", retention: { ageMs: 1000, bytes: 127 } }),
  "update-default": envelopeOf({ kind: "update-topic", topic: "a", retention: { ageMs: null, bytes: null } }),
  "update-nothing": envelopeOf({ kind: "update-topic", topic: "a", retention: {} }),
  delete: envelopeOf({ kind: "delete-topic", topic: "a" }),
  genesis: envelopeOf({ kind: "genesis", streamTag: "k3x9" }),
};

const BYTES = Buffer.from("010126000161000162", "hex");
const SUBSCRIPTION: SubscriptionOptions = {
  filter: "sensors/+",
  share: "",
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionId: 0,
};
const WILL: Will = {
  topic: "gone/1",
  payload: Buffer.from("bye"),
  contentType: "",
  qos: 0,
  retain: false,
  properties: new Uint8Array(0),
  expirySeconds: 0,
  delaySeconds: 0,
};
const PROGRESS: SessionProgress = {
  session: 7,
  epoch: 300,
  source: 0,
  through: 0,
  sentThrough: 0,
  received: [],
  done: [],
};

/** Each has its line in test/golden/envelopes-v2.txt, after those above. */
const SINCE_2: Record<string, Envelope> = {
  "publish-properties": envelopeOf(publishOf("a", "x", {}, { properties: BYTES })),
  "publish-publisher": envelopeOf(publishOf("a", "x", { publisher: 70 })),
  "publish-receipt": envelopeOf(
    publishOf("a", "x", { publisher: 7, receipt: { epoch: 300, packetId: 65_535 } }, { qos: 2 }),
  ),
  "publish-everything": envelopeOf({
    ...publishOf("a", ""),
    idempotency: { key: "k", digest: "d" },
    publisher: 1,
    receipt: { epoch: 1, packetId: 1 },
    messages: [
      ...publishOf("a", "1", {}, { contentType: "t", expiresAtMs: 9, properties: BYTES }).messages,
      ...publishOf("a", "2").messages,
    ],
  }),
  open: envelopeOf({
    kind: "open-session",
    clientId: "jó",
    cleanStart: false,
    expirySeconds: 4_294_967_295,
    will: null,
  }),
  "open-with-will": envelopeOf({
    kind: "open-session",
    clientId: "",
    cleanStart: true,
    expirySeconds: 0,
    will: {
      ...WILL,
      contentType: "text/plain",
      qos: 2,
      retain: true,
      properties: BYTES,
      expirySeconds: 60,
      delaySeconds: 5,
    },
  }),
  "open-with-plain-will": envelopeOf({
    kind: "open-session",
    clientId: "a",
    cleanStart: false,
    expirySeconds: 1,
    will: WILL,
  }),
  close: envelopeOf({
    kind: "close-session",
    session: 7,
    epoch: 300,
    withWill: false,
    expirySeconds: null,
    sentThrough: 0,
  }),
  "close-all-fields": envelopeOf({
    kind: "close-session",
    session: 7,
    epoch: 300,
    withWill: true,
    expirySeconds: 0,
    sentThrough: 1_000_000,
  }),
  displace: envelopeOf({ kind: "displace-session", clientId: "a", forget: false }),
  forget: envelopeOf({ kind: "displace-session", clientId: "a", forget: true }),
  subscribe: envelopeOf({
    kind: "subscribe",
    session: 7,
    epoch: 300,
    subscriptions: [
      SUBSCRIPTION,
      {
        filter: "#",
        share: "group",
        qos: 2,
        noLocal: true,
        retainAsPublished: true,
        retainHandling: 2,
        subscriptionId: 268_435_455,
      },
    ],
  }),
  unsubscribe: envelopeOf({
    kind: "unsubscribe",
    session: 7,
    epoch: 300,
    filters: [
      { filter: "sensors/+", share: "" },
      { filter: "#", share: "group" },
    ],
  }),
  release: envelopeOf({ kind: "release", session: 7, epoch: 300, packetId: 1 }),
  progress: envelopeOf({
    kind: "progress",
    entries: [
      PROGRESS,
      { ...PROGRESS, through: 1_000_000 },
      { ...PROGRESS, source: 9, sentThrough: 5, received: [4, 3], done: [2, 1_000_000] },
    ],
  }),
  "node-up": envelopeOf({ kind: "node-up", mqtt: "127.0.0.1:1883" }),
  "node-down": envelopeOf({ kind: "node-down", node: "nó-17", incarnation: 300 }),
  tick: envelopeOf({ kind: "tick" }),
};

const CASES = { ...SINCE_1, ...SINCE_2 };

describe("envelope bytes of version 1", () => {
  const golden = readGolden("envelopes-v1.txt");

  it("has a golden line for each case and no other", () => {
    expect([...golden.keys()]).toEqual(Object.keys(SINCE_1));
  });

  it.each(Object.entries(SINCE_1))("%s", (name, envelope) => {
    const bytes = golden.get(name)!;
    expect(bytes[0]).toBe(1);
    expect(decodeEnvelope(bytes)).toEqual(envelope);
  });
});

describe("envelope bytes of version 2", () => {
  const golden = readGolden("envelopes-v2.txt");

  it("has a golden line for each case and no other", () => {
    expect([...golden.keys()]).toEqual(Object.keys(CASES));
  });

  it.each(Object.entries(CASES))("%s", (name, envelope) => {
    expect(Buffer.from(encodeEnvelope(envelope)).toString("hex")).toBe(golden.get(name)?.toString("hex"));
    expect(decodeEnvelope(golden.get(name)!)).toEqual(envelope);
  });

  it.each(Object.keys(CASES))("%s: every cut and every byte too many is refused", (name) => {
    const bytes = golden.get(name)!;
    for (let end = 0; end < bytes.length; end += 1) {
      expect(codeOf(bytes.subarray(0, end)), `cut to ${end}`).toBe("invalid_command");
    }
    expect(codeOf(Buffer.concat([bytes, Buffer.of(0)]))).toBe("invalid_command");
  });
});
