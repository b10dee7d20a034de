/**
 * Exactly-once proposals: for each origin, how far it is applied. A proposal that comes twice (a retry after a leader change)
 * is recognised, one whose predecessor is missing is left alone.
 */
import type { Applied } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { encodeOrigin, type OriginRecord } from "./records.js";

export const ORIGIN_PREFIX = "o/";

const NEVER: OriginRecord = Object.freeze({ incarnation: 0, sequence: 0 });

export class Origins {
  readonly #byName = new Map<string, OriginRecord>();
  readonly #changed = new Set<string>();

  /**
   * What to do with a proposal, and takes note of it when that is "applied". A higher incarnation begins again at sequence 1;
   * a lower one is of a process that is gone, whose last proposals count as duplicates: nobody waits for them.
   */
  admit(origin: string, incarnation: number, sequence: number): Applied["outcome"] {
    const known = this.#byName.get(origin);
    const isNewer = known === undefined || incarnation > known.incarnation;
    if (!isNewer && (incarnation < known.incarnation || sequence <= known.sequence)) return "duplicate";
    if (sequence !== (isNewer ? 1 : known.sequence + 1)) return "out-of-order";
    this.#byName.set(origin, { incarnation, sequence });
    this.#changed.add(origin);
    return "applied";
  }

  /** The last proposal of an origin that was applied; zeros when there is none. */
  lastOf(origin: string): OriginRecord {
    return this.#byName.get(origin) ?? NEVER;
  }

  writeChanges(out: RecordBatch): void {
    for (const origin of this.#changed) {
      const record = this.#byName.get(origin);
      if (record !== undefined) writeOrigin(out, origin, record);
    }
    this.#changed.clear();
  }

  writeAll(out: RecordBatch): void {
    for (const [origin, record] of this.#byName) writeOrigin(out, origin, record);
  }

  load(origin: string, record: OriginRecord): void {
    this.#byName.set(origin, record);
  }
}

function writeOrigin(out: RecordBatch, origin: string, record: OriginRecord): void {
  encodeOrigin(out.writer, record);
  out.put(ORIGIN_PREFIX + origin);
}
