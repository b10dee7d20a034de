/** Small things that every load program needs: temporary directories, waiting, a free port, a deadline, a seeded random. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directories = new Set<string>();
let hooked = false;

/** A new directory that is removed when the process ends. */
export function temporaryDirectory(purpose: string): string {
  if (!hooked) {
    hooked = true;
    process.once("exit", () => {
      for (const directory of directories) removeDirectory(directory);
    });
  }
  const directory = mkdtempSync(join(tmpdir(), `jangada-${purpose}-`));
  directories.add(directory);
  return directory;
}

/** Linux's number of tmpfs, in statfs. */
const TMPFS = 0x01021994;

/** Whether temporary directories are in memory, where syncing costs nothing and keeps nothing. */
export function temporaryIsMemory(): boolean {
  return statfsSync(tmpdir()).type === TMPFS;
}

export function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

/** Leaves a temporary directory behind, as evidence. */
export function keepDirectory(directory: string): void {
  directories.delete(directory);
}

/** Leaves a temporary directory behind where something was violated, and says where; removes it where nothing was. */
export function settleDirectory(directory: string, violations: number, log: (line: string) => void): void {
  if (violations === 0) {
    removeDirectory(directory);
    return;
  }
  keepDirectory(directory);
  log(`  data and logs are kept in ${directory}`);
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks `condition` every `periodMs` until it is true; false when `timeoutMs` were over first. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  periodMs = 20,
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() >= end) return false;
    await delay(periodMs);
  }
  return true;
}

/** A port of 127.0.0.1 that is free now, for programs that cannot pick one themselves. Rejects when a named one is taken. */
export function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(wanted, "127.0.0.1", () => {
      const address = probe.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** Ports below those that systems give to outgoing connections (32768 and up on Linux, 49152 elsewhere). */
const STABLE_PORTS = { first: 12_000, count: 20_000 } as const;
const STABLE_PORT_TRIES = 50;
const handedOut = new Set<number>();

/**
 * A free port that is still free when its program comes back after a crash: no outgoing connection can get it in between,
 * and the program never gets it twice.
 */
export async function stablePort(): Promise<number> {
  for (let tries = 0; tries < STABLE_PORT_TRIES; tries++) {
    const port = STABLE_PORTS.first + Math.floor(Math.random() * STABLE_PORTS.count);
    if (handedOut.has(port)) continue;
    const isFree = await freePort(port).catch(() => null);
    if (isFree === null) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error("found no free port");
}

/** Whether something accepts connections there. */
export function accepts(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const answer = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/** Ends the whole program with code 1 when it is not done by then: nothing here may hang for ever. */
export function setDeadline(ms: number, what: string): void {
  setTimeout(() => {
    console.error(`${what}: not done after ${Math.round(ms / 1000)} s, given up`);
    process.exit(1);
  }, ms).unref();
}

/** Runs a program's main function: its exit code is the process's, an error is one line and code 1. */
export function runMain(main: () => Promise<number>): void {
  main().then(
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : String(error));
      process.exit(1);
    },
  );
}

/** Numbers in [0, 1) that one seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
