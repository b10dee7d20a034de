/**
 * Tells the group that connections have ended, and goes on telling it until that is committed or another connection has the session: a
 * will, and the time that a session has left, depend on it.
 */
import type { Broker } from "../../../broker.js";
import type { CloseSessionCommand } from "../../../commands/command.js";
import type { ErrorCode } from "../../../errors.js";
import type { Cancel, Clock } from "../../../runtime/clock.js";
import type { CommandResult } from "../../../state-machine/effects.js";

/** Displaced: whoever did that has seen to the will. Shutting down: the group will see that the node is gone. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["session_displaced", "shutting_down"]);
/** How long what was refused waits before it is tried again. */
const RETRY_MS = 250;

export class SessionCloser {
  readonly #broker: Broker;
  readonly #clock: Clock;
  /** Refused ones, oldest first. */
  #refused: CloseSessionCommand[] = [];
  #underWay = 0;
  #cancelRetry: Cancel | null = null;
  #onSettled: (() => void)[] = [];
  #isOver = false;

  constructor(broker: Broker, clock: Clock) {
    this.#broker = broker;
    this.#clock = clock;
  }

  close(command: CloseSessionCommand): void {
    this.#underWay += 1;
    this.#broker.submit(command, (result) => this.#done(command, result));
  }

  /** Resolves when all that was to be told was told, or after `patienceMs`: nothing is tried again after that. */
  async settled(patienceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(patienceMs, resolve);
      this.#onSettled.push(() => {
        cancel();
        resolve();
      });
      this.#tellSettled();
    });
    this.#isOver = true;
    this.#cancelRetry?.();
    this.#refused = [];
  }

  #done(command: CloseSessionCommand, result: CommandResult): void {
    this.#underWay -= 1;
    if (result.kind === "failed" && !FINAL.has(result.code) && !this.#isOver) {
      this.#refused.push(command);
      this.#cancelRetry ??= this.#clock.after(RETRY_MS, () => this.#retry());
    }
    this.#tellSettled();
  }

  #retry(): void {
    this.#cancelRetry = null;
    const commands = this.#refused;
    this.#refused = [];
    for (const command of commands) this.close(command);
  }

  #tellSettled(): void {
    if (this.#underWay > 0 || this.#refused.length > 0) return;
    for (const resolve of this.#onSettled.splice(0)) resolve();
  }
}
