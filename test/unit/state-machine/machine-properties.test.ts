/**
 * What holds of every history: the machine agrees with a naive one, with itself on another node, and with itself after
 * restarts at any point; a proposal that comes again or too early changes nothing.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../../src/commands/codec.js";
import type { Command, Envelope, OutgoingMessage } from "../../../src/commands/command.js";
import type { CommandResult, StoredMessage } from "../../../src/state-machine/effects.js";
import { Machine, type StateRecord } from "../../../src/state-machine/machine.js";
import { keepChanges, recordsOf } from "../../support/kept-records.js";
import { encodeEnvelope } from "../commands/arbitrary-command.js";
import { appended } from "./driver.js";
import { CEILINGS, NaiveMachine, textOf } from "./naive-machine.js";

const topic = fc.constantFrom("a", "b", "c/d", "e");
const message: fc.Arbitrary<OutgoingMessage> = fc.record({
  payload: fc.constantFrom("", "1", "22", "333").map((text) => Buffer.from(text)),
  contentType: fc.constantFrom("", "text/plain"),
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  expiresAtMs: fc.constant(0),
  properties: fc.constant(new Uint8Array(0)),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("publish"),
      topic,
      messages: fc.array(message, { minLength: 1, maxLength: 3 }),
      autoCreate: fc.boolean(),
      idempotency: fc.option(
        fc.record({ key: fc.constantFrom("k", "l", "m"), digest: fc.constantFrom("d", "e") }),
      ),
      publisher: fc.constant(0),
      receipt: fc.constant(null),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("create-topic"),
      topic,
      retention: fc.record({ ageMs: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: [] }),
      ifMissing: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("update-topic"),
      topic,
      retention: fc.record({ bytes: fc.option(fc.integer({ min: 1, max: 9 })) }, { requiredKeys: [] }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete-topic"), topic }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("genesis"), streamTag: fc.constantFrom("aaaa", "bbbb") }),
  },
);
const step = fc.record({ timeMs: fc.nat(200), commands: fc.array(command, { maxLength: 4 }) });

/** Proposals of one origin, in order, as the log gives them to the machine. */
const history: fc.Arbitrary<Envelope[]> = fc
  .array(step, { maxLength: 25 })
  .map((steps) => steps.map((it, at) => ({ origin: "1", incarnation: 1, sequence: at + 1, ...it })));

function summary(result: CommandResult): string {
  if (result.kind === "failed") return result.code;
  if (result.kind !== "published") return result.kind;
  const { firstPosition, count, firstOffset, replayed } = result;
  return `${firstPosition}+${count}@${firstOffset}${replayed ? " replayed" : ""}`;
}

const plain = ({ topic, timestampMs, payload, ...it }: StoredMessage): object => ({
  topicId: topic.id,
  position: it.position,
  offset: it.offset,
  qos: it.qos,
  publisher: it.publisher,
  timeMs: timestampMs,
  body: textOf(payload),
});

/** The records against the order in which they came: a store has an order of its own. */
function stored(records: Map<string, Uint8Array>): StateRecord[] {
  return recordsOf(records).reverse();
}

describe("any history", () => {
  it("gives what the naive machine gives", () => {
    fc.assert(
      fc.property(history, (envelopes) => {
        const machine = new Machine(CEILINGS);
        const naive = new NaiveMachine();
        const messages: StoredMessage[] = [];
        envelopes.forEach((envelope, at) => {
          const applied = machine.apply(envelope, at + 1);
          expect(applied.results.map(summary)).toEqual(naive.apply(envelope.timeMs, envelope.commands));
          messages.push(...appended(applied));
          expect(machine.timeMs).toBe(naive.timeMs);
        });
        expect(messages.map(plain)).toEqual(naive.messages);
        expect(machine.retainedMatching(() => true, 0).map(plain)).toEqual(naive.retained);
        const topics = machine
          .listTopics("", null, 100)
          .map(({ id, name, nextOffset }) => ({ id, name, nextOffset }));
        expect(topics).toEqual(naive.topics.sort((a, b) => (a.name < b.name ? -1 : 1)));
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same on every node, by way of the codec or not", () => {
    fc.assert(
      fc.property(history, (envelopes) => {
        const one = new Machine(CEILINGS);
        const other = new Machine(CEILINGS);
        envelopes.forEach((envelope, at) => {
          const sent = decodeEnvelope(encodeEnvelope(envelope));
          expect(other.apply(sent, at + 1)).toEqual(one.apply(envelope, at + 1));
          expect(other.stateHash()).toBe(one.stateHash());
        });
      }),
    );
  });

  it("gives the same across restarts at any point", () => {
    fc.assert(
      fc.property(
        history,
        fc.array(fc.constantFrom("go on", "checkpoint", "restart")),
        (envelopes, fates) => {
          const steady = new Machine(CEILINGS);
          const records = new Map<string, Uint8Array>();
          let moved = new Machine(CEILINGS);
          envelopes.forEach((envelope, at) => {
            expect(moved.apply(envelope, at + 1)).toEqual(steady.apply(envelope, at + 1));
            const fate = fates[at];
            if (fate === "checkpoint" || fate === "restart") keepChanges(moved, records);
            if (fate === "restart") moved = Machine.load(stored(records), CEILINGS);
            expect(moved.stateHash()).toBe(steady.stateHash());
            expect(moved.retainedMatching(() => true, 0)).toEqual(steady.retainedMatching(() => true, 0));
            expect(moved.appliedIndex).toBe(at + 1);
          });
          keepChanges(moved, records);
          const replica = new Map<string, Uint8Array>();
          keepChanges(steady, replica);
          expect(new Map([...records].sort())).toEqual(new Map([...replica].sort()));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("is not changed by proposals that come again or too early", () => {
    fc.assert(
      fc.property(history, fc.array(fc.integer({ min: -30, max: 30 })), (envelopes, detours) => {
        const straight = new Machine(CEILINGS);
        const disturbed = new Machine(CEILINGS);
        let index = 0;
        envelopes.forEach((envelope, at) => {
          const detour = detours[at] ?? 0;
          if (detour > 0 || (detour < 0 && at > 0)) {
            const sequence = Math.max(1, at + 1 + detour);
            const before = disturbed.stateHash();
            const applied = disturbed.apply({ ...envelope, timeMs: 10_000, sequence }, ++index);
            expect(applied.outcome).toBe(detour > 0 ? "out-of-order" : "duplicate");
            expect([applied.results, applied.effects]).toEqual([[], []]);
            expect(disturbed.stateHash()).toBe(before);
          }
          const expected = straight.apply(envelope, at + 1);
          expect(disturbed.apply(envelope, ++index)).toEqual(expected);
        });
        expect(disturbed.stateHash()).toBe(straight.stateHash());
      }),
    );
  });
});
