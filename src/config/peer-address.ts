/**
 * Where nodes meet: `host:port` as it is written, and where this node listens for its peers and what they are told to dial. Pure.
 */
import { isIP } from "node:net";
import { isLoopback } from "./doors.js";
import type { ServeConfig } from "./serve-config.js";

const PORT_MAX = 65_535;
const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** Whether it is an IP address (IPv6 without brackets) or a host name. */
export function isHost(host: string): boolean {
  if (isIP(host) !== 0) return true;
  return HOST_NAME.test(host) && host.length <= 253 && !/^[\d.]+$/.test(host);
}

/** A `host:port`, taken apart. */
export interface HostAndPort {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Takes `10.0.0.1:7000`, `node-1:7000` or `[::1]:7000` apart; `undefined` when it is none of these, or the port is 0. */
export function splitPeer(text: string): HostAndPort | undefined {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^[\]]*)\]|([^[\]:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(digits);
  const isGood = bracketed === undefined ? isHost(host) : isIP(host) === 6;
  return isGood && port >= 1 && port <= PORT_MAX ? { host, port } : undefined;
}

/** The reverse of `splitPeer`. */
export function joinPeer({ host, port }: HostAndPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a `host:port` can be reached from this machine alone. */
export function isLoopbackPeer(peer: string): boolean {
  const parts = splitPeer(peer);
  return parts !== undefined && isLoopback(parts.host);
}

/** Whether it means every address of the machine, which nobody can dial. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Where this node listens for its peers. */
export interface PeerSettings {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** What the others dial; `null` when that is the address it listens on. */
  readonly advertise: string | null;
}

/** What decides about the peer listener. */
export type PeerChoices = Pick<
  ServeConfig,
  "nodeId" | "initialCluster" | "peerHost" | "peerPort" | "peerAdvertise"
>;

/**
 * Where this node listens for its peers; `null` when it has no peer listener. What is not said comes from this node's own entry in
 * `--initial-cluster`. A machine may not own the address that a name stands for (containers, NAT): a name is listened for everywhere.
 */
export function peerSettings(choices: PeerChoices): PeerSettings | null {
  const { nodeId, initialCluster, peerHost, peerPort, peerAdvertise } = choices;
  const entry = initialCluster.find(({ id }) => id === nodeId)?.peer;
  const advertise = peerAdvertise ?? entry ?? null;
  const dialled = advertise === null ? undefined : splitPeer(advertise);
  const port = peerPort ?? (entry === undefined ? undefined : splitPeer(entry)?.port);
  if (port === undefined) return null;
  return { host: peerHost ?? listenHostFor(dialled?.host), port, advertise };
}

function listenHostFor(host: string | undefined): string {
  if (host === undefined) return "127.0.0.1";
  const isOwnName = isIP(host) !== 0 || host.toLowerCase() === "localhost";
  return isOwnName ? host : "0.0.0.0";
}
