/** The MQTT edge on a free port with a broker that the test has in hand. */

import { SESSION_NEVER_EXPIRES } from "../../../src/commands/command.js";
import { createMqttEdge, type MqttEdge, type MqttEdgeOptions } from "../../../src/edges/mqtt/server.js";
import { SocketBudget } from "../../../src/edges/socket-budget.js";
import { systemClock } from "../../../src/runtime/clock.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import type { EdgeMetrics } from "../../../src/runtime/metrics.js";
import { seededRandom } from "../../../src/runtime/random.js";
import { NO_ENHANCED_AUTHENTICATION } from "../../../src/security/enhanced-auth.js";
import { FakeBroker } from "../../support/fake-broker.js";

/** What was counted. */
export class CountingMetrics implements EdgeMetrics {
  readonly counts = new Map<string, number>();
  readonly messagesIn = this.#count("messagesIn");
  readonly bytesIn = this.#count("bytesIn");
  readonly messagesOut = this.#count("messagesOut");
  readonly bytesOut = this.#count("bytesOut");
  readonly connections = this.#count("connections");

  refused(code: string): void {
    this.#add(`refused ${code}`, 1);
  }

  dropped(reason: string, messages: number): void {
    this.#add(`dropped ${reason}`, messages);
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  #count(name: string): { inc(by?: number): void } {
    return { inc: (by = 1) => this.#add(name, by) };
  }

  #add(name: string, by: number): void {
    this.counts.set(name, this.of(name) + by);
  }
}

export interface TestEdge {
  readonly port: number;
  readonly broker: FakeBroker;
  readonly metrics: CountingMetrics;
  readonly edge: MqttEdge;
  close(): Promise<void>;
}

export async function startEdge(
  overrides: Partial<MqttEdgeOptions> & { readonly broker?: FakeBroker } = {},
): Promise<TestEdge> {
  const { broker = new FakeBroker() } = overrides;
  const metrics = new CountingMetrics();
  const edge = createMqttEdge({
    metrics,
    logger: silentLogger,
    clock: systemClock,
    random: seededRandom(1),
    host: "127.0.0.1",
    port: 0,
    payloadBytesMax: 1024 * 1024,
    connectionsMax: 1_000,
    autoCreate: true,
    sockets: new SocketBudget(Number.POSITIVE_INFINITY),
    sessionExpirySecondsMax: SESSION_NEVER_EXPIRES,
    keepAliveSecondsMax: 65_535,
    denySubscribe: [],
    enhancedAuthentication: NO_ENHANCED_AUTHENTICATION,
    sys: { intervalMs: 0, version: "0.0.0" },
    ...overrides,
    broker,
  });
  const address = await edge.start();
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  return { port, broker, metrics, edge, close: () => edge.stop() };
}

/** Resolves once `condition` holds; rejects when it does not within 25 seconds: a busy machine is slow, and not wrong. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 25_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
