/** AMQP 0-9-1 with publisher confirms, into a quorum queue that the connection's own node leads. */
import type { Socket } from "node:net";
import { drainSocket } from "../../lib/drain-socket.js";
import type { Address } from "../../lib/server.js";
import {
  AmqpReader,
  longText,
  methodFrame,
  octets,
  PROTOCOL_HEADER,
  PUBLISH_TAIL,
  publishHead,
  shortText,
  table,
  uint16,
  uint32,
} from "./amqp-frames.js";
import { PublishTemplate, type Wire, type WireArgs, type WireEvents } from "./wire.js";

const CONNECTION = 10;
const CHANNEL = 20;
const QUEUE = 50;
const BASIC = 60;
const CONFIRM = 85;
const CLOSE_OF = new Map([
  [CONNECTION, 50],
  [CHANNEL, 40],
]);
const FRAME_BYTES_MAX = 131_072;
const ANSWER_TIMEOUT_MS = 20_000;
const DURABLE = 2;
const PASSIVE = 1;

interface AmqpEvents {
  /** Any method that answers no request of ours. */
  onMethod(classId: number, methodId: number, args: Buffer): void;
  onRead(): void;
  onFailure(reason: string): void;
}

/** A connection with one channel, number 1. */
class AmqpConnection {
  readonly socket: Socket;
  #awaited: { readonly classId: number; readonly methodId: number; take(args: Buffer): void } | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(address: Address, events: AmqpEvents): Promise<AmqpConnection> {
    let connection: AmqpConnection | undefined;
    const reader = new AmqpReader((classId, methodId, args) => {
      if (connection?.answered(classId, methodId, args) === true) return;
      if (CLOSE_OF.get(classId) === methodId) {
        events.onFailure(`closed: ${args.toString("latin1", 3, 3 + (args[2] ?? 0))}`);
      } else events.onMethod(classId, methodId, args);
    });
    const socket = await drainSocket(address, {
      onBytes: (buffer, length) => {
        reader.feed(buffer.subarray(0, length));
        events.onRead();
      },
      onClose: () => events.onFailure("the connection closed"),
    });
    const opened = new AmqpConnection(socket);
    connection = opened;
    await opened.#shakeHands();
    return opened;
  }

  /** Sends a frame and waits for the method that answers it. */
  ask(bytes: Buffer, classId: number, methodId: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`AMQP: no method ${classId}.${methodId}`)),
        ANSWER_TIMEOUT_MS,
      );
      const take = (args: Buffer): void => {
        clearTimeout(timer);
        resolve(Buffer.from(args));
      };
      this.#awaited = { classId, methodId, take };
      this.socket.write(bytes);
    });
  }

  /** Whether that is what the open request waits for. */
  answered(classId: number, methodId: number, args: Buffer): boolean {
    const awaited = this.#awaited;
    if (awaited?.classId !== classId || awaited.methodId !== methodId) return false;
    this.#awaited = undefined;
    awaited.take(args);
    return true;
  }

  async #shakeHands(): Promise<void> {
    await this.ask(PROTOCOL_HEADER, CONNECTION, 10);
    const login = [table({}), shortText("PLAIN"), longText("\0guest\0guest"), shortText("en_US")];
    await this.ask(methodFrame(0, CONNECTION, 11, ...login), CONNECTION, 30);
    // No heartbeats: the run is short and its end is a closed socket.
    this.socket.write(methodFrame(0, CONNECTION, 31, uint16(1), uint32(FRAME_BYTES_MAX), uint16(0)));
    const open = [shortText("/"), shortText(""), octets(0)];
    await this.ask(methodFrame(0, CONNECTION, 40, ...open), CONNECTION, 41);
    await this.ask(methodFrame(1, CHANNEL, 10, shortText("")), CHANNEL, 11);
  }

  /** Declares the queue, or only asks for it; gives its number of messages. */
  async declare(queue: string, flags: number): Promise<number> {
    const args = [
      uint16(0),
      shortText(queue),
      octets(flags),
      table(flags === PASSIVE ? {} : { "x-queue-type": "quorum" }),
    ];
    const answer = await this.ask(methodFrame(1, QUEUE, 10, ...args), QUEUE, 11);
    return answer.readUInt32BE(1 + (answer[0] ?? 0));
  }

  async delete(queue: string): Promise<void> {
    await this.ask(methodFrame(1, QUEUE, 40, uint16(0), shortText(queue), octets(0)), QUEUE, 41);
  }
}

const SILENT: AmqpEvents = {
  onMethod: () => undefined,
  onRead: () => undefined,
  onFailure: () => undefined,
};

/** How many messages a queue holds; it is deleted when `andDelete` says so. */
export async function countQueue(address: Address, queue: string, andDelete: boolean): Promise<number> {
  const connection = await AmqpConnection.open(address, SILENT);
  try {
    const count = await connection.declare(queue, PASSIVE);
    if (andDelete) await connection.delete(queue);
    return count;
  } finally {
    connection.socket.destroy();
  }
}

/** Which slot each delivery tag went with. Tags count up from 1 on a channel; an acknowledgement may cover all up to its own. */
export class DeliveryTags {
  readonly #slots: Int32Array;
  #last = 0;
  #oldestOpen = 1;

  /** `window` tags are open at most, but a late one may lie far behind the newest. */
  constructor(window: number) {
    this.#slots = new Int32Array(Math.max(1024, window * 16)).fill(-1);
  }

  add(slot: number): void {
    this.#last += 1;
    this.#slots[this.#last % this.#slots.length] = slot;
  }

  /** Calls `onSlot` for each slot that an acknowledgement covers. */
  settle(tag: number, multiple: boolean, onSlot: (slot: number) => void): void {
    if (multiple) for (let open = this.#oldestOpen; open < tag; open++) this.#free(open, onSlot);
    this.#free(tag, onSlot);
    while (this.#oldestOpen <= this.#last && this.#slots[this.#oldestOpen % this.#slots.length] === -1) {
      this.#oldestOpen += 1;
    }
  }

  #free(tag: number, onSlot: (slot: number) => void): void {
    const at = tag % this.#slots.length;
    const slot = this.#slots[at] ?? -1;
    if (slot < 0) return;
    this.#slots[at] = -1;
    onSlot(slot);
  }
}

export async function openAmqp(args: WireArgs, events: WireEvents): Promise<Wire> {
  const tags = new DeliveryTags(args.window);
  const onMethod = (classId: number, methodId: number, body: Buffer): void => {
    if (classId !== BASIC) return;
    if (methodId !== 80) events.onFailure(`method ${classId}.${methodId} in place of an acknowledgement`);
    else tags.settle(body.readUInt32BE(4), body[8] === 1, events.onAck);
  };
  const { onRead, onFailure } = events;
  const connection = await AmqpConnection.open(args, { onMethod, onRead, onFailure });
  await connection.declare(args.channel, DURABLE);
  await connection.ask(methodFrame(1, CONFIRM, 10, octets(0)), CONFIRM, 11);
  const head = publishHead(1, args.channel, args.payloadBytes);
  const template = new PublishTemplate(head, args.payloadBytes, PUBLISH_TAIL);
  return {
    publish(slots, firstSequence) {
      const bytes = Buffer.allocUnsafe(template.size * slots.length);
      for (const [index, slot] of slots.entries()) {
        template.put(bytes, index * template.size, firstSequence + index);
        tags.add(slot);
      }
      connection.socket.write(bytes);
    },
    close: () => connection.socket.destroy(),
  };
}
