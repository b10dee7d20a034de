/**
 * Disks that lose power: each node's data directory on an ext4 file system of its own in a loop-mounted file, all shut down in
 * one moment by ioctl without a last flush. What was not synced is gone when they are mounted again.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import { isRoot, missingPrograms, runCommand, UndoList } from "../lib/commands.js";
import { delay, waitUntil } from "../lib/support.js";
import { LoopbackTerrain, type Place } from "../lib/terrain.js";

const DISK_BYTES = 3 * 1024 ** 3;
const HELPER_TIMEOUT_MS = 10_000;
const UNMOUNT_TRIES = 20;
const RELEASE_TIMEOUT_MS = 30_000;
const UNMOUNT_RETRY_MS = 100;

/** Opens the mounted directories, and at a line of input shuts them down: EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. */
const SHUT_DOWN = `
import fcntl, os, struct, sys
directories = [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]
print("open", flush=True)
sys.stdin.readline()
for directory in directories:
    fcntl.ioctl(directory, 0x8004587D, struct.pack("I", 2))
print("off", flush=True)
`;

/** What is missing here, in words; null when disks can be made and cut off. */
export function powerUnavailable(): string | null {
  if (!isRoot()) return "loop-mounted file systems need root";
  const missing = missingPrograms("mkfs.ext4", "losetup", "mount", "umount", "python3");
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`;
}

interface Disk {
  readonly image: string;
  readonly mountedAt: string;
}

export class PowerTerrain extends LoopbackTerrain {
  readonly #directory: string;
  readonly #disks = new Map<number, Disk>();
  readonly #undo = new UndoList();

  /** Images and mount points are in a directory of its own, which is removed by `close`. */
  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "jangada-power-"));
    super(directory);
    this.#directory = directory;
    this.#undo.push("rm", "-rf", "--one-file-system", directory);
  }

  override async place(id: number): Promise<Place> {
    const image = join(this.#directory, `disk-${id}.img`);
    const mountedAt = join(this.#directory, `disk-${id}`);
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    mkdirSync(mountedAt);
    await runCommand("mkfs.ext4", "-q", "-F", image);
    await runCommand("mount", "-o", "loop", image, mountedAt);
    this.#undo.push("umount", "-l", mountedAt);
    this.#disks.set(id, { image, mountedAt });
    return { ...(await super.place(id)), dataDir: join(mountedAt, "data") };
  }

  #of(ids: readonly number[]): readonly Disk[] {
    return ids.flatMap((id) => this.#disks.get(id) ?? []);
  }

  /** The power fails, of all nodes unless some are named: nothing that is not on the disks yet gets there any more, and nothing new is written. */
  async cutPower(ids: readonly number[] = [...this.#disks.keys()]): Promise<void> {
    const paths = this.#of(ids).map(({ mountedAt }) => mountedAt);
    const helper = await Child.start("python3", ["-c", SHUT_DOWN, ...paths]);
    const says = (word: string): Promise<true> =>
      helper.waitForLine((line) => (line === word ? true : undefined), HELPER_TIMEOUT_MS, word);
    await says("open");
    const off = says("off");
    helper.write("now");
    await off;
    await helper.exited;
  }

  /** The disks are mounted anew; nobody may have a file of theirs open. */
  async restorePower(ids: readonly number[] = [...this.#disks.keys()]): Promise<void> {
    for (const { image, mountedAt } of this.#of(ids)) {
      await unmount(mountedAt);
      await waitUntilReleased(image);
      await runCommand("mount", "-o", "loop", image, mountedAt);
    }
  }

  override async close(): Promise<void> {
    await this.#undo.run();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Somebody else on this machine who copied the mounts for a moment (a container that starts) still holds the file system that is off,
 * and mounting the image would give that one again.
 */
async function waitUntilReleased(image: string): Promise<void> {
  const released = await waitUntil(
    async () => (await runCommand("losetup", "-j", image)).trim() === "",
    RELEASE_TIMEOUT_MS,
    UNMOUNT_RETRY_MS,
  );
  if (!released) throw new Error(`${image} is still in use ${RELEASE_TIMEOUT_MS} ms after it was unmounted`);
}

/** A process that was killed a moment ago may still hold its files. */
async function unmount(mountedAt: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await runCommand("umount", mountedAt);
      return;
    } catch (error) {
      if (tries >= UNMOUNT_TRIES) throw error;
      await delay(UNMOUNT_RETRY_MS);
    }
  }
}
