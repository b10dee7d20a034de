/**
 * The `$SYS` messages of a node as its clients get them: never replicated or stored, at QoS 0; all that match as retained at SUBSCRIBE, then from
 * time to time those that have changed. Nothing is counted up while nobody looks.
 */
import { NO_PROPERTIES, type SubscriptionOptions } from "../../../commands/command.js";
import type { Cancel, Clock } from "../../../runtime/clock.js";
import type { StoredMessage } from "../../../state-machine/effects.js";
import { FilterSet } from "../../../topics/filter-set.js";
import type { TurnBudget } from "../turn-budget.js";

/** A client that is told. `isRetained`: as retained messages at a SUBSCRIBE. */
export interface SysWatcher {
  announce(messages: readonly StoredMessage[], filters: FilterSet, isRetained: boolean): void;
}

export interface SysBoardOptions {
  /** 0: there are no such topics. */
  readonly intervalMs: number;
  /** Called every interval. */
  readonly sample: () => void;
  /** Topic names and payloads. */
  readonly topics: () => readonly (readonly [string, string])[];
  readonly clock: Clock;
  readonly turnBudget: TurnBudget;
}

/** Whether a subscription may match what is the server's own. Members of a share never get any of it: it is no stream that could be shared. */
export function isSysFilter({ filter, share }: Pick<SubscriptionOptions, "filter" | "share">): boolean {
  return share === "" && filter.startsWith("$SYS/");
}

function textOf({ payload }: StoredMessage): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
}

function messageOf(topic: string, text: string, timestampMs: number): StoredMessage {
  return {
    position: 0,
    offset: 0,
    topic: { id: 0, name: topic },
    timestampMs,
    payload: Buffer.from(text),
    contentType: "",
    qos: 0,
    retain: true,
    expiresAtMs: 0,
    properties: NO_PROPERTIES,
    publisher: 0,
  };
}

export class SysBoard {
  readonly #options: SysBoardOptions;
  readonly #watchers = new Map<SysWatcher, FilterSet>();
  readonly #board = new Map<string, StoredMessage>();
  #cancel: Cancel | null = null;

  constructor(options: SysBoardOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    if (intervalMs > 0) this.#cancel = clock.every(intervalMs, () => this.#tick());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** These are the watcher's filters from now on; what matches `wanted` it gets at once. */
  watch(
    watcher: SysWatcher,
    filters: readonly SubscriptionOptions[],
    wanted: readonly SubscriptionOptions[],
  ): void {
    if (this.#options.intervalMs === 0) return;
    // As long as somebody watches, it is as new as the last interval.
    if (this.#watchers.size === 0) this.#refresh();
    if (filters.length === 0) this.#watchers.delete(watcher);
    else this.#watchers.set(watcher, new FilterSet(filters));
    if (wanted.length > 0) watcher.announce([...this.#board.values()], new FilterSet(wanted), true);
  }

  leave(watcher: SysWatcher): void {
    this.#watchers.delete(watcher);
  }

  isWatching(watcher: SysWatcher): boolean {
    return this.#watchers.has(watcher);
  }

  #tick(): void {
    this.#options.sample();
    if (this.#watchers.size === 0) return;
    const changed = this.#refresh();
    for (const watcher of this.#watchers.keys()) {
      this.#options.turnBudget.run(() => {
        const filters = this.#watchers.get(watcher);
        if (filters !== undefined) watcher.announce(changed, filters, false);
      });
    }
  }

  /** Looks at everything; gives what has changed. */
  #refresh(): readonly StoredMessage[] {
    const timestampMs = this.#options.clock.nowMs();
    const changed: StoredMessage[] = [];
    for (const [topic, text] of this.#options.topics()) {
      const before = this.#board.get(topic);
      if (before !== undefined && textOf(before) === text) continue;
      const message = messageOf(topic, text, timestampMs);
      this.#board.set(topic, message);
      changed.push(message);
    }
    return changed;
  }
}
