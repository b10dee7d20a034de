/** MQTT on WebSockets as a node wires it, both edges over brokers of tests; what a client has to say is put into frames byte by byte. */
import type { Clock } from "../../src/runtime/clock.js";
import { startEdge, type TestEdge } from "../mqtt/support/edge.js";
import type { RawConnection } from "./raw-http.js";
import { clientFrame, Opcode } from "./websocket-frames.js";
import { closeCodeOn, framesIn, openUpgraded, startServing } from "./websocket-host.js";

export interface WebSocketMqtt {
  readonly mqtt: TestEdge;
  /** An upgraded connection that has said nothing yet. */
  open(): Promise<RawConnection>;
  close(): Promise<void>;
}

/** Starts both edges; `clock` is that of MQTT. */
export async function startWebSocketMqtt(overrides: { readonly clock?: Clock } = {}): Promise<WebSocketMqtt> {
  const mqtt = await startEdge(overrides);
  const { host } = await startServing({ serveMqtt: (stream, address) => mqtt.edge.attach(stream, address) });
  return { mqtt, open: () => openUpgraded(host), close: () => mqtt.close() };
}

/** Bytes as one binary message. */
export function binary(bytes: Uint8Array): Buffer {
  return clientFrame(Opcode.Binary, bytes);
}

/** All that came in binary messages. */
export function mqttIn(text: string): Buffer {
  return Buffer.concat(
    framesIn(text).flatMap(({ opcode, payload }) => (opcode === Opcode.Binary ? [payload] : [])),
  );
}

/** Waits until the server has said that it closes, agrees to it, and waits for the end. */
export async function closedInOrder(raw: RawConnection): Promise<void> {
  await closeCodeOn(raw);
  await raw.send(clientFrame(Opcode.Close)).closed();
}
