/**
 * MQTT subscribers that only drain, some of them at QoS 1 with acknowledgements.
 *
 *   connect {host, port, prefix, filter, count, qos1}   until every subscription is granted
 *   report {} -> MqttDrainReport
 */
import { inParallel } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import { openMqttDrain } from "../lib/mqtt-drain.js";
import type { Address } from "../lib/server.js";

export interface MqttDrainArgs extends Address {
  /** Of the client ids. */
  readonly prefix: string;
  readonly filter: string;
  readonly count: number;
  /** How many of them subscribe at QoS 1. */
  readonly qos1: number;
}

export interface MqttDrainReport {
  readonly bytes: number;
  readonly closed: number;
}

const CONNECTS_AT_ONCE = 50;
let bytes = 0;
let closed = 0;

async function open(args: MqttDrainArgs, at: number): Promise<void> {
  const { host, port, prefix, filter, qos1 } = args;
  const acknowledges = at < qos1;
  await openMqttDrain({
    host,
    port,
    clientId: `${prefix}-${at}`,
    filter,
    qos: acknowledges ? 1 : 0,
    onPayload: acknowledges ? () => undefined : undefined,
    onBytes: (length) => {
      bytes += length;
    },
    onClose: () => {
      closed += 1;
    },
  });
}

serveCommands({
  connect: (args: MqttDrainArgs) => inParallel(args.count, CONNECTS_AT_ONCE, (at) => open(args, at)),
  report: (): MqttDrainReport => ({ bytes, closed }),
});
