/** The connected clients of this node by client id: one connection each (MQTT-3.1.4-2). */
import type { Client } from "./client.js";

export class ClientRegistry {
  readonly #byId = new Map<string, Client>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  add(client: Client): void {
    this.#byId.set(client.id, client);
  }

  /** Takes `client` out, unless another has its id by now. */
  remove(client: Client): void {
    if (this.#byId.get(client.id) === client) this.#byId.delete(client.id);
  }

  all(): readonly Client[] {
    return [...this.#byId.values()];
  }
}
