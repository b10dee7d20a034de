/**
 * The small state of a snapshot (state.bin) and the records in it. Only `snapshot_corrupt`, `store_corrupt` and `store_version` are thrown; a state that
 * loads can be hashed, gone on with, and asked.
 */
import { ClusterError } from "../../../cluster/errors.js";
import type { SnapshotSource } from "../../../cluster/log/snapshot-store.js";
import { EMPTY_CONF_STATE } from "../../../cluster/types.js";
import { FatalError } from "../../../src/errors.js";
import { readStateFile, STATE_FILE } from "../../../src/replica/state-file.js";
import { Machine, type StateRecord } from "../../../src/state-machine/machine.js";
import { goldenCases } from "../golden.js";
import { must, type Target } from "../target.js";

const CODES: ReadonlySet<string> = new Set(["snapshot_corrupt", "store_corrupt", "store_version"]);
/** So that records straddle pieces. */
const PIECE_BYTES = 97;

function sourceOf(bytes: Buffer, pieceBytes: number): SnapshotSource {
  return {
    meta: { index: 1, term: 1, confState: EMPTY_CONF_STATE },
    files: [{ name: STATE_FILE, bytes: bytes.length, crc: 0 }],
    read: async (_name, offset, length) => bytes.subarray(offset, offset + Math.min(length, pieceBytes)),
    linkTo: async () => false,
    verify: async () => undefined,
  };
}

async function recordsOf(bytes: Buffer, pieceBytes: number): Promise<StateRecord[] | string> {
  const records: StateRecord[] = [];
  try {
    for await (const some of readStateFile(sourceOf(bytes, pieceBytes))) records.push(...some);
    return records;
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): string {
  if ((error instanceof FatalError || error instanceof ClusterError) && CODES.has(error.code))
    return error.code;
  throw error;
}

function loaded(records: readonly StateRecord[]): Machine | null {
  try {
    return Machine.load(records);
  } catch (error) {
    refusal(error);
    return null;
  }
}

function use(machine: Machine): void {
  const { appliedIndex } = machine;
  const before = machine.stateHash();
  must(machine.stateHash() === before, "a hash changes by being asked for");
  if (appliedIndex >= Number.MAX_SAFE_INTEGER - 1) return;
  const { incarnation, sequence } = machine.lastProposalOf("fuzz");
  const timeMs = machine.timeMs;
  machine.apply(
    { origin: "fuzz", incarnation, sequence: sequence + 1, timeMs, commands: [{ kind: "tick" }] },
    appliedIndex + 1,
  );
  machine.listTopics("", null, 10);
  machine.sessions(0, 10);
  machine.sessionCounts();
  machine.sharedCounts();
  machine.takeChanges();
}

function fileOf(records: readonly [string, Buffer][]): Buffer {
  const parts = records.map(([key, value]) => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(Buffer.byteLength(key), 0);
    header.writeUInt32LE(value.length, 4);
    return Buffer.concat([header, Buffer.from(key), value]);
  });
  return Buffer.concat(parts);
}

export const target: Target = {
  name: "state-file",
  inputBytesMax: 4_096,
  seeds: () =>
    ["state-v1.txt", "state-v2.txt", "state-v2-shares.txt", "state-v3.txt"].flatMap((file) => {
      const cases = goldenCases(file);
      const meta = cases.filter(([key]) => key === "m");
      return [fileOf(cases), ...cases.map((one) => fileOf([...meta, one]))];
    }),
  dictionary: [
    "t/00000001",
    "r/00000001",
    "i/00000001",
    "s/00000001",
    "p/00000001",
    "g/00000001",
    "o/1",
    "n/1",
    "m",
  ],
  run: async (input) => {
    const records = await recordsOf(input, Number.POSITIVE_INFINITY);
    const inPieces = await recordsOf(input, PIECE_BYTES);
    const isSame = typeof records === "string" ? records === inPieces : records.length === inPieces.length;
    must(isSame, "read in other pieces, the file holds other records");
    if (typeof records === "string") return;
    const machine = loaded(records);
    if (machine !== null) use(machine);
  },
};
