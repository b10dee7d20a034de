/** Random commands and envelopes for property tests. */
import fc from "fast-check";
import { decodeEnvelope, EnvelopeEncoder } from "../../../src/commands/codec.js";
import type {
  Command,
  Envelope,
  OutgoingMessage,
  PublishCommand,
  SessionCommand,
  SessionProgress,
  SubscriptionOptions,
  Will,
} from "../../../src/commands/command.js";
import { FatalError } from "../../../src/errors.js";

const safeNumber = fc.maxSafeNat();
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

/** Decoding gives a view when there are some. */
const properties = fc
  .uint8Array({ maxLength: 20 })
  .map((bytes) => (bytes.length === 0 ? bytes : Buffer.from(bytes)));
/** A session's number goes into the bytes doubled. */
const sessionNumber = fc.oneof(
  fc.nat(200),
  fc.maxSafeNat().map((n) => Math.floor(n / 2)),
);
const packetId = fc.integer({ min: 1, max: 0xffff });

/** Well-formed Unicode, now and then longer than the short-text path. */
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ minLength: 60, maxLength: 200 }),
);

const fewTopics = fc.constantFrom("a", "a/b", "praça/1", "x".repeat(63), "x".repeat(64), "x".repeat(65), "");

export const outgoingMessage: fc.Arbitrary<OutgoingMessage> = fc.record({
  payload,
  contentType: fc.oneof(fc.constantFrom("", "text/plain"), text),
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  expiresAtMs: fc.oneof(fc.constant(0), safeNumber),
  properties,
});

const publish: fc.Arbitrary<PublishCommand> = fc.record({
  kind: fc.constant("publish"),
  topic: fc.oneof(fewTopics, text),
  messages: fc.array(outgoingMessage, { minLength: 1, maxLength: 4 }),
  autoCreate: fc.boolean(),
  idempotency: fc.option(fc.record({ key: text, digest: text })),
  publisher: sessionNumber,
  receipt: fc.option(fc.record({ epoch: safeNumber, packetId })),
});

const seconds = fc.oneof(fc.constant(0), fc.nat(0xffff_ffff));
const connection = { session: safeNumber, epoch: safeNumber };
const positions = fc.array(fc.oneof(fc.nat(1000), safeNumber), { maxLength: 5 });
const share = fc.oneof(fc.constant(""), text);

const will: fc.Arbitrary<Will> = fc.record({
  topic: fc.oneof(fewTopics, text),
  payload,
  contentType: fc.oneof(fc.constant(""), text),
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  properties,
  expirySeconds: seconds,
  delaySeconds: seconds,
});

const subscription: fc.Arbitrary<SubscriptionOptions> = fc.record({
  filter: text,
  share,
  qos: fc.constantFrom(0, 1, 2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.constantFrom(0, 1, 2),
  subscriptionId: fc.oneof(fc.constant(0), fc.nat(268_435_455)),
});

const progress: fc.Arbitrary<SessionProgress> = fc.record({
  ...connection,
  source: fc.oneof(fc.constant(0), safeNumber),
  through: fc.oneof(fc.constant(0), safeNumber),
  sentThrough: fc.oneof(fc.constant(0), safeNumber),
  received: positions,
  done: positions,
});

const sessionCommand: fc.Arbitrary<SessionCommand> = fc.oneof(
  fc.record({
    kind: fc.constant("open-session"),
    clientId: text,
    cleanStart: fc.boolean(),
    expirySeconds: seconds,
    will: fc.option(will),
  }),
  fc.record({
    kind: fc.constant("close-session"),
    ...connection,
    withWill: fc.boolean(),
    expirySeconds: fc.option(seconds),
    sentThrough: safeNumber,
  }),
  fc.record({ kind: fc.constant("displace-session"), clientId: text, forget: fc.boolean() }),
  fc.record({
    kind: fc.constant("subscribe"),
    ...connection,
    subscriptions: fc.array(subscription, { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant("unsubscribe"),
    ...connection,
    filters: fc.array(fc.record({ filter: text, share }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant("release"), ...connection, packetId }),
  fc.record({ kind: fc.constant("progress"), entries: fc.array(progress, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant("node-up"), mqtt: text }),
  fc.record({ kind: fc.constant("node-down"), node: text, incarnation: safeNumber }),
  fc.record({ kind: fc.constant("tick") }),
);

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { arbitrary: publish, weight: 5 },
  {
    arbitrary: fc.record({
      kind: fc.constant("create-topic"),
      topic: fc.oneof(fewTopics, text),
      retention: fc.record({ ageMs: safeNumber, bytes: safeNumber }, { requiredKeys: [] }),
      ifMissing: fc.boolean(),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("update-topic"),
      topic: fc.oneof(fewTopics, text),
      retention: fc.record(
        { ageMs: fc.option(safeNumber), bytes: fc.option(safeNumber) },
        { requiredKeys: [] },
      ),
    }),
    weight: 1,
  },
  { arbitrary: sessionCommand, weight: 10 },
  { arbitrary: fc.record({ kind: fc.constant("delete-topic"), topic: text }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("genesis"), streamTag: text }), weight: 1 },
);

export const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  origin: fc.string({ maxLength: 20 }),
  incarnation: safeNumber,
  sequence: safeNumber,
  timeMs: safeNumber,
  commands: fc.array(anyCommand, { maxLength: 8 }),
});

/** An envelope whose header is always the same. */
export function envelopeOf(...commands: Command[]): Envelope {
  return { origin: "1", incarnation: 2, sequence: 3, timeMs: 1_790_000_000_000, commands };
}

/** The code of the error that decoding gives, or "none". */
export function codeOf(bytes: Uint8Array): string {
  try {
    decodeEnvelope(bytes);
    return "none";
  } catch (error) {
    if (error instanceof FatalError) return error.code;
    throw error;
  }
}

/** The bytes of a whole envelope, from a fresh encoder unless one is given. */
export function encodeEnvelope(envelope: Envelope, encoder = new EnvelopeEncoder(0)): Uint8Array {
  encoder.begin(envelope.origin, envelope.incarnation);
  for (const command of envelope.commands) encoder.add(command);
  return encoder.finish(envelope.sequence, envelope.timeMs);
}

/** A publish of one message; `changes` go into the command, `message` into the message. */
export function publishOf(
  topic: string,
  body: string,
  changes: Partial<PublishCommand> = {},
  message: Partial<OutgoingMessage> = {},
): PublishCommand {
  const payload = Buffer.from(body);
  return {
    kind: "publish",
    topic,
    messages: [
      {
        payload,
        contentType: "",
        qos: 1,
        retain: false,
        expiresAtMs: 0,
        properties: new Uint8Array(0),
        ...message,
      },
    ],
    autoCreate: true,
    idempotency: null,
    publisher: 0,
    receipt: null,
    ...changes,
  };
}
