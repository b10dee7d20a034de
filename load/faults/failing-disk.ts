/**
 * Disks that fail and disks that are full. A library in front of the system's makes every sync and every write that is to be durable fail
 * while a file exists; a file system of its own fills up and is freed again.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { isRoot, missingPrograms, runCommand, UndoList } from "../lib/commands.js";
import { delay, temporaryDirectory, waitUntil } from "../lib/support.js";
import { lastCode, lastLine } from "./members.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";
import { ToolTerrain, withVariables } from "./tool-terrain.js";

const ENDED_WITHIN_MS = 30_000;
const AFTERMATH_ACKNOWLEDGED = 200;
const DISK_MIB = 600;
/** Small enough that a disk of that size holds all of it, and becomes full by ours alone. */
const SMALL_FILES = [
  ...["--log-segment-bytes", "17MiB", "--message-segment-bytes", "17MiB"],
  ...["--snapshot-log-bytes", "34MiB"],
];

/** fsync, fdatasync, and every write to a file that was opened for durable writes. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
static int failing(int fd, int durable) {
  const char *flag = getenv("EIO_FLAG");
  if (flag == NULL || access(flag, F_OK) != 0) return 0;
  if (durable && (fcntl(fd, F_GETFL) & O_DSYNC) == 0) return 0;
  errno = EIO;
  return 1;
}
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
int fsync(int fd) { REAL(fsync); return failing(fd, 0) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return failing(fd, 0) ? -1 : real(fd); }
ssize_t write(int fd, const void *b, size_t n) { REAL(write); return failing(fd, 1) ? -1 : real(fd, b, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); return failing(fd, 1) ? -1 : real(fd, v, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REAL(pwrite); return failing(fd, 1) ? -1 : real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { REAL(pwrite64); return failing(fd, 1) ? -1 : real(fd, b, n, o); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t o) { REAL(pwritev); return failing(fd, 1) ? -1 : real(fd, v, n, o); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t o) { REAL(pwritev64); return failing(fd, 1) ? -1 : real(fd, v, n, o); }
`;

export function shimUnavailable(): string | null {
  const missing = missingPrograms("gcc");
  return missing.length === 0 ? null : "not installed: gcc";
}

/** Compiles the library; resolves with its path. */
async function compileShim(directory: string): Promise<string> {
  const [source, library] = [join(directory, "eio.c"), join(directory, "eio.so")];
  writeFileSync(source, SHIM);
  await runCommand("gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl");
  return library;
}

export class FailingDiskTerrain extends ToolTerrain {
  readonly #directory: string;

  private constructor(directory: string, library: string) {
    super(directory, async (id) => ({
      launcher: withVariables({ LD_PRELOAD: library, EIO_FLAG: this.#flag(id) }),
    }));
    this.#directory = directory;
  }

  static async create(directory: string): Promise<FailingDiskTerrain> {
    return new FailingDiskTerrain(directory, await compileShim(directory));
  }

  #flag(id: number): string {
    return join(this.#directory, `eio-${id}`);
  }

  /** Whether a node's disk fails from now on. */
  fail(id: number, fails: boolean): void {
    if (fails) writeFileSync(this.#flag(id), "");
    else rmSync(this.#flag(id), { force: true });
  }
}

const PROOF = `
const fs = require("node:fs");
const [plain, durable] = [fs.openSync(process.argv[1] + "/a", "w"), fs.openSync(process.argv[1] + "/b", fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_DSYNC)];
const why = (act) => { try { act(); return "works"; } catch (error) { return error.code; } };
const vector = [Buffer.from("x"), Buffer.from("y")];
const all = () => [() => fs.writeSync(plain, "x", 0), () => fs.fsyncSync(plain), () => fs.fdatasyncSync(plain),
  () => fs.writeSync(durable, Buffer.from("x"), 0, 1, 0), () => fs.writevSync(durable, vector, 0), () => fs.writevSync(durable, vector)].map(why).join(" ");
console.log(all());
fs.writeFileSync(process.env.EIO_FLAG, "");
console.log(all());
`;

/** A sync and a durable write fail while the flag is there, and others do not. */
export async function proveFailingDisk(): Promise<readonly string[]> {
  const directory = temporaryDirectory("proof");
  const library = await compileShim(directory);
  const flag = join(directory, "flag");
  const [program = "", ...args] = [
    ...withVariables({ LD_PRELOAD: library, EIO_FLAG: flag }),
    ...[process.execPath, "-e", PROOF, directory],
  ];
  const child = await Child.start(program, args);
  await child.exited;
  const wanted = ["works works works works works works", "works EIO EIO EIO EIO EIO"].join("\n");
  return child.tail === wanted ? [] : [`the failing disk gives "${child.tail}"`];
}

/** The leader's in odd rounds, a follower's in even ones. Such a node has to stop: nothing on that disk is certain any more. */
export function runFailingDisk(
  conditions: Omit<Conditions, "terrain">,
  terrain: FailingDiskTerrain,
): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, async (course, round) => {
    const { trial, cluster } = course;
    const victim = round % 2 === 1 ? await cluster.leader() : await cluster.follower();
    trial.beginStall(cluster.nodes.filter((node) => node !== victim));
    terrain.fail(victim.id, true);
    await endsWith(course, victim, ["disk_failed"]);
    terrain.fail(victim.id, false);
    await victim.start();
    const stallMs = course.endStall();
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `the disk of node ${victim.id} failed, and it stopped; stall ${stallMs.toFixed(0)} ms`;
  });
}

async function endsWith({ trial }: Course, victim: ClusterNode, codes: readonly string[]): Promise<void> {
  const { child } = victim;
  const ended = await waitUntil(() => child.ended, ENDED_WITHIN_MS);
  if (!ended) await victim.kill();
  const code = await child.exited;
  const said = lastCode(child.tail) ?? "";
  if (ended && code !== 0 && codes.includes(said)) return;
  const how = ended ? `ended with ${code}` : "went on";
  trial.report("wrong_answer", `node ${victim.id} ${how}, and said "${lastLine(child.tail)}"`);
}

export function smallDisksUnavailable(): string | null {
  return isRoot() ? null : "mounting a file system needs root";
}

/** Each node's directory is a file system in memory of its own size. */
export class SmallDiskTerrain extends ToolTerrain {
  readonly #directory: string;

  constructor(directory: string) {
    const undo = new UndoList();
    super(
      directory,
      async (id) => {
        const mountedAt = this.#disk(id);
        mkdirSync(mountedAt);
        await runCommand("mount", "-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "jangada-small", mountedAt);
        undo.push("umount", "-l", mountedAt);
        return { dataDir: join(mountedAt, "data"), flags: SMALL_FILES };
      },
      async () => {
        await undo.run();
      },
    );
    this.#directory = directory;
  }

  #disk(id: number): string {
    return join(this.#directory, `disk-${id}`);
  }

  #filler(id: number): string {
    return join(this.#disk(id), "filler");
  }

  /** Not a byte is left. */
  async fill(id: number): Promise<void> {
    await runCommand("dd", "if=/dev/zero", `of=${this.#filler(id)}`, "bs=1M").catch(() => "");
  }

  free(id: number): void {
    rmSync(this.#filler(id), { force: true });
  }

  /** Resolves with what does not hold. */
  async proveOn(id: number): Promise<readonly string[]> {
    await this.place(id);
    await this.fill(id);
    const file = join(this.#disk(id), "proof");
    const writes = (): string => {
      try {
        writeFileSync(file, Buffer.alloc(1024 * 1024));
        return "works";
      } catch (error) {
        return error instanceof Error && "code" in error ? String(error.code) : String(error);
      }
    };
    const full = writes();
    this.free(id);
    const free = writes();
    const wanted = full === "ENOSPC" && free === "works" && !existsSync(this.#filler(id));
    return wanted ? [] : [`a full disk gives ${full}, one that was freed ${free}`];
  }
}

export async function proveSmallDisks(): Promise<readonly string[]> {
  const terrain = new SmallDiskTerrain(temporaryDirectory("proof"));
  try {
    return await terrain.proveOn(1);
  } finally {
    await terrain.close();
  }
}

/** It refuses what it cannot keep, or stops and says why; when there is room it goes on, or is started again. */
export function runFullDisk(
  conditions: Omit<Conditions, "terrain">,
  terrain: SmallDiskTerrain,
): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, async (course, round) => {
    const { trial, cluster } = course;
    const victim = round % 2 === 1 ? await cluster.leader() : await cluster.follower();
    await terrain.fill(victim.id);
    await delay(conditions.holdMs);
    const stopped = !victim.running;
    if (stopped) await endsWith(course, victim, ["disk_full", "disk_failed"]);
    terrain.free(victim.id);
    if (stopped) await victim.start();
    course.figures["stopped"] = (course.figures["stopped"] ?? 0) + Number(stopped);
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `the disk of node ${victim.id} was full for ${conditions.holdMs} ms, and it ${stopped ? "stopped" : "went on"}`;
  });
}
