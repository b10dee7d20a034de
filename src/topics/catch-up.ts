/**
 * The subscribers that are behind and can go on, one after the other, a few steps each, for a bounded time a turn: a thousand
 * replays must not hold up the node.
 */

/** Someone behind. */
export interface Straggler {
  /** A few steps: "more" wants another turn, "full" waits for a read to end, "done" will wake up by itself. */
  pump(): "more" | "full" | "done";
}

export class CatchUpQueue {
  readonly #runnable = new Set<Straggler>();
  /** Could go on if fewer reads were in flight. */
  readonly #blocked = new Set<Straggler>();

  wake(straggler: Straggler): void {
    this.#runnable.add(straggler);
  }

  /** A read has ended: the first who waited for that takes his place among the others. */
  unblock(): void {
    for (const straggler of this.#blocked) {
      this.#blocked.delete(straggler);
      this.#runnable.add(straggler);
      return;
    }
  }

  remove(straggler: Straggler): void {
    this.#runnable.delete(straggler);
    this.#blocked.delete(straggler);
  }

  /** Whether a turn would do something. */
  hasWork(canRead: boolean): boolean {
    return this.#runnable.size > 0 || (canRead && this.#blocked.size > 0);
  }

  /** Serves whoever can go on until `isOver`; who is woken meanwhile comes last. */
  run(canRead: () => boolean, isOver: () => boolean): void {
    const wanting: Straggler[] = [];
    this.#serve(this.#runnable, isOver, wanting);
    if (canRead()) this.#serve(this.#blocked, () => !canRead() || isOver(), wanting);
    for (const straggler of wanting) this.#runnable.add(straggler);
  }

  #serve(queue: Set<Straggler>, isOver: () => boolean, wanting: Straggler[]): void {
    for (const straggler of queue) {
      queue.delete(straggler);
      const outcome = straggler.pump();
      if (outcome === "more") wanting.push(straggler);
      else if (outcome === "full") this.#blocked.add(straggler);
      if (isOver()) return;
    }
  }
}
