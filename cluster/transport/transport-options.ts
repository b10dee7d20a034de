/**
 * What the TCP transport is made with, and its ceilings: the numbers are here, with their reasons, so that they can be judged side by
 * side.
 */
import type { NodeId } from "../types.js";
import type { Admit, PeerIdentity, RefusalCode } from "./handshake.js";
import type { Lane } from "./transport.js";

/** Time for the transport; `after` and `every` give what cancels them and need not keep the process alive. */
export interface Ticker {
  /** Never goes back; milliseconds. */
  monotonicMs(): number;
  after(delayMs: number, task: () => void): () => void;
  every(periodMs: number, task: () => void): () => void;
}

/** How long what may take. */
export interface TransportTimings {
  /** How often deadlines are looked at. */
  readonly tickMs: number;
  /** A ping on each link. Five fit into the silence that ends one. */
  readonly pingMs: number;
  /**
   * A link on which nothing is heard for so long is dialled anew: after a partition TCP's own next attempt may be many seconds away. No
   * shorter than the longest stall that a busy node may have.
   */
  readonly silenceMs: number;
  /** An accepted connection may be silent longer: it is the dialer's to renew. */
  readonly acceptedSilenceMs: number;
  /** For the connection alone. */
  readonly connectMs: number;
  /** From the connection to the end of the handshake, as the acceptor grants it. */
  readonly handshakeMs: number;
  /** Between the beginnings of two attempts: doubling from the first to the second, less up to half by chance. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** The same after a refusal, which time alone seldom mends. */
  readonly refusedMinMs: number;
  readonly refusedMaxMs: number;
}

export const DEFAULT_TIMINGS: TransportTimings = Object.freeze({
  tickMs: 100,
  pingMs: 200,
  silenceMs: 1_000,
  acceptedSilenceMs: 3_000,
  connectMs: 500,
  handshakeMs: 5_000,
  backoffMinMs: 20,
  backoffMaxMs: 500,
  refusedMinMs: 500,
  refusedMaxMs: 2_000,
});

/**
 * Bytes that may wait in a lane. Control: thousands of heartbeats, none is worth more. Entries: several appends of the largest kind in
 * flight beside forwarded proposals. Bulk: a few chunks of a snapshot, which are asked for one by one.
 */
export const LANE_BYTES_MAX: Readonly<Record<Lane, number>> = Object.freeze({
  control: 4 * 1024 * 1024,
  entries: 64 * 1024 * 1024,
  bulk: 32 * 1024 * 1024,
});

/** Connections that have not proved anything yet; past it the oldest goes, so that idle strangers cannot lock a peer out. */
export const HANDSHAKES_MAX = 64;

export interface TcpTransportOptions {
  /** This node. */
  readonly id: NodeId;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** `host:port` that others are told to dial; `null` for the one that is listened on. */
  readonly advertise: string | null;
  /** What this node is at present; asked for each handshake, because joining and founding change it. */
  readonly identity: () => { readonly clusterId: string; readonly tag: string };
  /** Shared by all nodes of the cluster; empty for none. */
  readonly secret: Uint8Array;
  /** Decides on who has proved to know the secret, dialing or dialled. */
  readonly admit: Admit;
  /** After each completed handshake in either direction: six per peer, and more after each reconnect. */
  readonly onMet: (peer: PeerIdentity) => void;
  /** A peer that has proved to know the secret refuses this node (or neither side could prove it: `peer_unauthorized`). Told again while it lasts. */
  readonly onRefused: (peer: NodeId, code: RefusalCode, text: string) => void;
  readonly ticker: Ticker;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Something that an operator should know, at a bounded rate. */
  readonly onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => void;
  /** Other times than `DEFAULT_TIMINGS`. */
  readonly timings?: Partial<TransportTimings>;
}
