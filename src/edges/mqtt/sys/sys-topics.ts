/**
 * What the `$SYS` topics of a node say (MQTT 5.0, 4.7.2: topics that begin with `$` are the server's own). Names are mosquitto's where it has
 * one, so that what reads its topics reads ours. "Messages" are PUBLISH packets.
 */
import type { Broker } from "../../../broker.js";
import type { Clock } from "../../../runtime/clock.js";
import type { ClientRegistry } from "../client-registry.js";
import { LoadAverages } from "./load-averages.js";
import type { TalliedMetrics, Traffic } from "./tallies.js";

export interface SysFiguresOptions {
  readonly version: string;
  readonly broker: Pick<Broker, "figures">;
  readonly heapBytes: () => number;
  readonly clients: ClientRegistry;
  readonly tallies: TalliedMetrics;
  readonly traffic: Traffic;
  readonly clock: Clock;
}

const PREFIX = "$SYS/broker/";

export class SysFigures {
  readonly #options: SysFiguresOptions;
  readonly #startMs: number;
  readonly #loads: LoadAverages;
  #connectedMax = 0;

  constructor(options: SysFiguresOptions) {
    this.#options = options;
    this.#startMs = options.clock.monotonicMs();
    this.#loads = new LoadAverages(this.#startMs);
  }

  /** What has to be looked at again and again, whether anybody asks or not. */
  sample(): void {
    const { clients, clock } = this.#options;
    this.#connectedMax = Math.max(this.#connectedMax, clients.size);
    this.#loads.sample(this.#totals(), clock.monotonicMs());
  }

  /** Topic names and payloads. */
  topics(): readonly (readonly [string, string])[] {
    const { version, clock } = this.#options;
    const uptimeSeconds = Math.floor((clock.monotonicMs() - this.#startMs) / 1000);
    const texts: (readonly [string, string])[] = [
      ["version", `jangada version ${version}`],
      ["uptime", `${uptimeSeconds} seconds`],
    ];
    const counts = { ...this.#standing(), ...this.#totals() };
    for (const [name, value] of Object.entries(counts)) texts.push([name, String(value)]);
    for (const [name, value] of this.#loads.entries()) texts.push([`load/${name}`, value]);
    return texts.map(([name, value]) => [PREFIX + name, value]);
  }

  /** What there is now. */
  #standing(): Readonly<Record<string, number>> {
    const { clients, broker, heapBytes } = this.#options;
    const node = broker.figures();
    this.#connectedMax = Math.max(this.#connectedMax, clients.size);
    let subscriptions = node.subscriptions;
    for (const client of clients.all()) subscriptions += client.subscriptions.size;
    return {
      "clients/connected": clients.size,
      "clients/disconnected": node.sessionsOffline,
      "clients/total": clients.size + node.sessionsOffline,
      "clients/maximum": this.#connectedMax,
      "subscriptions/count": subscriptions,
      "shared_subscriptions/count": node.shares,
      "retained messages/count": node.retainedMessages,
      "messages/stored": node.storedMessages,
      "store/messages/count": node.storedMessages,
      "store/messages/bytes": node.storedBytes,
      "heap/current": heapBytes(),
    };
  }

  /** What has come to so much since the start. */
  #totals(): Readonly<Record<string, number>> {
    const { tallies, traffic } = this.#options;
    return {
      "messages/received": tallies.messagesIn.value,
      "messages/sent": tallies.messagesOut.value,
      "publish/messages/received": tallies.messagesIn.value,
      "publish/messages/sent": tallies.messagesOut.value,
      "publish/messages/dropped": tallies.messagesDropped,
      "publish/bytes/received": tallies.bytesIn.value,
      "publish/bytes/sent": tallies.bytesOut.value,
      "bytes/received": traffic.bytesIn,
      "bytes/sent": traffic.bytesOut,
      connections: tallies.connections.value,
    };
  }
}
