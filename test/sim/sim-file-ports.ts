/**
 * The two ports that the production stores are written over, on the file system of a simulated node. What is in the cache takes no time,
 * what goes to the disk takes as long as the disk takes. A dead life's calls never come back.
 */
import type * as log from "../../cluster/log/disk.js";
import type * as store from "../../src/store/disk.js";
import type { DiskCall, DiskFaults, Outcome } from "./disk-faults.js";
import type { Scope } from "./event-queue.js";
import type { SimFile } from "./sim-file.js";
import { type SimFiles, systemError } from "./sim-files.js";
import { Crashed } from "./world.js";

export interface Mount {
  readonly files: SimFiles;
  readonly faults: DiskFaults;
  readonly scope: Scope;
  /** As long as one sync takes. */
  readonly wait: () => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  /** A number from 0 (included) to 1 (excluded). */
  readonly unit: () => number;
}

const never = (): Promise<never> => new Promise(() => undefined);

/** What both ports do alike. */
class Calls {
  readonly mount: Mount;

  constructor(mount: Mount) {
    this.mount = mount;
  }

  /** A call that only the cache has to do with. Rejects as the disk does. */
  async quick<T>(call: DiskCall, task: (outcome: Outcome) => T): Promise<T> {
    if (!this.mount.scope.alive) return never();
    return task(this.mount.faults.outcome(call));
  }

  async read(file: SimFile, target: Uint8Array, position: number): Promise<number> {
    return this.quick("read", () => file.read(target, position));
  }

  async write(file: SimFile, parts: readonly Uint8Array[], at: number): Promise<number> {
    return this.quick("write", (outcome) => file.write(outcome === "half" ? firstHalf(parts) : parts, at));
  }

  async writeDurably(file: SimFile, parts: readonly Uint8Array[], at: number): Promise<number> {
    const { scope, wait, files, faults } = this.mount;
    if (!scope.alive) return never();
    const outcome = faults.outcome("durable write");
    const flight = { file, at, parts: outcome === "half" ? firstHalf(parts) : parts };
    files.flights.add(flight);
    await wait();
    files.flights.delete(flight);
    if (outcome !== "lost") return file.writeDurably(flight.parts, at);
    file.write(parts, at);
    file.failSync();
    throw systemError("EIO", "write");
  }

  async sync(file: SimFile): Promise<void> {
    const outcome = await this.slow("sync");
    if (outcome === "lost") {
      file.failSync();
      throw systemError("EIO", "sync");
    }
    file.sync();
  }

  async syncDirectory(path: string): Promise<void> {
    await this.slow("sync directory");
    this.mount.files.syncDirectory(path);
  }

  async slow(call: DiskCall): Promise<Outcome> {
    if (!this.mount.scope.alive) return never();
    const outcome = this.mount.faults.outcome(call);
    await this.mount.wait();
    return outcome;
  }

  name<T>(task: (files: SimFiles) => T): Promise<T> {
    return this.quick("name", () => task(this.mount.files));
  }
}

function firstHalf(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const whole = Buffer.concat(parts);
  return [whole.subarray(0, Math.max(1, whole.byteLength >> 1))];
}

/** For the log and the snapshots. */
export class SimLogDisk implements log.Disk {
  readonly #calls: Calls;

  constructor(mount: Mount) {
    this.#calls = new Calls(mount);
  }

  async open(path: string, mode: log.DiskMode): Promise<log.DiskFile> {
    const { files } = this.#calls.mount;
    return this.#calls.quick("open", () => {
      if (mode !== "create") return this.#handle(files.file(path), mode === "update-durable");
      if (files.find(path) !== undefined) throw systemError("EEXIST", path);
      return this.#handle(files.create(path), false);
    });
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#calls.quick("list", () => this.#calls.mount.files.list(directory));
  }

  async makeDirectory(path: string): Promise<void> {
    const { files } = this.#calls.mount;
    if (files.find(path) !== undefined) return;
    await this.#calls.slow("name");
    files.makeDirectory(path, true);
  }

  removeDirectory(path: string): Promise<void> {
    return this.#calls.name((files) => files.removeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#calls.name((files) => files.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.#calls.name((files) => files.unlink(path));
  }

  link(from: string, to: string): Promise<void> {
    return this.#calls.name((files) => files.link(from, to));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#calls.syncDirectory(path);
  }

  identity(path: string): Promise<string> {
    return this.#calls.quick("list", () => String(this.#calls.mount.files.file(path).id));
  }

  idle(ms: number): Promise<void> {
    return this.#calls.mount.sleep(ms);
  }

  salt(): readonly [number, number] {
    const { unit } = this.#calls.mount;
    return [Math.floor(unit() * 2 ** 32), Math.floor(unit() * 2 ** 32)];
  }

  #handle(file: SimFile, isDurable: boolean): log.DiskFile {
    const calls = this.#calls;
    return {
      write: (parts, at) => (isDurable ? calls.writeDurably(file, parts, at) : calls.write(file, parts, at)),
      read: (target, at) => calls.read(file, target, at),
      readSync: (target, at) => {
        if (!calls.mount.scope.alive) throw new Crashed();
        calls.mount.faults.outcome("read");
        return file.read(target, at);
      },
      sync: () => calls.sync(file),
      size: async () => file.size,
      close: async () => undefined,
    };
  }
}

/** For the message segments. */
export class SimStoreDisk implements store.Disk {
  readonly #calls: Calls;

  constructor(mount: Mount) {
    this.#calls = new Calls(mount);
  }

  async open(path: string, mode: store.OpenMode): Promise<store.DiskFile> {
    const { files } = this.#calls.mount;
    return this.#calls.quick("open", () => {
      if (mode !== "create") return this.#handle(files.file(path));
      if (files.find(path) === undefined) return this.#handle(files.create(path));
      files.file(path).truncate(0);
      return this.#handle(files.file(path));
    });
  }

  list(directory: string): Promise<readonly string[]> {
    const { files } = this.#calls.mount;
    return this.#calls.quick("list", () =>
      files.find(directory) === undefined ? [] : files.list(directory),
    );
  }

  makeDirectory(directory: string): Promise<void> {
    return this.#calls.name((files) => files.makeDirectory(directory, false));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#calls.name((files) => files.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#calls.name((files) => {
      if (files.find(path) !== undefined) files.unlink(path);
    });
  }

  removeTree(directory: string): Promise<void> {
    return this.#calls.name((files) => files.removeTree(directory));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#calls.syncDirectory(directory);
  }

  #handle(file: SimFile): store.DiskFile {
    const calls = this.#calls;
    return {
      read: (target, position) => calls.read(file, target, position),
      write: async (bytes, position) => {
        // Its real twin goes on where the system stopped.
        const written = await calls.write(file, [bytes], position);
        if (written < bytes.length) await calls.write(file, [bytes.subarray(written)], position + written);
      },
      sync: () => calls.sync(file),
      truncate: (bytes) => calls.quick("truncate", () => file.truncate(bytes)),
      size: async () => file.size,
      close: async () => undefined,
    };
  }
}
