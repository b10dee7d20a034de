/**
 * Snapshots on disk. Damage to a real one: `snapshot_corrupt`, or a snapshot whose files are checked to be what was written. A manifest that somebody made up,
 * checksum and all: coded errors, or names that lead nowhere else and files that can be asked for.
 */
import { crc32 } from "node:zlib";
import { ClusterError } from "../../../cluster/errors.js";
import { FileSnapshotStore } from "../../../cluster/log/file-snapshot-store.js";
import { parseJson } from "../../../cluster/log/snapshot-meta.js";
import type { SnapshotSource } from "../../../cluster/log/snapshot-store.js";
import { EMPTY_CONF_STATE, type SnapshotMeta } from "../../../cluster/types.js";
import { SimulatedDisk, seededRandom } from "../../support/simulated-disk.js";
import { damaged } from "../damage.js";
import { must, type Target } from "../target.js";

const DIR = "/snapshots";
/** Damage is no newer format: every version has its checksum. */
const DAMAGE_CODES: ReadonlySet<string> = new Set(["snapshot_corrupt"]);
const FORGED_CODES: ReadonlySet<string> = new Set([...DAMAGE_CODES, "log_version"]);
const META: SnapshotMeta = {
  index: 40,
  term: 3,
  confState: {
    ...EMPTY_CONF_STATE,
    voters: ["1", "2"],
    roster: { clusterId: "c", members: {}, removed: ["9"] },
  },
};
const CONTENTS: Readonly<Record<string, string>> = {
  "state.bin": "the small state",
  "000000000001.seg": "messages ".repeat(30),
  empty: "",
};

async function written(): Promise<Map<string, Buffer>> {
  const disk = new SimulatedDisk(seededRandom(7));
  const store = new FileSnapshotStore({ dir: DIR, group: 0, disk });
  await store.open();
  await store.create(META, async (sink) => {
    for (const [name, text] of Object.entries(CONTENTS)) await sink.write(name, Buffer.from(text));
  });
  return new Map(disk.paths().map((path) => [path, Buffer.from(disk.content(path))]));
}

let original: Promise<Map<string, Buffer>> | null = null;
const originalOnce = (): Promise<Map<string, Buffer>> => {
  original ??= written();
  return original;
};

async function diskOf(files: ReadonlyMap<string, Buffer>): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(seededRandom(3));
  await disk.makeDirectory(DIR);
  await disk.makeDirectory(`${DIR}/snapshot-0000000001`);
  for (const [path, bytes] of files) disk.replace(path, bytes);
  return disk;
}

/** What `work` gives; `null` when it says that something is damaged. */
async function unlessDamaged<T>(work: () => Promise<T>, codes = DAMAGE_CODES): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ClusterError && codes.has(error.code)) return null;
    throw error;
  }
}

async function openedOn(disk: SimulatedDisk, codes: ReadonlySet<string>): Promise<SnapshotSource | null> {
  const store = new FileSnapshotStore({ dir: DIR, group: 0, disk });
  return unlessDamaged(async () => {
    await store.open();
    return store.latest();
  }, codes);
}

async function textOf(source: SnapshotSource, name: string, bytes: number): Promise<string | null> {
  const read = await unlessDamaged(() => source.read(name, 0, bytes));
  return read === null ? null : Buffer.from(read).toString("latin1");
}

async function tryDamage(script: Buffer): Promise<void> {
  const spoilt = damaged(await originalOnce(), script);
  const source = await openedOn(await diskOf(spoilt.files), DAMAGE_CODES);
  if (source === null) return;
  const isWhole = (await unlessDamaged(() => source.verify().then(() => true))) === true;
  for (const { name, bytes } of source.files) {
    const text = await textOf(source, name, bytes);
    must(!isWhole || text === CONTENTS[name], `${name} was verified and is not what was written`);
  }
  must(source.meta.index === META.index && source.meta.term === META.term, "a snapshot that was never taken");
}

/** The contents of a manifest as JSON, put under a checksum that is right. */
async function tryForged(json: Buffer): Promise<void> {
  const contents = JSON.stringify(parseJson(json.toString("utf8")));
  if (contents === undefined) return;
  const files = new Map(await originalOnce());
  files.set(
    `${DIR}/snapshot-0000000001/manifest.json`,
    Buffer.from(`{"contents":${contents},"crc":${crc32(contents)}}\n`),
  );
  const source = await openedOn(await diskOf(files), FORGED_CODES);
  if (source === null) return;
  must(
    Number.isSafeInteger(source.meta.index) && Number.isSafeInteger(source.meta.term),
    "a snapshot at no place",
  );
  await unlessDamaged(() => source.verify());
  for (const { name, bytes } of source.files) {
    must(!name.includes("/") && !name.startsWith("."), `a file named ${name}`);
    await textOf(source, name, Math.min(bytes, 1_000));
  }
}

export const target: Target = {
  name: "snapshot-files",
  inputBytesMax: 1_024,
  seeds: async () => {
    const files = await originalOnce();
    const manifest = files.get(`${DIR}/snapshot-0000000001/manifest.json`)?.toString("utf8") ?? "";
    const { contents } = JSON.parse(manifest);
    const scripts = Array.from({ length: 24 }, (_, i) =>
      Buffer.from([0, i, i >> 2, i * 29, 0, i * 11, i * 5]),
    );
    return [Buffer.from(`\x01${JSON.stringify(contents)}`), ...scripts];
  },
  dictionary: [
    '"name":"../x"',
    '"name":"manifest.json"',
    '"bytes":0',
    '"version":2',
    '"group":1',
    '"roster":{}',
    "9007199254740991",
  ],
  run: (input) => ((input[0] ?? 0) % 2 === 0 ? tryDamage(input.subarray(1)) : tryForged(input.subarray(1))),
};
