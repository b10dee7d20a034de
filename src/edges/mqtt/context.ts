/** What all connections of one MQTT edge share. */
import type { Broker } from "../../broker.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { EdgeMetrics } from "../../runtime/metrics.js";
import type { Random } from "../../runtime/random.js";
import type { SocketBudget } from "../socket-budget.js";
import type { ClientRegistry } from "./client-registry.js";
import type { PublishEncoder } from "./encode-publish.js";
import type { Flusher } from "./flusher.js";
import type { TopicCache } from "./topic-cache.js";
import type { TurnBudget } from "./turn-budget.js";

/** What the node gives the edge. */
export interface MqttEdgeOptions {
  readonly broker: Broker;
  readonly metrics: EdgeMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly payloadBytesMax: number;
  /** Connected clients; a few more sockets may wait for their CONNECT. */
  readonly connectionsMax: number;
  /** Whether publishing or subscribing to a missing topic makes it. */
  readonly autoCreate: boolean;
  /** Sockets of all edges. */
  readonly sockets: SocketBudget;
}

export interface EdgeContext extends MqttEdgeOptions {
  readonly clients: ClientRegistry;
  readonly topics: TopicCache;
  /** The formats of MQTT 3.1.1: live messages, and retained ones at SUBSCRIBE. */
  readonly liveEncoder: PublishEncoder;
  readonly retainedEncoder: PublishEncoder;
  readonly flusher: Flusher;
  /** Looking through all retained messages is done here. */
  readonly turnBudget: TurnBudget;
}
