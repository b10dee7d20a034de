/** The topic filters of a session that is not kept: nobody but its connection knows them. */
import type { SubscriptionOptions } from "../../commands/command.js";

/** Whether retained messages are asked for with a subscription (MQTT-3.3.1-9 to 3.3.1-11). */
export function wantsRetained(
  { retainHandling }: Pick<SubscriptionOptions, "retainHandling">,
  existed: boolean,
): boolean {
  return retainHandling === 0 || (retainHandling === 1 && !existed);
}

/** What was added and removed since it was last asked. */
export interface SubscriptionChanges {
  /** Those that stand now. */
  readonly all: readonly SubscriptionOptions[];
  /** Those whose retained messages are asked for (MQTT 5.0, 3.8.3.1). */
  readonly wanted: readonly SubscriptionOptions[];
}

export class LocalSubscriptions {
  #byFilter: Map<string, SubscriptionOptions> | null = null;
  #wanted: SubscriptionOptions[] = [];
  #isChanged = false;

  get size(): number {
    return this.#byFilter?.size ?? 0;
  }

  all(): readonly SubscriptionOptions[] {
    return this.#byFilter === null ? [] : [...this.#byFilter.values()];
  }

  has(filter: string): boolean {
    return this.#byFilter?.has(filter) === true;
  }

  /** Adds a subscription, or replaces the one of that filter (MQTT-3.8.4-3). */
  add(options: SubscriptionOptions): void {
    const { filter } = options;
    this.#byFilter ??= new Map();
    const isWanted = wantsRetained(options, this.#byFilter.has(filter));
    this.#byFilter.set(filter, options);
    this.#isChanged = true;
    if (isWanted) this.#wanted.push(options);
  }

  /** Returns whether there was one. */
  remove(filter: string): boolean {
    if (this.#byFilter?.delete(filter) !== true) return false;
    this.#isChanged = true;
    this.#wanted = this.#wanted.filter((wanted) => wanted.filter !== filter);
    return true;
  }

  /** `null` when nothing has changed. */
  takeChanges(): SubscriptionChanges | null {
    if (!this.#isChanged) return null;
    this.#isChanged = false;
    const wanted = this.#wanted;
    this.#wanted = [];
    return { all: this.all(), wanted };
  }
}
