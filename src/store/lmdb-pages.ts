/**
 * What each page of an LMDB file is for: a page of one of the two trees, or a free one, once. LMDB hands out what its lists of free pages say:
 * a page that is in use would be written over, and one beyond the file brings the process down.
 */

/** The first two are not for trees. */
const PAGES_FIRST = 2;
const ID_BYTES = 8;

export class LmdbPages {
  readonly #isTaken: Uint8Array;

  /** `lastPage`: the file has as many. */
  constructor(lastPage: number) {
    this.#isTaken = new Uint8Array(lastPage + 1).fill(1, 0, PAGES_FIRST);
  }

  /** Whether there is such a page. */
  has(number: number): boolean {
    return Number.isSafeInteger(number) && number >= PAGES_FIRST && number < this.#isTaken.length;
  }

  /** They have this use from here on. False when there are no such pages, or one of them has a use. */
  take(first: number, count: number): boolean {
    const end = first + count;
    if (count < 1 || !this.has(first) || !this.has(end - 1)) return false;
    const isFree = this.#isTaken.subarray(first, end).every((taken) => taken === 0);
    this.#isTaken.fill(1, first, end);
    return isFree;
  }

  /**
   * Takes what a list of free pages names. It is i64 each: how many follow; then zero for nothing, the number of a page, or a negative count
   * and the number of the first of so many. False when it is no such list, or names what is taken.
   */
  takeFree(list: Buffer): boolean {
    if (list.length < ID_BYTES || list.length % ID_BYTES !== 0) return false;
    const at = (place: number): number => Number(list.readBigInt64LE(place * ID_BYTES));
    const last = at(0);
    if (last < 0 || last > list.length / ID_BYTES - 1) return false;
    for (let place = 1; place <= last; place += 1) {
      const entry = at(place);
      if (entry > 0 && !this.take(entry, 1)) return false;
      if (entry >= 0) continue;
      place += 1;
      if (place > last || !this.take(at(place), -entry)) return false;
    }
    return true;
  }
}
