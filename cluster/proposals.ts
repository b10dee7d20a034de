/**
 * A batch on its way into the log: appended here if this node leads, else sent to the node that does. Nothing tells whether it got
 * there but its coming back through `apply`; whoever made it sends it again, and the machine applies it once.
 */
import type { CoreStatus } from "./core-types.js";
import type { PeerFrame } from "./transport/transport.js";
import type { GroupId, NodeId } from "./types.js";
import type { WarningGate } from "./warning-gate.js";

export interface ProposalsOptions {
  readonly group: GroupId;
  readonly status: () => CoreStatus;
  /** Appends entries if this node leads. */
  readonly append: (payloads: readonly Uint8Array[]) => boolean;
  readonly send: (to: NodeId, frame: PeerFrame) => void;
  /** See `StateMachine.canRead`. */
  readonly canRead: (payload: Uint8Array) => boolean;
  readonly warnings: Pick<WarningGate, "warn">;
}

/** What comes from peers while this node's disk stands still, and is sent again meanwhile, must not fill the memory. */
const RECEIVED_BYTES_MAX = 64 * 1024 * 1024;
/** Entries in one append: the engine spreads them as arguments. */
const APPEND_ENTRIES_MAX = 1_000;

export class Proposals {
  readonly #options: ProposalsOptions;
  /** From peers, since the last round. */
  #received: Uint8Array[] = [];
  #receivedBytes = 0;

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  /** False: there is no leader to give it to, or too much waits there. True: it is on its way, and may still be lost. */
  propose(payload: Uint8Array): boolean {
    const { status, append, send, group } = this.#options;
    const { role, leaderId } = status();
    if (role === "leader") return append([payload]);
    if (leaderId === "") return false;
    send(leaderId, { kind: "proposal", group, payload });
    return true;
  }

  /** A peer takes this node for the leader. What cannot be read is left out: once in the log it would stop every node. */
  received(from: NodeId, payload: Uint8Array): void {
    const { status, canRead, warnings } = this.#options;
    if (status().role !== "leader") return;
    // Dropped ones are sent again by their origin, as are those that an append does not take.
    if (this.#receivedBytes + payload.byteLength > RECEIVED_BYTES_MAX) return;
    if (!canRead(payload)) {
      warnings.warn({ peer: from }, "a peer proposed what this release cannot read: it stays out of the log");
      return;
    }
    this.#received.push(payload);
    this.#receivedBytes += payload.byteLength;
  }

  /** What came from peers since the last round goes into the log together. */
  flush(): void {
    const payloads = this.#received;
    if (payloads.length === 0) return;
    this.#received = [];
    this.#receivedBytes = 0;
    for (let at = 0; at < payloads.length; at += APPEND_ENTRIES_MAX) {
      // What is not taken is sent again by its origin.
      this.#options.append(payloads.slice(at, at + APPEND_ENTRIES_MAX));
    }
  }
}
