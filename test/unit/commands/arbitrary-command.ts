/** Random commands and envelopes for property tests. */
import fc from "fast-check";
import { EnvelopeEncoder } from "../../../src/commands/codec.js";
import type { Command, Envelope, OutgoingMessage, PublishCommand } from "../../../src/commands/command.js";

const safeNumber = fc.maxSafeNat();
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

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
  properties: fc.constant(new Uint8Array(0)),
});

const publish: fc.Arbitrary<PublishCommand> = fc.record({
  kind: fc.constant("publish"),
  topic: fc.oneof(fewTopics, text),
  messages: fc.array(outgoingMessage, { minLength: 1, maxLength: 4 }),
  autoCreate: fc.boolean(),
  idempotency: fc.option(fc.record({ key: text, digest: text })),
  publisher: fc.constant(0),
  receipt: fc.constant(null),
});

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
