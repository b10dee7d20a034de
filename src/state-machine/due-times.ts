/**
 * When sessions are due, the earliest first: a binary heap. An entry that is out of date stays until it comes up or until such entries
 * are most of what there is. Equal times come up in the order of the sessions' numbers, so that no node's past decides it.
 */

/** What can be due. */
export interface Due {
  readonly number: number;
  /** 0 for never. */
  readonly dueMs: number;
}

interface Entry<Item extends Due> {
  readonly atMs: number;
  readonly item: Item;
}

/** Entries that may be out of date without anybody minding. */
const SLACK = 1024;

export class DueTimes<Item extends Due> {
  readonly #entries: Entry<Item>[] = [];

  /** How many it holds, those out of date among them. */
  get entries(): number {
    return this.#entries.length;
  }

  /** The item's time is another than before. */
  changed(item: Item): void {
    if (item.dueMs !== 0) this.#push({ atMs: item.dueMs, item });
  }

  /** The next time that is due; 0 for none. */
  nextMs(): number {
    return this.#first()?.atMs ?? 0;
  }

  /** Takes out the first item that is due at `nowMs`. */
  take(nowMs: number): Item | undefined {
    const first = this.#first();
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.#pop();
    return first.item;
  }

  /** Throws out what is out of date when that is most of it; `items` are all that there are. */
  tidy(items: Iterable<Item>, count: number): void {
    if (this.#entries.length <= 2 * count + SLACK) return;
    this.#entries.length = 0;
    for (const item of items) this.changed(item);
  }

  /** The first entry that is true. */
  #first(): Entry<Item> | undefined {
    for (;;) {
      const first = this.#entries[0];
      if (first === undefined || first.item.dueMs === first.atMs) return first;
      this.#pop();
    }
  }

  #push(entry: Entry<Item>): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const other = entries[above];
      if (other === undefined || !isBefore(entry, other)) break;
      entries[at] = other;
      at = above;
    }
    entries[at] = entry;
  }

  #pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let next = entries[below];
      if (next === undefined) break;
      const right = entries[below + 1];
      if (right !== undefined && isBefore(right, next)) {
        below += 1;
        next = right;
      }
      if (!isBefore(next, last)) break;
      entries[at] = next;
      at = below;
    }
    entries[at] = last;
  }
}

function isBefore(a: Entry<Due>, b: Entry<Due>): boolean {
  return a.atMs === b.atMs ? a.item.number < b.item.number : a.atMs < b.atMs;
}
