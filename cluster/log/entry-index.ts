/**
 * Term and place of every entry since the log's base: three typed columns in chunks, 16 bytes an entry and no object. Contiguous
 * from `first` to `next - 1`; grows and is cut at the end, lets go at the front.
 */
import { assertInvariant } from "../errors.js";
import type { LogIndex, Term } from "../types.js";

const CHUNK_ENTRIES = 4096;
/** Places are multiples of 8, so 32 bits reach 32 GiB into a segment. */
const PLACE_UNIT = 8;

interface Chunk {
  readonly terms: Float64Array;
  readonly segments: Uint32Array;
  readonly places: Uint32Array;
}

function newChunk(): Chunk {
  return {
    terms: new Float64Array(CHUNK_ENTRIES),
    segments: new Uint32Array(CHUNK_ENTRIES),
    places: new Uint32Array(CHUNK_ENTRIES),
  };
}

export class EntryIndex {
  #chunks: Chunk[] = [];
  /** Index that slot 0 of the first chunk stands for; never above `#first`. */
  #origin: LogIndex;
  #first: LogIndex;
  #next: LogIndex;

  constructor(first: LogIndex) {
    this.#origin = first;
    this.#first = first;
    this.#next = first;
  }

  /** The first index that is here; `next` when none is. */
  get first(): LogIndex {
    return this.#first;
  }

  /** One above the last index that is here. */
  get next(): LogIndex {
    return this.#next;
  }

  /** Forgets everything; the next entry has index `first`. */
  reset(first: LogIndex): void {
    this.#chunks = [];
    this.#origin = first;
    this.#first = first;
    this.#next = first;
  }

  /** Adds entry `next`, which lies in the frame at `offset` (a multiple of 8) of segment number `segment`. */
  push(term: Term, segment: number, offset: number): void {
    const slot = this.#next - this.#origin;
    const at = Math.floor(slot / CHUNK_ENTRIES);
    let chunk = this.#chunks[at];
    if (chunk === undefined) {
      chunk = newChunk();
      this.#chunks[at] = chunk;
    }
    const nth = slot % CHUNK_ENTRIES;
    chunk.terms[nth] = term;
    chunk.segments[nth] = segment;
    chunk.places[nth] = offset / PLACE_UNIT;
    this.#next += 1;
  }

  /** Forgets entry `from` and all after it. */
  cutFrom(from: LogIndex): void {
    assertInvariant(from >= this.#first && from <= this.#next, "the index is cut outside of what it holds");
    this.#next = from;
    this.#chunks.length = Math.ceil((from - this.#origin) / CHUNK_ENTRIES);
  }

  /** Forgets entry `through` and all before it. */
  dropThrough(through: LogIndex): void {
    assertInvariant(through < this.#next, "the index is dropped past what it holds");
    if (through < this.#first) return;
    this.#first = through + 1;
    const chunks = Math.floor((this.#first - this.#origin) / CHUNK_ENTRIES);
    this.#chunks.splice(0, chunks);
    this.#origin += chunks * CHUNK_ENTRIES;
  }

  term(index: LogIndex): Term {
    return this.#read(index, (chunk, nth) => chunk.terms[nth]);
  }

  segment(index: LogIndex): number {
    return this.#read(index, (chunk, nth) => chunk.segments[nth]);
  }

  /** Offset of the entry's frame in its segment. */
  offset(index: LogIndex): number {
    return this.#read(index, (chunk, nth) => chunk.places[nth]) * PLACE_UNIT;
  }

  #read(index: LogIndex, column: (chunk: Chunk, nth: number) => number | undefined): number {
    const slot = index - this.#origin;
    const chunk = this.#chunks[Math.floor(slot / CHUNK_ENTRIES)];
    const value =
      chunk === undefined || index < this.#first || index >= this.#next
        ? undefined
        : column(chunk, slot % CHUNK_ENTRIES);
    assertInvariant(value !== undefined, `entry ${index} is not in the index`);
    return value;
  }
}
