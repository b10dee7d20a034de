/** The longest time without an acknowledgement, over all nodes and on each: pure, its owner gives the time. */

export interface Stall {
  /** Without an acknowledgement from any node, milliseconds. */
  readonly overallMs: number;
  /** Of the watched node that was without one for longest. */
  readonly oneNodeMs: number;
}

class Gap {
  #lastMs: number;
  #longestMs = 0;

  constructor(beginMs: number) {
    this.#lastMs = beginMs;
  }

  mark(nowMs: number): void {
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  get longestMs(): number {
    return this.#longestMs;
  }
}

export class StallMeter {
  #overall: Gap | undefined;
  #byNode = new Map<number, Gap>();

  /** Starts to watch; `nodes` are those that are expected to go on. */
  begin(nowMs: number, nodes: readonly number[]): void {
    this.#overall = new Gap(nowMs);
    this.#byNode = new Map(nodes.map((id) => [id, new Gap(nowMs)]));
  }

  /** A node acknowledged something. */
  acknowledged(nowMs: number, node: number): void {
    this.#overall?.mark(nowMs);
    this.#byNode.get(node)?.mark(nowMs);
  }

  /** Stops watching: the time since the last acknowledgement counts too. */
  end(nowMs: number): Stall {
    const overall = this.#overall ?? new Gap(nowMs);
    const gaps = [...this.#byNode.values()];
    for (const gap of [overall, ...gaps]) gap.mark(nowMs);
    this.#overall = undefined;
    this.#byNode = new Map();
    return {
      overallMs: overall.longestMs,
      oneNodeMs: Math.max(0, ...gaps.map(({ longestMs }) => longestMs)),
    };
  }
}
