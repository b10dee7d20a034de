/**
 * Disconnects a client that was silent for one and a half times its keep-alive (MQTT-3.1.2-24). One timer a connection, set
 * again only when it fires: a packet costs no more than noting the time.
 */
import type { Cancel, Clock } from "../../runtime/clock.js";

/** How much longer than its own keep-alive a client may be silent. */
const GRACE = 1.5;

export interface KeepAliveOptions {
  readonly clock: Clock;
  /** As in CONNECT; 0 switches it off. */
  readonly keepAliveSeconds: number;
  /** True while the server does not read from the client: what it says then is not heard, so it is not silent. */
  readonly isHeld: () => boolean;
  readonly onSilent: () => void;
}

export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #allowedMs: number;
  #heardMs: number;
  #cancel: Cancel | null = null;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#allowedMs = options.keepAliveSeconds * 1000 * GRACE;
    this.#heardMs = options.clock.monotonicMs();
    if (this.#allowedMs > 0) this.#arm(this.#allowedMs);
  }

  /** A packet came, or the server reads again. */
  heard(): void {
    if (this.#allowedMs > 0) this.#heardMs = this.#options.clock.monotonicMs();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#options.clock.after(delayMs, () => this.#check());
  }

  #check(): void {
    if (this.#options.isHeld()) this.heard();
    const restMs = this.#heardMs + this.#allowedMs - this.#options.clock.monotonicMs();
    if (restMs > 0) this.#arm(Math.ceil(restMs));
    else this.#options.onSilent();
  }
}
