/** Port: an edge is a listener that turns bytes into commands and batches into bytes. */

/** A connected client, as GET /clients shows it. */
export interface ClientView {
  readonly id: string;
  readonly edge: "mqtt" | "sse";
  readonly address: string;
  readonly connectedAtMs: number;
  readonly subscriptions: readonly string[];
  /** Positions between the client's cursor and the head; 0 when it has no subscription. */
  readonly lag: number;
  readonly behind: boolean;
}

/** A connected client, cheap to list: what GET /clients shows of it is looked at when it is asked for. */
export interface ConnectedClient extends Pick<ClientView, "id" | "edge"> {
  view(): ClientView;
}

export interface Edge {
  /** Listens; resolves with `host:port`. Rejects with `FatalError` `port_taken` or `listen_failed`. */
  start(): Promise<string>;
  /** Takes no new connections; what is being answered goes on. */
  stopAccepting(): void;
  /** Closes every connection in the protocol's way, then the listener. */
  stop(): Promise<void>;
  clients(): readonly ConnectedClient[];
  /** Disconnects a client; false when there is none of that id. */
  kick(id: string): boolean;
}
