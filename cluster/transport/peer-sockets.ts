/**
 * The real network under the peer transport, and the only file that opens sockets there. TLS between peers goes here: both functions
 * give plain streams of bytes, and nobody above would notice.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { ClusterError } from "../errors.js";

/** A connection between two nodes. */
export type PeerSocket = Socket;

/** Where others connect to. */
export interface PeerServer {
  /** `host:port` that is listened on. */
  readonly address: string;
  /** Takes no more connections; resolves when all that it took are gone. */
  close(): Promise<void>;
}

/** `host:port` or `[v6]:port` taken apart; `null` when it is neither. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:[\]]+)):([0-9]{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) return null;
  return { host, port };
}

/** `host:port`, with brackets around a host of IPv6. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Begins to connect; the socket tells by events how it goes. */
export function connectToPeer(host: string, port: number): PeerSocket {
  return connect({ host, port, noDelay: true });
}

/** Listens for peers; port 0 picks a free one. Rejects with `peer_port_taken` or `peer_listen_failed`. */
export function listenForPeers(
  host: string,
  port: number,
  onSocket: (socket: PeerSocket) => void,
  onError: (error: Error) => void,
): Promise<PeerServer> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, onSocket);
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      server.on("error", onError);
      resolve({ address: boundAddress(server), close: () => closed(server) });
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function boundAddress(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") {
    throw new ClusterError("peer_listen_failed", "the listener for peers has no address");
  }
  return formatAddress(bound.address, bound.port);
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ClusterError {
  if (error.code === "EADDRINUSE") {
    const text = `peer port ${port} on ${host} is taken: end the other process or choose another port with --peer-port`;
    return new ClusterError("peer_port_taken", text, { cause: error });
  }
  const text = `cannot listen for peers on ${host}:${port}: ${error.message}; look at --peer-host and --peer-port`;
  return new ClusterError("peer_listen_failed", text, { cause: error });
}
