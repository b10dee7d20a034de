/** Damage to files as an input says it: six bytes a change. What a disk, a crash or somebody with an editor can do to them. */

const CHANGE_BYTES = 6;
const CHANGES_MAX = 12;
/** The longest run that one change touches, bytes. */
const RUN_BYTES = 64;

export interface Damaged {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Changes that were made. */
  readonly changes: number;
  /** Nothing but one bit of one file is different. */
  readonly isOneBit: boolean;
}

/** The files with what the script does to them; the originals stay. */
export function damaged(originals: ReadonlyMap<string, Buffer>, script: Buffer): Damaged {
  const files = new Map([...originals].map(([name, bytes]) => [name, Buffer.from(bytes)] as const));
  const names = [...originals.keys()].sort();
  let changes = 0;
  let isOneBit = false;
  for (let at = 0; at + CHANGE_BYTES <= script.length && changes < CHANGES_MAX; at += CHANGE_BYTES) {
    const [which = 0, kind = 0, low = 0, high = 0, length = 0, value = 0] = script.subarray(
      at,
      at + CHANGE_BYTES,
    );
    const name = names[which % names.length] ?? "";
    const bytes = files.get(name);
    if (bytes === undefined) continue;
    const place = bytes.length === 0 ? 0 : (low | (high << 8)) % bytes.length;
    changes += 1;
    isOneBit = changes === 1 && kind % 8 < 2 && bytes.length > 0;
    change(files, name, bytes, kind % 8, { place, length: 1 + (length % RUN_BYTES), value });
  }
  return { files, changes, isOneBit };
}

interface Place {
  readonly place: number;
  readonly length: number;
  readonly value: number;
}

function change(files: Map<string, Buffer>, name: string, bytes: Buffer, kind: number, at: Place): void {
  const { place, length, value } = at;
  if (kind < 2) bytes[place] = (bytes[place] ?? 0) ^ (1 << (value & 7));
  else if (kind === 2) bytes[place] = value;
  else if (kind === 3) bytes.fill(0, place, Math.min(bytes.length, place + length * length));
  else if (kind === 4) files.set(name, bytes.subarray(0, place));
  else if (kind === 5)
    bytes.set(
      bytes
        .subarray((value * length) % (bytes.length + 1))
        .subarray(0, Math.min(length, bytes.length - place)),
      place,
    );
  else if (kind === 6) files.set(name, Buffer.concat([bytes, Buffer.alloc(length, value)]));
  else if (value < 64) files.delete(name);
  else files.set(name, Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + length)]));
}
