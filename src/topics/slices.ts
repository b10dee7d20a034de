/**
 * Parts of batches, for subscribers whose cursor stands in the middle of one. Those who stand at the same place share the part
 * and its bytes; nothing is kept beyond the turn.
 */
import type { DeliveryBatch } from "./subscriber.js";

export class Slices {
  readonly #parts = new Map<DeliveryBatch, Map<number, DeliveryBatch>>();

  /** What of the batch lies above `after` and up to `through`: the batch itself when that is all of it. */
  of(batch: DeliveryBatch, after: number, through: number): DeliveryBatch {
    if (through < batch.through) return batch.part(after, through);
    const first = batch.messages[0];
    if (first === undefined || first.position > after) return batch;
    let parts = this.#parts.get(batch);
    if (parts === undefined) {
      parts = new Map();
      this.#parts.set(batch, parts);
    }
    let part = parts.get(after);
    if (part === undefined) {
      part = batch.part(after, batch.through);
      parts.set(after, part);
    }
    return part;
  }

  clear(): void {
    if (this.#parts.size > 0) this.#parts.clear();
  }
}
