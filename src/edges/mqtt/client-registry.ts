/** The connected clients of this node, by client id and by session: one connection each (MQTT-3.1.4-3). */
import type { Client } from "./client.js";

export class ClientRegistry {
  readonly #byId = new Map<string, Client>();
  readonly #bySession = new Map<number, Client>();
  /** Clients whose session is being opened. */
  #opening = 0;

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  /** The client of that connection of a session. */
  of(session: number, epoch: number): Client | undefined {
    const client = this.#bySession.get(session);
    return client?.session.epoch === epoch ? client : undefined;
  }

  /** Takes a place for a client whose session is going to be opened; false when there is none. One that takes over needs none. */
  takePlace(id: string, clientsMax: number): boolean {
    if (!this.#byId.has(id) && this.#byId.size + this.#opening >= clientsMax) return false;
    this.#opening += 1;
    return true;
  }

  /** What `takePlace` took: the session is open, or will not be. */
  givePlace(): void {
    this.#opening -= 1;
  }

  add(client: Client): void {
    this.#byId.set(client.id, client);
    this.#bySession.set(client.session.number, client);
  }

  /** Takes `client` out, unless another has its place by now. */
  remove(client: Client): void {
    if (this.#byId.get(client.id) === client) this.#byId.delete(client.id);
    const { number } = client.session;
    if (this.#bySession.get(number) === client) this.#bySession.delete(number);
  }

  all(): readonly Client[] {
    return [...this.#byId.values()];
  }
}
