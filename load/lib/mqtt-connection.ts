/** One MQTT 3.1.1 connection that publishes at QoS 1 and tells what became of each publish. */
import { connect, type Socket } from "node:net";
import {
  CONNACK,
  connectPacket,
  disconnectPacket,
  PacketReader,
  PUBACK,
  publishPacket,
} from "./mqtt-packets.js";
import type { Address } from "./server.js";

const CONNECT_TIMEOUT_MS = 10_000;

export interface MqttPublisherHandlers {
  /** The publish with this packet identifier is acknowledged. */
  readonly onAck: (packetId: number) => void;
  /** The connection is gone; no call follows. */
  readonly onClose: () => void;
}

export class MqttPublisher {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects; rejects when the node refuses or does not answer. */
  static open(address: Address, clientId: string, handlers: MqttPublisherHandlers): Promise<MqttPublisher> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const timer = setTimeout(() => socket.destroy(new Error("no CONNACK")), CONNECT_TIMEOUT_MS);
      let open = false;
      const reader = new PacketReader((firstByte, body) => {
        const type = firstByte >> 4;
        if (type === PUBACK) handlers.onAck(body.readUInt16BE(0));
        if (type !== CONNACK) return;
        clearTimeout(timer);
        if (body[1] === 0) {
          open = true;
          resolve(new MqttPublisher(socket));
        } else socket.destroy(new Error(`CONNACK refused with ${body[1]}`));
      });
      socket.on("data", (bytes) => reader.feed(bytes));
      socket.once("error", reject);
      socket.once("close", () => {
        clearTimeout(timer);
        if (open) handlers.onClose();
        else reject(new Error("closed before CONNACK"));
      });
      socket.write(connectPacket(clientId));
    });
  }

  publish(topic: string, payload: string, packetId: number): void {
    this.#socket.write(publishPacket(topic, Buffer.from(payload), packetId));
  }

  /** Says goodbye and closes. */
  close(): void {
    this.#socket.end(disconnectPacket);
    this.#socket.destroySoon();
  }
}
