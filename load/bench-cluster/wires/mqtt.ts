/** MQTT 3.1.1 at QoS 1: a slot is the packet identifier less one. */
import { drainSocket } from "../../lib/drain-socket.js";
import { CONNACK, connectPacket, PacketReader, PUBACK, publishPacket } from "../../lib/mqtt-packets.js";
import { PublishTemplate, type Wire, type WireArgs, type WireEvents } from "./wire.js";

/** The topic of a channel. */
export function mqttTopic(channel: string): string {
  return `bench/${channel}`;
}

export async function openMqtt(args: WireArgs, events: WireEvents): Promise<Wire> {
  let connected: ((code: number) => void) | undefined;
  const reader = new PacketReader((firstByte, body) => {
    const type = firstByte >> 4;
    if (type === PUBACK) events.onAck(body.readUInt16BE(0) - 1);
    else if (type === CONNACK) connected?.(body[1] ?? 255);
  });
  const socket = await drainSocket(args, {
    onBytes: (buffer, length) => {
      reader.feed(buffer.subarray(0, length));
      events.onRead();
    },
    onClose: () => events.onFailure("the connection closed"),
  });
  const code = await new Promise<number>((resolve) => {
    connected = resolve;
    socket.write(connectPacket(`bench-${args.channel}`));
  });
  if (code !== 0) throw new Error(`CONNACK refused with ${code}`);

  // The packet as far as its payload: its length counts the payload, so it is cut from a whole one.
  const whole = publishPacket(mqttTopic(args.channel), Buffer.alloc(args.payloadBytes), 1);
  const template = new PublishTemplate(
    whole.subarray(0, whole.length - args.payloadBytes),
    args.payloadBytes,
  );
  const packetIdAt = whole.length - args.payloadBytes - 2;
  return {
    publish(slots, firstSequence) {
      const bytes = Buffer.allocUnsafe(template.size * slots.length);
      for (const [index, slot] of slots.entries()) {
        const at = index * template.size;
        template.put(bytes, at, firstSequence + index);
        bytes.writeUInt16BE(slot + 1, at + packetIdAt);
      }
      socket.write(bytes);
    },
    close: () => socket.destroy(),
  };
}
