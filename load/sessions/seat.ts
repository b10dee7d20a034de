/**
 * One client of the campaign with its store: it stays connected to the node that it is told to use, connecting again and again until it
 * is let in, and writes down when it was away and whether its session was still there.
 */
import type { ClusterNode } from "../lib/cluster-node.js";
import { delay, waitUntil } from "../lib/support.js";
import type { Violation } from "./audit.js";
import { ClientStore } from "./client-store.js";
import { type ClientEvents, type Level, StrictClient } from "./strict-client.js";

export interface SeatOptions {
  readonly name: string;
  readonly level: Level;
  readonly ackDelayMs?: () => number;
  readonly events: Omit<ClientEvents, "onClose" | "onComplaint">;
  readonly report: (violation: Violation) => void;
}

const RETRY_MS = 25;
const CONNECTED_TIMEOUT_MS = 30_000;

export class Seat {
  readonly name: string;
  readonly store = new ClientStore();
  readonly #options: SeatOptions;
  #client: StrictClient | undefined;
  #target: ClusterNode | undefined;
  #home: ClusterNode | undefined;
  #wasHere = false;
  #isLeaving = false;
  #work: Promise<void> = Promise.resolve();
  /** When the last connection was accepted, on the clock of `performance.now()`. */
  connectedAtMs = Number.NaN;
  refusals = 0;
  /** Connections on which the session of an earlier one went on. */
  resumed = 0;
  #next: (() => ClusterNode | undefined) | undefined;

  constructor(options: SeatOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The connection, while there is one. */
  get client(): StrictClient | undefined {
    return this.#client?.isOpen === true ? this.#client : undefined;
  }

  /** The node that it is connected to. */
  get home(): ClusterNode | undefined {
    return this.client === undefined ? undefined : this.#home;
  }

  /** Where it goes from now on: at once when `now`, with a goodbye, else when its connection breaks. */
  async settle(node: ClusterNode, now: boolean): Promise<void> {
    this.#target = node;
    if (!now || this.home === node) return;
    this.#isLeaving = true;
    this.#client?.disconnect();
    await this.#work;
    this.#isLeaving = false;
    this.#work = this.#stay();
    if (!(await waitUntil(() => this.home === node, CONNECTED_TIMEOUT_MS))) {
      throw new Error(`${this.name} was not let in at node ${node.id} for ${CONNECTED_TIMEOUT_MS} ms`);
    }
  }

  /** Goes from now on, at each attempt to connect, where `next` says (nowhere yet: `undefined`). */
  roam(next: () => ClusterNode | undefined): void {
    this.#next = next;
  }

  /** Ends the connection that there is, with a goodbye or without: the next one is somewhere else. */
  hop(politely: boolean): void {
    if (politely) this.#client?.disconnect();
    else this.#client?.breakOff();
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    this.#client?.disconnect();
    await this.#work;
  }

  /** One connection after another, until it leaves. */
  async #stay(): Promise<void> {
    while (!this.#isLeaving) {
      const node = this.#next === undefined ? this.#target : this.#next();
      const closed = node === undefined ? null : await this.#connect(node);
      if (closed === null) await delay(RETRY_MS);
      else await closed;
    }
  }

  /** Resolves with what resolves when the connection is over; null when it was refused. */
  async #connect(node: ClusterNode): Promise<Promise<void> | null> {
    const { name, level, events, ackDelayMs, report } = this.#options;
    let over: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      over = resolve;
    });
    try {
      const { client, sessionPresent } = await StrictClient.open(
        node.mqtt,
        {
          ...{ clientId: name, level, kept: true, clean: !this.#wasHere },
          ...(ackDelayMs === undefined ? {} : { ackDelayMs }),
        },
        this.store,
        {
          ...events,
          onClose: over,
          onComplaint: (what) => report({ kind: "protocol", detail: `node ${node.id} to ${name}: ${what}` }),
        },
      );
      if (sessionPresent !== this.#wasHere) {
        report({
          kind: "session_lost",
          detail: `${name} at node ${node.id}: session present ${sessionPresent}`,
        });
      }
      if (this.#wasHere) this.resumed += 1;
      this.#wasHere = true;
      this.#client = client;
      this.#home = node;
      this.connectedAtMs = performance.now();
      // Told to leave while it was let in: nobody else would say goodbye on this connection, and its end would be waited for for ever.
      if (this.#isLeaving) client.disconnect();
      return closed;
    } catch {
      this.refusals += 1;
      return null;
    }
  }
}
