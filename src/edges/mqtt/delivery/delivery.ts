/**
 * Everything outbound of one client: what it subscribed to, retained messages, its share of shared subscriptions, with the QoS 1 and 2
 * exchanges (MQTT 5.0, 4.3) and, for a session that is kept, the progress that lets any node go on.
 */
import type { SubscriptionOptions } from "../../../commands/command.js";
import type { SharedItem } from "../../../state-machine/effects.js";
import type { Session } from "../../../state-machine/session-view.js";
import type { DeliveryContext, Outlet } from "./context.js";

export interface DeliveryOptions {
  readonly context: DeliveryContext;
  readonly outlet: Outlet;
  readonly level: 4 | 5;
  readonly session: { readonly number: number; readonly epoch: number; readonly isKept: boolean };
  readonly clientId: string;
  /** Receive Maximum of CONNECT (MQTT 5.0, 3.1.2.11.3); 65,535 when it does not say. */
  readonly receiveMax: number;
  /** Maximum Packet Size of CONNECT (3.1.2.11.4); Infinity when it does not say. */
  readonly packetBytesMax: number;
  /** Topic Alias Maximum of CONNECT (3.1.2.11.5); 0 when it does not say. */
  readonly topicAliasMax: number;
  /** Delivery cannot go on (the store failed, say): the connection is to be closed. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Made when the session is open, before CONNACK is written; `resume` after CONNACK. Nothing is sent from within a method but `resume`,
 * `setFilters`, `pump` and the acknowledgements of exchanges that they belong to.
 */
export class Delivery {
  readonly clientId: string;

  constructor({ clientId }: DeliveryOptions) {
    this.clientId = clientId;
  }

  /** Positions between the client and the head; 0 without a subscription. */
  get lag(): number {
    return 0;
  }

  /** Served from memory or the store instead of live. */
  get isBehind(): boolean {
    return false;
  }

  /**
   * Once, after CONNACK: goes on with what the session has in the replicated state, for one that is kept and for one that is not (which has none).
   */
  resume(_session: Session): void {}

  /**
   * Of a session that is not kept: from the present head on these are its filters (all of them, without shared ones), and the retained
   * messages that match `wanted` are sent, before what comes live. They may be looked for later, when many clients ask: `onLooked` is called
   * when that is over, at once if possible; a client should not be read before.
   */
  setFilters(
    _filters: readonly SubscriptionOptions[],
    _wanted: readonly SubscriptionOptions[],
    onLooked: () => void,
  ): void {
    onLooked();
  }

  /** A `subscribe` or `unsubscribe` of the session was applied. To be called from within `done` of that command. */
  subscriptionsChanged(): void {}

  /** PUBACK: false when no such exchange is open. `pump` is to be called when the chunk is read. */
  puback(_packetId: number, _reason: number): boolean {
    return false;
  }

  /** PUBREC: false when no such exchange is open; answered with PUBREL 0x92 then (MQTT 5.0, 3.6.2.1). As `puback`. */
  pubrec(_packetId: number, _reason: number): boolean {
    return false;
  }

  /** PUBCOMP: as `puback`. */
  pubcomp(_packetId: number, _reason: number): boolean {
    return false;
  }

  /** Messages of shares were given to this session (the effect `shared-assigned` with its epoch). */
  assigned(_items: readonly SharedItem[]): void {}

  /** A chunk with acknowledgements was read, or the socket has drained. */
  pump(): void {}

  /** The connection is over; nothing more is sent. What it says goes into `close-session`, which is to be submitted after this. */
  close(): { readonly sentThrough: number } {
    return { sentThrough: 0 };
  }
}
