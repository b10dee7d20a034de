/** The edge's own counts, readable: metrics only go up and out, and `$SYS` has to say what they are. */
import type { Count, EdgeMetrics } from "../../../runtime/metrics.js";

/** Counts on, and remembers. */
class Tally implements Count {
  value = 0;
  readonly #count: Count;

  constructor(count: Count) {
    this.#count = count;
  }

  inc(by = 1): void {
    this.value += by;
    this.#count.inc(by);
  }
}

/** The edge's metrics with their sums. */
export class TalliedMetrics implements EdgeMetrics {
  readonly messagesIn: Tally;
  readonly bytesIn: Tally;
  readonly messagesOut: Tally;
  readonly bytesOut: Tally;
  readonly connections: Tally;
  messagesDropped = 0;
  readonly #metrics: EdgeMetrics;

  constructor(metrics: EdgeMetrics) {
    this.#metrics = metrics;
    this.messagesIn = new Tally(metrics.messagesIn);
    this.bytesIn = new Tally(metrics.bytesIn);
    this.messagesOut = new Tally(metrics.messagesOut);
    this.bytesOut = new Tally(metrics.bytesOut);
    this.connections = new Tally(metrics.connections);
  }

  refused(code: string): void {
    this.#metrics.refused(code);
  }

  dropped(reason: string, messages: number): void {
    this.messagesDropped += messages;
    this.#metrics.dropped(reason, messages);
  }
}

/** Bytes on the wire of all connections, whatever they were. */
export class Traffic {
  bytesIn = 0;
  bytesOut = 0;
}
