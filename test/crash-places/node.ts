/**
 * `node.js serve FLAGS`: a node that kills itself at its crash point. Armed by the variable that this program alone reads, `CRASH_AT`, with
 * a point and how often it is passed first (`3 applied`); unarmed it writes down every point that it passes, once. The product knows neither.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { resolve } from "node:path";
import { runNode } from "../../src/cli/run-node.js";
import { loadConfig } from "../../src/config.js";
import { LmdbStateStore } from "../../src/store/lmdb-state-store.js";
import type { StateChange } from "../../src/store/state-store.js";

/** Small files, so that a second of load is enough for all that happens to them. */
const SIZES = { logSegmentBytes: 96 * 1024, messageSegmentBytes: 96 * 1024, snapshotLogBytes: 128 * 1024 };
const STDERR = 2;

const [, ordinal = "", wanted = ""] = /^(\d+) (.+)$/.exec(process.env["CRASH_AT"] ?? "") ?? [];
let left = Number(ordinal);
const seen = new Set<string>();

function at(point: string): void {
  if (wanted === "" && !seen.has(point)) {
    seen.add(point);
    fs.writeSync(STDERR, `passed: ${point}\n`);
  }
  if (point !== wanted) return;
  left -= 1;
  if (left > 0) return;
  fs.writeSync(STDERR, `crashed: ${point}\n`);
  process.kill(process.pid, "SIGKILL");
}

const config = loadConfig({
  argv: process.argv.slice(3),
  environment: {},
  readFile: (path) => fs.readFileSync(path, "utf8"),
});
if (config === "help") throw new Error("no help here");
const root = resolve(config.dataDir);

/** A file by what it is, for names with numbers; null for one that is not the node's. */
function kindOf(path: unknown): string | null {
  const text = String(path);
  if (text !== root && !text.startsWith(`${root}/`)) return null;
  return `.${text.slice(root.length)}`
    .replaceAll(/(?<![a-z])[0-9a-f]*\d[0-9a-f]*/g, "N")
    .replaceAll(/-[A-Za-z]{6}$/g, "-X");
}

type Call = (...parameters: unknown[]) => unknown;

/** Points before and after a call on a path that gives a promise. */
function aroundPromised(holder: object, name: string, pathAt = 0): void {
  const calls = holder as Record<string, Call>;
  const real = calls[name];
  if (real === undefined) throw new Error(`there is no ${name}`);
  calls[name] = async (...parameters) => {
    const kind = kindOf(parameters[pathAt]);
    if (kind !== null) at(`before ${name} ${kind}`);
    const result = await Reflect.apply(real, holder, parameters);
    if (kind !== null) at(`after ${name} ${kind}`);
    return result;
  };
}

/** The same for a call with a descriptor and a callback. */
function aroundDescriptor(name: "fdatasync" | "ftruncate" | "writev" | "write"): void {
  const holder: object = fs;
  const calls = holder as Record<string, Call>;
  const real = calls[name];
  if (real === undefined) throw new Error(`there is no ${name}`);
  calls[name] = (fd, ...rest) => {
    const done = rest.pop();
    const kind = kindOf(fs.readlinkSync(`/proc/self/fd/${String(fd)}`));
    if (kind === null || typeof done !== "function") return real(fd, ...rest, done);
    at(`before ${name} ${kind}`);
    return real(fd, ...rest, (...result: unknown[]) => {
      at(`after ${name} ${kind}`);
      done(...result);
    });
  };
}

for (const name of ["rename", "unlink", "rm", "rmdir", "link", "mkdir", "writeFile"])
  aroundPromised(fs.promises, name);
for (const name of ["fdatasync", "ftruncate", "writev", "write"] as const) aroundDescriptor(name);
syncBuiltinESMExports();

const commit = LmdbStateStore.prototype.commit;
LmdbStateStore.prototype.commit = async function committed(changes: readonly StateChange[]): Promise<void> {
  at("before commit of the state");
  await commit.call(this, changes);
  at("after commit of the state");
};
const replace = LmdbStateStore.prototype.replace;
LmdbStateStore.prototype.replace = async function replaced(...parameters): Promise<void> {
  at("before replacing the state");
  await replace.apply(this, parameters);
  at("after replacing the state");
};

/** The named points are an option that nobody gives: it is found where options inherit it from. */
Object.defineProperty(Object.prototype, "crashPoint", { value: at, enumerable: false });

process.exit(await runNode({ ...config, ...SIZES }));
