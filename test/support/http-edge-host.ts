/**
 * The real HTTP edge on a free port of 127.0.0.1 over the tests' broker (production proposer, state machine and topic brokers, no
 * disk), for what a whole node cannot be told to do: refuse, hold commits, trim, be not ready.
 */
import type { Readiness, TopicView } from "../../src/broker.js";
import { createHttpEdge, type HttpEdge, type HttpEdgeOptions } from "../../src/edges/http/server.js";
import { SocketBudget } from "../../src/edges/socket-budget.js";
import { EventIds } from "../../src/replica/event-id.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { type Logger, silentLogger } from "../../src/runtime/logger.js";
import { createMetrics } from "../../src/runtime/metrics.js";
import { FakeBroker } from "./fake-broker.js";
import { FakeCluster } from "./fake-cluster.js";

/** The tests' broker with the event ids of a node, topic counts, and a readiness in the test's hand. */
export class HttpTestBroker extends FakeBroker {
  ready: Readiness = { ready: true };
  readonly #ids = new EventIds(0, "test");

  constructor(clock: Clock = systemClock, metrics = createMetrics()) {
    super(clock, metrics);
    this.timeMs = Date.now();
  }

  override eventId(position: number): string {
    return this.#ids.format(position);
  }

  override positionOf(eventId: string): number {
    return this.#ids.parse(eventId, this.head);
  }

  override readiness(): Readiness {
    return this.ready;
  }

  override topic(name: string): TopicView | undefined {
    const topic = super.topic(name);
    if (topic === undefined) return undefined;
    const kept = this.store.messages.filter((message) => message.topic.id === topic.id);
    const bytes = kept.reduce((sum, message) => sum + message.payload.length, 0);
    return { ...topic, messages: kept.length, bytes };
  }

  override nowMs(): number {
    return this.timeMs;
  }
}

export interface HttpHost {
  readonly url: string;
  readonly port: number;
  readonly broker: HttpTestBroker;
  readonly cluster: FakeCluster;
  readonly edge: HttpEdge;
  /** What the edge logged as an error. */
  readonly errors: readonly object[];
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** Starts an edge; `overrides` change its options. */
export async function startHttpHost(
  overrides: Partial<HttpEdgeOptions> = {},
  broker = new HttpTestBroker(),
  metrics = createMetrics(),
): Promise<HttpHost> {
  const cluster = new FakeCluster(broker);
  const errors: object[] = [];
  const logger: Logger = { ...silentLogger, error: (facts) => void errors.push(facts) };
  const edge: HttpEdge = createHttpEdge({
    broker,
    cluster,
    metrics: metrics.edge("http"),
    expose: metrics.expose,
    logger,
    clock: systemClock,
    host: "127.0.0.1",
    port: 0,
    payloadBytesMax: 1024 * 1024,
    connectionsMax: 20_000,
    autoCreate: true,
    sockets: new SocketBudget(Number.POSITIVE_INFINITY),
    corsOrigins: [],
    clients: () => edge.clients(),
    kick: (id) => edge.kick(id),
    serveMqtt: (stream) => stream.destroy(),
    ...overrides,
  });
  const address = await edge.start();
  return {
    url: `http://${address}`,
    port: Number(address.slice(address.lastIndexOf(":") + 1)),
    broker,
    cluster,
    edge,
    errors,
    metrics: async () => (await metrics.expose()).text,
    close: () => edge.stop(),
  };
}
