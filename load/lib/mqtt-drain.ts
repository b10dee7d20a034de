/**
 * MQTT subscribers that only drain. Those that are parsed count numbered payloads and acknowledge QoS 1; of the others
 * only the bytes are counted, which is enough where every packet has the same length.
 */
import type { Socket } from "node:net";
import { drainSocket } from "./drain-socket.js";
import {
  CONNACK,
  connectPacket,
  PacketReader,
  PUBLISH,
  pubackPacket,
  readPublish,
  SUBACK,
  subscribePacket,
} from "./mqtt-packets.js";
import type { Address } from "./server.js";

export interface MqttDrainOptions extends Address {
  readonly clientId: string;
  readonly filter: string;
  readonly qos: 0 | 1;
  /** Called with the payload of every PUBLISH (a view that is valid during the call); left out: bytes are only counted. */
  readonly onPayload?: ((payload: Buffer) => void) | undefined;
  /** Called with every number of bytes read after the SUBACK. */
  readonly onBytes?: ((length: number) => void) | undefined;
  readonly onClose: (error: Error | undefined) => void;
}

/** Connects and subscribes; resolves when the subscription is granted. A subscriber of QoS 1 needs `onPayload`. */
export function openMqttDrain(options: MqttDrainOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined;
    let granted = false;
    const acknowledgements: Buffer[] = [];
    const onPacket = (firstByte: number, body: Buffer): void => {
      const type = firstByte >> 4;
      if (type === CONNACK) {
        if (body[1] === 0) socket?.write(subscribePacket(options.filter, options.qos));
        else reject(new Error(`CONNACK refused with ${body[1]}`));
      } else if (type === SUBACK) {
        granted = body[2] === options.qos;
        if (granted && socket !== undefined) resolve(socket);
        else reject(new Error(`SUBACK granted ${body[2]}`));
      } else if (type === PUBLISH) {
        const publish = readPublish(firstByte, body);
        options.onPayload?.(body.subarray(publish.payloadAt));
        if (publish.qos === 1) acknowledgements.push(pubackPacket(publish.packetId));
      }
    };
    const reader = new PacketReader(onPacket);
    const onBytes = (buffer: Buffer, length: number): void => {
      if (granted) options.onBytes?.(length);
      if (granted && options.onPayload === undefined) return;
      reader.feed(buffer.subarray(0, length));
      if (acknowledgements.length > 0) socket?.write(Buffer.concat(acknowledgements.splice(0)));
    };
    drainSocket(options, { onBytes, onClose: options.onClose }).then((connected) => {
      socket = connected;
      connected.write(connectPacket(options.clientId));
    }, reject);
  });
}
