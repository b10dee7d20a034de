/** The subscribers of the run: the crowd in processes of its own, the sampled and the stalled ones here. */

import { topicPath } from "../lib/http-client.js";
import { Loader } from "../lib/loader.js";
import { openMqttDrain } from "../lib/mqtt-drain.js";
import { MEASURED_BASE } from "../lib/sequence.js";
import type { Server } from "../lib/server.js";
import { openSse } from "../lib/sse-stream.js";
import type { StalledPlan } from "./plan.js";
import { Receiver } from "./receiver.js";

export interface Stallable {
  readonly receiver: Receiver;
  /** Of the two, the port of the server's end and of ours. */
  readonly serverPort: number;
  readonly localPort: number;
  pause(): void;
  resume(): void;
}

export interface Subscribers {
  readonly sseCrowd: Loader;
  readonly mqttCrowd: Loader;
  /** Subscribers of both together. */
  readonly crowdCount: number;
  readonly sampled: readonly Stallable[];
}

async function openSseReceiver(server: Server, topic: string, receiver: Receiver): Promise<Stallable> {
  const stream = await openSse(server.http, `${topicPath(topic)}/stream`, null, {
    onEvent: (event) => {
      if (event.event === "gap") receiver.takeGap();
      else receiver.takeText(event.data);
    },
    onClose: () => receiver.takeClose(),
  });
  const { localPort, pause, resume } = stream;
  return { receiver, serverPort: server.http.port, localPort, pause, resume };
}

async function openMqttReceiver(
  server: Server,
  topic: string,
  qos: 0 | 1,
  receiver: Receiver,
): Promise<Stallable> {
  const socket = await openMqttDrain({
    ...server.mqtt,
    clientId: receiver.name,
    filter: topic,
    qos,
    onPayload: (payload) => receiver.takeBytes(payload),
    onClose: () => receiver.takeClose(),
  });
  return {
    receiver,
    serverPort: server.mqtt.port,
    localPort: socket.localPort ?? 0,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

/** `sse` SSE and `mqtt` MQTT receivers, every second one of the latter at QoS 1. */
async function openReceivers(
  server: Server,
  topic: string,
  kind: string,
  counts: { readonly sse: number; readonly mqtt: number },
  sentAtMs: readonly number[],
): Promise<Stallable[]> {
  const opened: Stallable[] = [];
  for (let at = 0; at < counts.sse; at++) {
    const receiver = new Receiver(`${kind}-sse-${at}`, MEASURED_BASE, sentAtMs);
    opened.push(await openSseReceiver(server, topic, receiver));
  }
  for (let at = 0; at < counts.mqtt; at++) {
    const qos = at % 2 === 0 ? 0 : 1;
    const receiver = new Receiver(`${kind}-mqtt-qos${qos}-${at}`, MEASURED_BASE, sentAtMs);
    opened.push(await openMqttReceiver(server, topic, qos, receiver));
  }
  return opened;
}

/** Everybody who reads all the time. */
export async function openSubscribers(
  server: Server,
  topic: string,
  plan: StalledPlan,
  sentAtMs: readonly number[],
  cpu: number | undefined,
): Promise<Subscribers> {
  const [sseCrowd, mqttCrowd] = [await Loader.start("sse-drain", cpu), await Loader.start("mqtt-drain", cpu)];
  const sseCount = Math.max(0, plan.sse - plan.stalledSse - plan.sampledEach);
  const mqttCount = Math.max(0, plan.mqtt - plan.stalledMqtt - plan.sampledEach);
  const path = `${topicPath(topic)}/stream`;
  await sseCrowd.ask("connect", { ...server.http, path, count: sseCount, samples: 0 }, 120_000);
  const crowd = { prefix: "crowd", filter: topic, count: mqttCount, qos1: Math.min(plan.qos1, mqttCount) };
  await mqttCrowd.ask("connect", { ...server.mqtt, ...crowd }, 120_000);
  const sampledCounts = { sse: plan.sampledEach, mqtt: plan.sampledEach };
  return {
    sseCrowd,
    mqttCrowd,
    crowdCount: sseCount + mqttCount,
    sampled: await openReceivers(server, topic, "sampled", sampledCounts, sentAtMs),
  };
}

/**
 * Subscribers that do not read from the first moment on: a socket that was read for a while has grown buffers of megabytes
 * in the kernel, which would take the whole run in without the server's noticing.
 */
export async function openStallers(
  server: Server,
  topic: string,
  plan: StalledPlan,
  sentAtMs: readonly number[],
): Promise<readonly Stallable[]> {
  const counts = { sse: plan.stalledSse, mqtt: plan.stalledMqtt };
  const stallers = await openReceivers(server, topic, "stalled", counts, sentAtMs);
  for (const staller of stallers) staller.pause();
  return stallers;
}
