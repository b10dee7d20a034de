/** One process a directory: tried with real processes, which are stopped and killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDirectory } from "../../../../cluster/log/directory-lock.js";

/** `npm test` builds first. */
const BUILT = fileURLToPath(new URL("../../../../dist/cluster/log/directory-lock.js", import.meta.url));
/** Says what came of it, holds until its input ends, lets go. */
const PROGRAM = `
  const { lockDirectory } = await import(process.argv[1]);
  try {
    const lock = await lockDirectory(process.argv[2]);
    console.log("held");
    process.stdin.resume().on("end", async () => { await lock.release(); process.exit(0); });
  } catch (error) {
    console.log(error.code);
    process.exit(1);
  }`;

const locked = { code: "directory_locked" };

describe("the directory lock", () => {
  let home = "";
  let directory = "";
  let children: ChildProcess[] = [];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "jangada-lock-"));
    directory = home;
  });

  afterEach(async () => {
    for (const child of children) await kill(child);
    children = [];
    await rm(home, { recursive: true, force: true });
  });

  /** Another process that tries to take the lock, and what it says. */
  async function contend(): Promise<{ child: ChildProcess; said: string }> {
    const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, BUILT, directory], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    const [bytes] = await once(child.stdout!, "data");
    return { child, said: String(bytes).trim() };
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  it("is refused to a second process until the first lets go", async () => {
    const { child, said } = await contend();
    expect(said).toBe("held");
    await expect(lockDirectory(directory)).rejects.toMatchObject(locked);
    expect((await contend()).said).toBe("directory_locked");
    const gone = once(child, "exit");
    child.stdin!.end();
    await gone;
    expect(await readdir(directory)).toEqual([]);
    const lock = await lockDirectory(directory);
    expect((await contend()).said).toBe("directory_locked");
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it("is free at once after kill -9", async () => {
    for (let round = 0; round < 3; round += 1) {
      const { child, said } = await contend();
      expect(said).toBe("held");
      await kill(child);
      expect(await readdir(directory)).toHaveLength(1);
    }
    const lock = await lockDirectory(directory);
    expect(await readdir(directory)).toHaveLength(1);
    await lock.release();
  });

  it("is kept by a process that is stopped", async () => {
    const { child } = await contend();
    child.kill("SIGSTOP");
    await expect(lockDirectory(directory)).rejects.toMatchObject(locked);
    child.kill("SIGCONT");
    await expect(lockDirectory(directory)).rejects.toMatchObject(locked);
  });

  it("goes to one of several processes that start together after a crash", { timeout: 60_000 }, async () => {
    await kill((await contend()).child);
    const outcomes = await Promise.all(Array.from({ length: 5 }, contend));
    expect(outcomes.map(({ said }) => said).sort()).toEqual([...Array(4).fill("directory_locked"), "held"]);
  });

  it("goes to one of many that try at the same moment", async () => {
    for (let round = 0; round < 25; round += 1) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory)));
      const held = tries.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      expect(held).toHaveLength(1);
      for (const each of tries) if (each.status === "rejected") expect(each.reason).toMatchObject(locked);
      expect(await readdir(directory)).toHaveLength(1);
      await held[0]!.release();
    }
  });

  it("is kept by a holder that drops its callers", async () => {
    const server = createServer((caller) => caller.destroy());
    server.listen(join(directory, "lock-0123456789abcdef.sock"));
    await once(server, "listening");
    await expect(lockDirectory(directory)).rejects.toMatchObject(locked);
    server.close();
    await once(server, "close");
    await (await lockDirectory(directory)).release();
  });

  it("works where the path is longer than a socket's address may be", async () => {
    directory = join(directory, "d".repeat(100), "e".repeat(100));
    await mkdir(directory, { recursive: true });
    const { child, said } = await contend();
    expect(said).toBe("held");
    await expect(lockDirectory(directory)).rejects.toMatchObject(locked);
    await kill(child);
    const lock = await lockDirectory(directory);
    expect(await readdir(directory)).toHaveLength(1);
    await lock.release();
  });

  it("is refused where there is no directory", async () => {
    await expect(lockDirectory(join(directory, "none"))).rejects.toMatchObject({ code: "disk_failed" });
  });
});
