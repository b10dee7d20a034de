/**
 * Envelopes of commands, as they come out of the log. Only `invalid_command` and `command_version` are thrown; what is decoded gives the same when it is
 * encoded and decoded again; and it can be applied: one that could not would stop every node of the group, at every start.
 */
import { decodeEnvelope, EnvelopeEncoder } from "../../../src/commands/codec.js";
import type { Envelope } from "../../../src/commands/command.js";
import { FatalError } from "../../../src/errors.js";
import { Machine } from "../../../src/state-machine/machine.js";
import { goldenCases } from "../golden.js";
import { must, said, type Target } from "../target.js";

const CODES: ReadonlySet<string> = new Set(["invalid_command", "command_version"]);

function decoded(bytes: Buffer): Envelope | null {
  try {
    return decodeEnvelope(bytes);
  } catch (error) {
    if (error instanceof FatalError && CODES.has(error.code)) return null;
    throw error;
  }
}

function encoded({ origin, incarnation, sequence, timeMs, commands }: Envelope): Uint8Array {
  const encoder = new EnvelopeEncoder(0);
  encoder.begin(origin, incarnation);
  for (const command of commands) encoder.add(command);
  return encoder.finish(sequence, timeMs);
}

function apply(envelope: Envelope): void {
  const machine = new Machine();
  const first: Envelope = {
    origin: "1",
    incarnation: 1,
    sequence: 1,
    timeMs: 1_000,
    commands: [
      { kind: "genesis", streamTag: "k3x9" },
      { kind: "create-topic", topic: "a", retention: {}, ifMissing: false },
      { kind: "node-up", mqtt: "" },
    ],
  };
  machine.apply(first, 1);
  const applied = machine.apply(
    { ...envelope, incarnation: 1, sequence: envelope.origin === "1" ? 2 : 1 },
    2,
  );
  must(applied.results.length === envelope.commands.length, "a command without a result");
  for (const result of applied.results)
    must(result.kind !== "failed" || result.code !== "internal", "a command failed inside");
  const records = machine
    .takeChanges()
    .flatMap(({ key, value }) => (value === null ? [] : [{ key, value: Buffer.from(value) }]));
  must(Machine.load(records).stateHash() === machine.stateHash(), "the state that was kept is another one");
}

export const target: Target = {
  name: "commands",
  inputBytesMax: 1_024,
  seeds: () =>
    [...goldenCases("envelopes-v1.txt"), ...goldenCases("envelopes-v2.txt")].map(([, bytes]) => bytes),
  dictionary: [
    "a",
    "b/#",
    "+",
    "$share/g/a",
    "\u0000",
    "1",
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  ],
  run: (input) => {
    const envelope = decoded(input);
    if (envelope === null) return;
    const again = decodeEnvelope(encoded(envelope));
    must(said(again) === said(envelope), "an envelope changes when it is encoded again");
    apply(envelope);
  },
};
