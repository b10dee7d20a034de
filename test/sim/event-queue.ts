/** What is going to happen, soonest first; of two at the same moment the one that was planned first. */

/** Whose event it is. Those of a dead one do not happen, those of a paused one wait. */
export class Scope {
  alive = true;
  pausedUntilMs = 0;
}

export interface SimEvent {
  atMs: number;
  readonly order: number;
  readonly task: () => void;
  readonly scope: Scope | null;
  cancelled: boolean;
  /** It came due in a pause of its scope. */
  isParked: boolean;
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A binary heap. */
export class EventQueue {
  readonly #heap: SimEvent[] = [];

  peek(): SimEvent | undefined {
    return this.#heap[0];
  }

  push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above]!;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  /** Takes out all of which this is so; in no order. */
  take(isOne: (event: SimEvent) => boolean): SimEvent[] {
    const taken = this.#heap.filter(isOne);
    const left = this.#heap.filter((event) => !isOne(event));
    this.#heap.length = 0;
    for (const event of left) this.push(event);
    return taken;
  }

  pop(): SimEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}
