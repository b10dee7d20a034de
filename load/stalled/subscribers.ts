/** Opens the subscribers of the run: the crowd in processes of their own, the sampled and the stalled ones here. */

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
  pause(): void;
  resume(): void;
}

export interface Subscribers {
  readonly sseCrowd: Loader;
  readonly mqttCrowd: Loader;
  /** Subscribers of both together. */
  readonly crowdCount: number;
  readonly sampled: readonly Stallable[];
  readonly stallers: readonly Stallable[];
}

async function openSseReceiver(server: Server, topic: string, receiver: Receiver): Promise<Stallable> {
  const stream = await openSse(server.http, `${topicPath(topic)}/stream`, null, {
    onEvent: (event) => {
      if (event.event === "gap") receiver.takeGap();
      else receiver.takeText(event.data);
    },
    onClose: () => receiver.takeClose(),
  });
  return { receiver, pause: () => stream.pause(), resume: () => stream.resume() };
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
  const stalledCounts = { sse: plan.stalledSse, mqtt: plan.stalledMqtt };
  return {
    sseCrowd,
    mqttCrowd,
    crowdCount: sseCount + mqttCount,
    sampled: await openReceivers(server, topic, "sampled", sampledCounts, sentAtMs),
    stallers: await openReceivers(server, topic, "stalled", stalledCounts, sentAtMs),
  };
}
