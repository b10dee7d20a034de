/** What can befall the bytes of a file while nobody looks: kinds of files of a data directory, kinds of damage, and doing it. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Kinds of files, by their names below the data directory. */
export const FILE_KINDS = {
  "raft log": /^groups\/\d+\/log\/\d+\.seg$/,
  "end mark of the log": /^groups\/\d+\/log\/end\.mark$/,
  "spare segment of the log": /^groups\/\d+\/log\/spare-\d+\.free$/,
  "snapshot's state": /^groups\/\d+\/snapshots\/snapshot-\d+\/state\.bin$/,
  "snapshot's manifest": /^groups\/\d+\/snapshots\/snapshot-\d+\/manifest\.json$/,
  /** Links to the store's own, and copies of what it still writes to. */
  "snapshot's messages": /^groups\/\d+\/snapshots\/snapshot-\d+\/\d+\.(seg|idx|trims)$/,
  "message segment": /^groups\/\d+\/messages\/\d+\.seg$/,
  "index of messages": /^groups\/\d+\/messages\/\d+\.idx$/,
  "list of trims": /^groups\/\d+\/messages\/\d+\.trims$/,
  "state (lmdb)": /^groups\/\d+\/state\/data\.mdb$/,
  "lock of the state (lmdb)": /^groups\/\d+\/state\/lock\.mdb$/,
  "mark of the state's sum": /^groups\/\d+\/state\/summed$/,
  "node.json": /^node\.json$/,
} as const;
export type FileKind = keyof typeof FILE_KINDS;

export const DAMAGES = ["bit flipped", "cut short", "sector zeroed", "pages swapped", "removed"] as const;
export type Damage = (typeof DAMAGES)[number];

/** One that is empty has nothing in it that could be damaged: it is there or not. */
const EMPTY_KINDS: ReadonlySet<FileKind> = new Set(["mark of the state's sum"]);

export function damagesOf(kind: FileKind): readonly Damage[] {
  return DAMAGES.filter((damage) => EMPTY_KINDS.has(kind) === (damage === "removed"));
}

const SECTOR_BYTES = 512;
const PAGE_BYTES = 4_096;
/** The part of a damage that is done away from the others' first pages: headers are a small part of a file and most of what can go wrong. */
const HEAD_CHANCE = 0.25;

/** Damages one file of the kind; says what was done, `null` when there is no such file or it is too small for that. */
export function damageOne(root: string, kind: FileKind, damage: Damage, random: () => number): string | null {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    FILE_KINDS[kind].test(name),
  );
  // Of lists of trims only the last one counts; the one before it may be there still.
  const first = kind === "list of trims" ? names.length - 1 : 0;
  const name = names.sort()[first + Math.floor(random() * (names.length - first))];
  if (name === undefined) return null;
  if (damage === "removed") {
    rmSync(join(root, name));
    return `${name}: removed`;
  }
  const file = openSync(join(root, name), "r+");
  try {
    const where = inflict(file, fstatSync(file).size, damage, random);
    fsyncSync(file);
    return where === null ? null : `${name}: ${damage} ${where}`;
  } finally {
    closeSync(file);
  }
}

function inflict(file: number, bytes: number, damage: Damage, random: () => number): string | null {
  const span = random() < HEAD_CHANCE ? Math.min(bytes, PAGE_BYTES) : bytes;
  const at = Math.floor(random() * span);
  if (bytes === 0) return null;
  if (damage === "cut short") {
    ftruncateSync(file, at);
    return `to ${at} of ${bytes} bytes`;
  }
  if (damage === "bit flipped") {
    const byte = read(file, at, 1);
    byte[0] = (byte[0] ?? 0) ^ (1 << Math.floor(random() * 8));
    writeSync(file, byte, 0, 1, at);
    return `at ${at} of ${bytes}`;
  }
  if (damage === "sector zeroed") {
    const start = at - (at % SECTOR_BYTES);
    writeSync(file, Buffer.alloc(Math.min(SECTOR_BYTES, bytes - start)), 0, null, start);
    return `at ${start} of ${bytes}`;
  }
  return swapPages(file, Math.floor(bytes / PAGE_BYTES), random);
}

function swapPages(file: number, pages: number, random: () => number): string | null {
  if (pages < 2) return null;
  const one = Math.floor(random() * pages);
  const other = (one + 1 + Math.floor(random() * (pages - 1))) % pages;
  const [first, second] = [
    read(file, one * PAGE_BYTES, PAGE_BYTES),
    read(file, other * PAGE_BYTES, PAGE_BYTES),
  ];
  writeSync(file, first, 0, PAGE_BYTES, other * PAGE_BYTES);
  writeSync(file, second, 0, PAGE_BYTES, one * PAGE_BYTES);
  return `${one} and ${other} of ${pages}`;
}

function read(file: number, at: number, bytes: number): Buffer {
  const target = Buffer.alloc(bytes);
  readSync(file, target, 0, bytes, at);
  return target;
}
