/**
 * The small state inside a snapshot: one file of records, each `key length (u32), value length (u32), key, value`, little-endian,
 * ordered by key. The snapshot's manifest carries its checksum.
 */
import { ClusterError } from "../../cluster/errors.js";
import type { SnapshotSink, SnapshotSource } from "../../cluster/log/snapshot-store.js";
import type { StateView } from "../store/state-store.js";

/** Name of the file; every other file of a snapshot belongs to the message store. */
export const STATE_FILE = "state.bin";

const HEADER_BYTES = 8;
const READ_BYTES = 1024 * 1024;
/** No record is near this size: a larger one means that the file is damaged. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;

interface StateRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

function encodeRecords(records: readonly StateRecord[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const { key, value } of records) {
    const keyBytes = Buffer.from(key, "utf8");
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32LE(keyBytes.byteLength, 0);
    header.writeUInt32LE(value.byteLength, 4);
    parts.push(header, keyBytes, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }
  return Buffer.concat(parts);
}

/** Writes every record of the view. */
export async function writeStateFile(view: StateView, sink: SnapshotSink): Promise<void> {
  await sink.write(STATE_FILE, new Uint8Array(0));
  for await (const records of view.entries()) await sink.write(STATE_FILE, encodeRecords(records));
}

/** The records of a snapshot's state file, in chunks. Throws `snapshot_corrupt` when the file ends inside a record. */
export async function* readStateFile(source: SnapshotSource): AsyncIterable<readonly StateRecord[]> {
  const file = source.files.find(({ name }) => name === STATE_FILE);
  if (file === undefined) throw new ClusterError("snapshot_corrupt", `the snapshot has no ${STATE_FILE}`);
  let rest: Buffer = Buffer.alloc(0);
  for (let offset = 0; offset < file.bytes; ) {
    const chunk = await source.read(STATE_FILE, offset, Math.min(READ_BYTES, file.bytes - offset));
    offset += chunk.byteLength;
    const { records, used } = decodeRecords(Buffer.concat([rest, chunk]));
    rest = Buffer.concat([rest, chunk]).subarray(used);
    yield records;
  }
  if (rest.byteLength > 0) throw new ClusterError("snapshot_corrupt", `${STATE_FILE} ends inside a record`);
}

function decodeRecords(bytes: Buffer): { readonly records: readonly StateRecord[]; readonly used: number } {
  const records: StateRecord[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.byteLength) {
    const keyLength = bytes.readUInt32LE(at);
    const valueLength = bytes.readUInt32LE(at + 4);
    if (keyLength + valueLength > RECORD_BYTES_MAX) {
      throw new ClusterError("snapshot_corrupt", `${STATE_FILE} holds an impossible record`);
    }
    const valueAt = at + HEADER_BYTES + keyLength;
    if (valueAt + valueLength > bytes.byteLength) break;
    const key = bytes.toString("utf8", at + HEADER_BYTES, valueAt);
    records.push({ key, value: Uint8Array.prototype.slice.call(bytes, valueAt, valueAt + valueLength) });
    at = valueAt + valueLength;
  }
  return { records, used: at };
}
