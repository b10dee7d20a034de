/** MQTT.js clients of one specification: opened as applications open them, with what they receive collected, and all closed in the end. */
import { EventEmitter, once } from "node:events";
import mqtt, { type IClientOptions, type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import type { Address } from "../../lib/server.js";
import { waitUntil } from "../../lib/support.js";

/** 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type Version = 4 | 5;

export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly properties: NonNullable<IPublishPacket["properties"]>;
}

const PATIENCE_MS = 20_000;

/** One client, and everything that came to it. */
export class Client {
  readonly mqtt: MqttClient;
  readonly received: Received[] = [];
  readonly connacks: IConnackPacket[] = [];
  readonly #changes = new EventEmitter();

  constructor(client: MqttClient) {
    this.mqtt = client;
    client.on("connect", (connack) => {
      this.connacks.push(connack);
      this.#changes.emit("change");
    });
    client.on("message", (topic, payload, { qos, retain, dup, properties = {} }) => {
      this.received.push({ topic, payload: payload.toString(), qos, retain, dup, properties });
      this.#changes.emit("change");
    });
    // What befalls a client is told by what it does not receive; an error that nobody hears would end the program.
    client.on("error", () => undefined);
  }

  /** The CONNACK of the last connection. */
  get connack(): IConnackPacket {
    const last = this.connacks.at(-1);
    if (last === undefined) throw new Error("there was no CONNACK");
    return last;
  }

  get payloads(): readonly string[] {
    return this.received.map(({ payload }) => payload);
  }

  /** Waits for the message with this payload, and gives it. */
  async message(payload: string): Promise<Received> {
    const find = (): Received | undefined => this.received.find((one) => one.payload === payload);
    await this.#until(() => find() !== undefined, `a message "${payload}"`);
    const found = find();
    if (found === undefined) throw new Error(`no message "${payload}"`);
    return found;
  }

  /** Waits until so many messages have come. */
  async messages(count: number): Promise<readonly Received[]> {
    await this.#until(() => this.received.length >= count, `${count} messages`);
    return this.received;
  }

  /** Waits until it has been connected so many times. */
  async connected(times: number): Promise<void> {
    await this.#until(() => this.connacks.length >= times, `connection ${times}`);
  }

  /** Breaks the connection off, as a network does. */
  breakOff(): void {
    this.mqtt.stream.destroy();
  }

  async #until(isDone: () => boolean, what: string): Promise<void> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    while (!isDone()) {
      await once(this.#changes, "change", { signal }).catch(() => {
        throw new Error(`${what} did not come; received: ${this.payloads.join(", ") || "nothing"}`);
      });
    }
  }
}

let lastName = 0;

/** What a specification gets in hand. */
export class Clients {
  readonly version: Version;
  readonly #address: Address;
  readonly #clients: Client[] = [];
  readonly #scope: string;

  constructor(address: Address, version: Version) {
    this.version = version;
    this.#address = address;
    lastName += 1;
    this.#scope = `session-${process.pid}-${lastName}`;
  }

  /** A topic, filter or client identifier that no other specification uses. */
  name(rest: string): string {
    return `${this.#scope}/${rest}`;
  }

  /** Opens a client and waits for its CONNACK. Without other options its session ends with its connection. */
  async open(options: IClientOptions = {}): Promise<Client> {
    const client = this.start({ reconnectPeriod: 0, ...options });
    const refusal = refused(client.mqtt);
    // A connection that is closed later is no refusal.
    refusal.catch(() => undefined);
    await Promise.race([client.connected(1), refusal]);
    return client;
  }

  /** Opens a client and does not wait. */
  start(options: IClientOptions): Client {
    const { host, port } = this.#address;
    const client = new Client(
      mqtt.connect({
        ...{ host, port, protocol: "mqtt" as const, protocolVersion: this.version },
        ...options,
      }),
    );
    this.#clients.push(client);
    return client;
  }

  /** Does not wait: of a client whose connection was closed before, nothing tells the end. */
  close(): void {
    for (const { mqtt: client } of this.#clients) client.end(true);
  }
}

/** Rejects when the connection is closed before it is accepted, with the server's reason where it gave one. */
function refused(client: MqttClient): Promise<never> {
  return new Promise((_, reject) => {
    client.once("error", reject);
    client.once("close", () => reject(new Error("the connection was closed before CONNACK")));
  });
}

/** Publishes all of them, as fast as the client takes them; resolves when all are acknowledged. */
export function publishAll(
  { mqtt: client }: Client,
  topic: string,
  payloads: readonly string[],
  qos: 1 | 2,
): Promise<unknown> {
  const all = Promise.all(payloads.map((payload) => client.publishAsync(topic, payload, { qos })));
  // Whoever waits for something else first must not die of a refusal meanwhile.
  all.catch(() => undefined);
  return all;
}

/** Waits for what no event tells. */
export async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  if (!(await waitUntil(isTrue, PATIENCE_MS))) throw new Error(`${what}: never came true`);
}
