/**
 * What a sync that failed leaves behind. The bytes stay in the system's cache, so that whoever ignores the failure reads them still, and
 * never notices; a disk has none of them. Here the file is put back to what was synced, when the node that wrote it is gone.
 */
import {
  fstatSync,
  readdirSync,
  readFileSync,
  readSync,
  type StatOptions,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const EXACT = { bigint: true } as const satisfies StatOptions;
const EMPTY = Buffer.alloc(0);

/** A sync that was begun, with what the file held then. */
export interface BegunSync {
  readonly file: string;
  readonly content: Buffer;
}

interface Loss {
  /** What was synced, and what the file held, when the sync failed. */
  readonly synced: Buffer;
  readonly content: Buffer;
}

export class LostBytes {
  readonly #synced = new Map<string, Buffer>();
  readonly #losses = new Map<string, Loss>();

  /** Null for a directory: no bytes of it are lost. */
  begin(descriptor: number): BegunSync | null {
    const stats = fstatSync(descriptor, EXACT);
    if (!stats.isFile()) return null;
    const content = Buffer.alloc(Number(stats.size));
    const got = readSync(descriptor, content, 0, content.length, 0);
    return { file: identityOf(stats), content: content.subarray(0, got) };
  }

  done({ file, content }: BegunSync): void {
    const loss = this.#losses.get(file);
    this.#synced.set(file, loss === undefined ? content : without(content, loss));
  }

  /** What was in the cache alone is gone for good: the system takes it for written, and no later sync writes it. */
  failed({ file, content }: BegunSync): void {
    this.#losses.set(file, { synced: this.#synced.get(file) ?? EMPTY, content });
  }

  /** A write that is on the disk when it is done (O_DSYNC). */
  written(descriptor: number, bytes: Buffer, position: number): void {
    const file = identityOf(fstatSync(descriptor, EXACT));
    const before = this.#synced.get(file) ?? EMPTY;
    const content = Buffer.alloc(Math.max(before.length, position + bytes.length));
    before.copy(content);
    bytes.copy(content, position);
    this.#synced.set(file, content);
  }

  /** Puts files back that lost something, wherever below the directory they are by now. Gives how many. */
  settle(directory: string): number {
    if (this.#losses.size === 0) return 0;
    let lost = 0;
    const seen = new Set<string>();
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const file = identityOf(statSync(path, EXACT));
      if (!this.#losses.has(file) || seen.has(file)) continue;
      seen.add(file);
      const synced = this.#synced.get(file) ?? EMPTY;
      if (readFileSync(path).equals(synced)) continue;
      writeFileSync(path, synced);
      lost += 1;
    }
    return lost;
  }
}

/** A file's number is given to the next one when it is removed; the time of its birth is not. */
function identityOf({ ino, birthtimeNs }: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${ino} ${birthtimeNs}`;
}

/** A later sync's content as it is on the disk: what the failed one was to write, and nobody wrote again, is as it was before. */
function without(content: Buffer, loss: Loss): Buffer {
  const kept = Buffer.from(content);
  for (let at = 0; at < Math.min(kept.length, loss.content.length); at += 1) {
    const before = loss.synced[at] ?? 0;
    if (kept[at] === loss.content[at]) kept[at] = before;
  }
  return kept;
}
