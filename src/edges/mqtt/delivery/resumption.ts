/**
 * What is known of a part of a source that may have been sent already: by an earlier connection of the session, or at this one before it was
 * known from where its newest filters count.
 */
import { limits } from "../../../limits.js";
import type { DeliveryState } from "../../../state-machine/session-view.js";

export interface ResumptionOptions {
  readonly state: Pick<DeliveryState, "done" | "received">;
  /** Up to here messages of QoS 1 and 2 may have been sent. */
  readonly sentThrough: number;
  /** Up to here messages of QoS 0 are not sent (any more); those above `offlineAbove` were not sent before either. */
  readonly quietThrough: number;
  readonly offlineAbove: number;
}

export class Resumption {
  /** Above this nothing is known. */
  readonly through: number;
  readonly #options: ResumptionOptions;
  readonly #dealtWith: ReadonlySet<number>;
  /**
   * Among the oldest that are not dealt with: an earlier connection had no more under way, whatever the mark says (after the death of a
   * node it stands at the head).
   */
  #sentAtMost = limits.unsettledMax;

  constructor(options: ResumptionOptions) {
    const { state, sentThrough, quietThrough } = options;
    this.#options = options;
    this.#dealtWith = new Set([...state.done, ...state.received]);
    this.through = Math.max(sentThrough, quietThrough, ...this.#dealtWith);
  }

  /** The same when delivery goes back over what was taken up to `lastTaken` at this connection. */
  rewound(lastTaken: number, state: ResumptionOptions["state"]): Resumption {
    const { quietThrough } = this.#options;
    return new Resumption({
      ...this.#options,
      state: { done: [...this.#dealtWith, ...state.done], received: [] },
      quietThrough: Math.max(quietThrough, lastTaken),
    });
  }

  /** Whether it says nothing about what is above `after`; `hasQos0` says whether messages of QoS 0 are among it. */
  isOver(after: number, hasQos0: boolean): boolean {
    if (after >= this.through) return true;
    return !hasQos0 && this.#dealtWith.size === 0 && after >= this.#options.sentThrough;
  }

  /** Acknowledged, or PUBREC came: not to be sent. */
  isDealtWith(position: number): boolean {
    return this.#dealtWith.has(position);
  }

  /** Whether a message of QoS 0 is not sent: because it was, or because the client was away. */
  quiet(position: number): "no" | "sent" | "offline" {
    const { quietThrough, offlineAbove } = this.#options;
    if (position > quietThrough) return "no";
    return position > offlineAbove ? "offline" : "sent";
  }

  /** Whether the client may have the next message of QoS 1 and 2 that is not dealt with. */
  mayBeSent(position: number): boolean {
    return position <= this.#options.sentThrough && this.#sentAtMost > 0;
  }

  /** One that it may have was sent again. */
  sentAgain(): void {
    this.#sentAtMost -= 1;
  }
}
