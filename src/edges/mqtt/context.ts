/** What all connections of one MQTT edge share. */
import type { Broker } from "../../broker.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { EdgeMetrics } from "../../runtime/metrics.js";
import type { Random } from "../../runtime/random.js";
import type { EnhancedAuthentication } from "../../security/enhanced-auth.js";
import type { SocketBudget } from "../socket-budget.js";
import type { ClientRegistry } from "./client-registry.js";
import type { DeliveryContext } from "./delivery/context.js";
import type { Flusher } from "./flusher.js";
import type { LostOpens } from "./sessions/lost-opens.js";
import type { SessionCloser } from "./sessions/session-closer.js";
import type { SysBoard } from "./sys/sys-board.js";
import type { Traffic } from "./sys/tallies.js";
import type { TopicCache } from "./topic-cache.js";

/** What the node gives the edge. */
export interface MqttEdgeOptions {
  readonly broker: Broker;
  readonly metrics: EdgeMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: string;
  /** 0 picks a free one; `null`: nobody dials in, only streams that others hand over are served. */
  readonly port: number | null;
  readonly payloadBytesMax: number;
  /** Connected clients; a few more sockets may wait for their CONNECT. */
  readonly connectionsMax: number;
  /** Whether publishing or subscribing to a missing topic makes it. */
  readonly autoCreate: boolean;
  /** Sockets of all edges. */
  readonly sockets: SocketBudget;
  /** The longest that a session outlives its connection. */
  readonly sessionExpirySecondsMax: number;
  /** The longest keep-alive; 65,535 for any, and none. */
  readonly keepAliveSecondsMax: number;
  /** Topic filters that are refused, as they are written. */
  readonly denySubscribe: readonly string[];
  readonly enhancedAuthentication: EnhancedAuthentication;
  /** `$SYS` topics: how often (0 for never), and the version that they tell. */
  readonly sys: { readonly intervalMs: number; readonly version: string };
}

export interface EdgeContext extends MqttEdgeOptions {
  readonly clients: ClientRegistry;
  readonly topics: TopicCache;
  readonly flusher: Flusher;
  readonly delivery: DeliveryContext;
  readonly closer: SessionCloser;
  readonly lostOpens: LostOpens;
  readonly traffic: Traffic;
  readonly sysBoard: SysBoard;
}
