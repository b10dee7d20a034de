/**
 * Which nodes of the group are there, as the log has it: this node says that it has started; the leader says that another is
 * gone, and brings the time when a will or an expiry is due and nobody else does.
 */
import type { Command } from "../commands/command.js";
import type { Done } from "../commands/submit.js";
import type { ErrorCode } from "../errors.js";
import type { Cancel, Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** A node that counts as being there. */
export interface NodeUp {
  readonly node: string;
  readonly incarnation: number;
  /** Where its MQTT clients go, "" when it did not say. */
  readonly mqtt: string;
}

export interface PresenceOptions {
  readonly nodeId: string;
  readonly submit: (command: Command, done: Done) => void;
  readonly nodesUp: () => Iterable<NodeUp>;
  /** When the next will or expiry is due, milliseconds since 1970; 0 for none. */
  readonly nextDueMs: () => number;
  readonly isLeader: () => boolean;
  /** Something was heard from the peer within the last second. */
  readonly isAlive: (node: string) => boolean;
  /** A node that is not alive for so long is gone: longer than a pause of its garbage collector or its disk. */
  readonly goneAfterMs: number;
  /** Its wall is the log's time. */
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 250;
/** How long a refused announcement waits before it is tried again. */
const RETRY_MS = 250;

export class Presence {
  readonly #options: PresenceOptions;
  /** Since when nothing is heard of a node. */
  #silentSinceMs: ReadonlyMap<string, number> = new Map();
  /** Nodes whose end is on its way into the log. */
  readonly #ending = new Set<string>();
  #isTicking = false;
  #cancel: Cancel = () => undefined;
  #isStopped = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /**
   * Tells the group that this process serves clients, at `mqtt` ("" for not known). Resolves when it is applied, or with the
   * refusal that time alone may not mend (`disk_full`); it is then still tried, behind.
   */
  announce(mqtt: string): Promise<ErrorCode | null> {
    return new Promise((resolve) => {
      const tell = (): void => {
        if (this.#isStopped) {
          resolve("shutting_down");
          return;
        }
        this.#options.submit({ kind: "node-up", mqtt }, (result) => {
          if (result.kind !== "failed") {
            resolve(null);
            return;
          }
          if (result.code === "disk_full") resolve(result.code);
          this.#options.clock.after(RETRY_MS, tell);
        });
      };
      tell();
    });
  }

  start(): void {
    this.#cancel = this.#options.clock.every(PERIOD_MS, () => this.#look());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** Where clients may go instead of here: another node that is there; `null` when none said where. */
  otherNode(): string | null {
    const { nodeId, nodesUp, isAlive } = this.#options;
    for (const { node, mqtt } of nodesUp()) if (node !== nodeId && mqtt !== "" && isAlive(node)) return mqtt;
    return null;
  }

  #look(): void {
    if (!this.#options.isLeader()) {
      this.#silentSinceMs = new Map();
      return;
    }
    this.#lookForTheGone();
    this.#bringTime();
  }

  #lookForTheGone(): void {
    const { nodeId, nodesUp, isAlive, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const silent = new Map<string, number>();
    for (const { node, incarnation } of nodesUp()) {
      if (node === nodeId || isAlive(node)) continue;
      const sinceMs = this.#silentSinceMs.get(node) ?? nowMs;
      silent.set(node, sinceMs);
      if (nowMs - sinceMs >= this.#options.goneAfterMs) this.#end(node, incarnation);
    }
    this.#silentSinceMs = silent;
  }

  #end(node: string, incarnation: number): void {
    if (this.#ending.has(node)) return;
    this.#ending.add(node);
    this.#options.logger.warn({ node }, "a node is silent: its clients count as lost");
    this.#options.submit({ kind: "node-down", node, incarnation }, () => this.#ending.delete(node));
  }

  #bringTime(): void {
    const dueMs = this.#options.nextDueMs();
    if (dueMs === 0 || this.#isTicking || this.#options.clock.nowMs() < dueMs) return;
    this.#isTicking = true;
    this.#options.submit({ kind: "tick" }, () => {
      this.#isTicking = false;
    });
  }
}
