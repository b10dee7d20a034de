/** The MQTT edge of a life: the production code without a listener, serving the streams that clients of the simulation make. */
import type { Broker } from "../../src/broker.js";
import { SESSION_NEVER_EXPIRES } from "../../src/commands/command.js";
import { createMqttEdge, type MqttEdge } from "../../src/edges/mqtt/server.js";
import { SocketBudget } from "../../src/edges/socket-budget.js";
import type { Clock } from "../../src/runtime/clock.js";
import { silentLogger } from "../../src/runtime/logger.js";
import type { EdgeMetrics } from "../../src/runtime/metrics.js";
import type { Random } from "../../src/runtime/random.js";
import { NO_ENHANCED_AUTHENTICATION } from "../../src/security/enhanced-auth.js";

const UNCOUNTED = { inc: () => undefined };
const SILENT_EDGE: EdgeMetrics = {
  messagesIn: UNCOUNTED,
  bytesIn: UNCOUNTED,
  messagesOut: UNCOUNTED,
  bytesOut: UNCOUNTED,
  connections: UNCOUNTED,
  refused: () => undefined,
  dropped: () => undefined,
};

export interface SimEdgeOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  /** The edge logged an error: nothing that a client does may bring that about. */
  readonly onError: (text: string, error: unknown) => void;
}

export function createSimEdge({ broker, clock, random, onError }: SimEdgeOptions): MqttEdge {
  const error = (facts: object, text: string): void =>
    "err" in facts
      ? onError(`${text}: ${String(facts.err)}`, facts.err)
      : onError(`${text}: ${JSON.stringify(facts)}`, null);
  return createMqttEdge({
    broker,
    metrics: SILENT_EDGE,
    logger: { ...silentLogger, error },
    clock,
    random,
    host: "",
    port: null,
    payloadBytesMax: 1 << 20,
    connectionsMax: 1_000,
    autoCreate: true,
    sockets: new SocketBudget(1_000),
    sessionExpirySecondsMax: SESSION_NEVER_EXPIRES,
    keepAliveSecondsMax: 65_535,
    denySubscribe: [],
    enhancedAuthentication: NO_ENHANCED_AUTHENTICATION,
    sys: { intervalMs: 0, version: "0.0.0" },
  });
}
