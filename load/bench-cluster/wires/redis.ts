/**
 * Redis streams over RESP: XADD for each publish, and behind each write a WAIT for two replicas. Only that WAIT's answer acknowledges
 * what went before it, so a window goes out and comes back as one: WAIT holds the connection, and smaller parts were measured slower.
 */

import { drainSocket } from "../../lib/drain-socket.js";
import { Pieces } from "../../lib/pieces.js";
import type { Address } from "../../lib/server.js";
import { PublishTemplate, type Wire, type WireArgs, type WireEvents } from "./wire.js";

const REPLICAS = 2;
const LINE_END = "\r\n";
const DOLLAR = 36;
const COLON = 58;

/** A command as RESP. */
export function respCommand(...words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}${LINE_END}${word}${LINE_END}`);
  return Buffer.from(`*${words.length}${LINE_END}${parts.join("")}`);
}

export interface RespHandlers {
  onText(text: string): void;
  onInteger(value: number): void;
  onError(message: string): void;
}

/** Cuts answers out of bytes: bulk strings, integers, simple strings, errors. */
export class RespReader {
  readonly #handlers: RespHandlers;
  readonly #pieces = new Pieces();

  constructor(handlers: RespHandlers) {
    this.#handlers = handlers;
  }

  /** Takes the next bytes; what is left of them is copied, so `bytes` may be reused. */
  feed(bytes: Buffer): void {
    this.#pieces.feed(bytes, (data, at) => this.#take(data, at));
  }

  #take(data: Buffer, at: number): number {
    const lineEnd = data.indexOf(LINE_END, at);
    if (lineEnd < 0) return -1;
    const type = data[at];
    const line = data.toString("latin1", at + 1, lineEnd);
    if (type === DOLLAR) {
      const end = lineEnd + 2 + Number(line);
      if (end + 2 > data.length) return -1;
      this.#handlers.onText(data.toString("latin1", lineEnd + 2, end));
      return end + 2;
    }
    if (type === COLON) this.#handlers.onInteger(Number(line));
    else if (type === 43) this.#handlers.onText(line);
    else this.#handlers.onError(line);
    return lineEnd + 2;
  }
}

/** One command on a connection of its own; integers come as text. */
export async function askRedis(address: Address, ...words: readonly string[]): Promise<string> {
  let settle: ((text: string) => void) | undefined;
  let fail: ((error: Error) => void) | undefined;
  const reader = new RespReader({
    onText: (text) => settle?.(text),
    onInteger: (value) => settle?.(String(value)),
    onError: (message) => fail?.(new Error(message)),
  });
  const socket = await drainSocket(address, {
    onBytes: (buffer, length) => reader.feed(buffer.subarray(0, length)),
    onClose: () => fail?.(new Error("the connection closed")),
  });
  try {
    return await new Promise<string>((resolve, reject) => {
      settle = resolve;
      fail = reject;
      socket.write(respCommand(...words));
    });
  } finally {
    socket.destroy();
  }
}

/** An XADD as far as its payload. */
function xaddHead(channel: string, payloadBytes: number): Buffer {
  const whole = respCommand("XADD", channel, "*", "p", "x".repeat(payloadBytes));
  return whole.subarray(0, whole.length - payloadBytes - LINE_END.length);
}

export async function openRedis(args: WireArgs, events: WireEvents): Promise<Wire> {
  const batches: (readonly number[])[] = [];
  let added = 0;
  const onWaited = (replicas: number): void => {
    const batch = batches.shift();
    if (batch === undefined || added !== batch.length) events.onFailure("answers out of order");
    else if (replicas < REPLICAS) events.onFailure(`only ${replicas} replicas`);
    else for (const slot of batch) events.onAck(slot);
    added = 0;
  };
  const reader = new RespReader({
    onText: () => {
      added += 1;
    },
    onInteger: onWaited,
    onError: events.onFailure,
  });
  const socket = await drainSocket(args, {
    onBytes: (buffer, length) => {
      reader.feed(buffer.subarray(0, length));
      events.onRead();
    },
    onClose: () => events.onFailure("the connection closed"),
  });
  const template = new PublishTemplate(
    xaddHead(args.channel, args.payloadBytes),
    args.payloadBytes,
    Buffer.from(LINE_END),
  );
  const wait = respCommand("WAIT", String(REPLICAS), "0");
  return {
    publish(slots, firstSequence) {
      const bytes = Buffer.allocUnsafe(template.size * slots.length + wait.length);
      for (const index of slots.keys()) template.put(bytes, index * template.size, firstSequence + index);
      wait.copy(bytes, template.size * slots.length);
      batches.push(slots);
      socket.write(bytes);
    },
    close: () => socket.destroy(),
  };
}
