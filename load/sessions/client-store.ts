/**
 * What an MQTT client keeps when its connection breaks: its own publishes that are not done, and the identifiers of QoS 2 messages that
 * it has and that the server has not released (MQTT-4.1.0-1). A client that keeps this may expect everything exactly once.
 */

/** A publish of the client's own, under way. */
export interface Outbound {
  readonly packetId: number;
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1 | 2;
  /** PUBREC has come: what is sent again from here on is PUBREL. */
  isReceived: boolean;
}

const PACKET_IDS = 65_535;

export class ClientStore {
  /** Identifiers of QoS 2 messages received and not yet released. */
  readonly inbound = new Set<number>();
  readonly #outbound = new Map<number, Outbound>();
  #lastId = 0;

  /** In the order in which they were first sent. */
  get outbound(): readonly Outbound[] {
    return [...this.#outbound.values()];
  }

  get outboundCount(): number {
    return this.#outbound.size;
  }

  /** Keeps a new publish under an identifier that is free. */
  begin(topic: string, payload: string, qos: 1 | 2): Outbound {
    do this.#lastId = (this.#lastId % PACKET_IDS) + 1;
    while (this.#outbound.has(this.#lastId));
    const outbound = { packetId: this.#lastId, topic, payload, qos, isReceived: false };
    this.#outbound.set(outbound.packetId, outbound);
    return outbound;
  }

  underWay(packetId: number): Outbound | undefined {
    return this.#outbound.get(packetId);
  }

  end(packetId: number): void {
    this.#outbound.delete(packetId);
  }
}
