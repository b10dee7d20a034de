/**
 * Many connections that do nothing: opened as fast as the server takes them, held, and then subscribed each to a topic of its own.
 *
 *   connect {host, port, count, width} -> ConnectionsReport
 *   subscribe {width} -> ConnectionsReport
 *   state -> {closed}
 */
import type { Socket } from "node:net";
import { drainSocket, inParallel } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import { CONNACK, connectPacket, PacketReader, SUBACK, subscribePacket } from "../lib/mqtt-packets.js";
import type { Address } from "../lib/server.js";

export interface ConnectArgs extends Address {
  readonly count: number;
  /** Connections that are being opened at the same time. */
  readonly width: number;
}

export interface ConnectionsReport {
  readonly perSecond: number;
}

export interface ConnectionsState {
  readonly closed: number;
}

interface Held {
  readonly socket: Socket;
  answered: (type: number, code: number) => void;
}

const held: Held[] = [];
let closed = 0;

async function open(address: Address, at: number): Promise<void> {
  let connection: Held | undefined;
  let early: [number, number] | undefined;
  const reader = new PacketReader((firstByte, body) => {
    const answer: [number, number] = [firstByte >> 4, body.at(-1) ?? 255];
    if (connection === undefined) early = answer;
    else connection.answered(...answer);
  });
  const socket = await drainSocket(address, {
    onBytes: (buffer, length) => reader.feed(buffer.subarray(0, length)),
    onClose: () => {
      closed += 1;
      connection?.answered(0, 255);
    },
  });
  const mine: Held = { socket, answered: () => undefined };
  connection = mine;
  await answerOf(mine, CONNACK, () => socket.write(connectPacket(`connection-${at}`)), early);
  held[at] = mine;
}

/** Asks and waits for the answer; rejects when it is a refusal, or the connection ends. */
function answerOf(
  connection: Held,
  type: number,
  ask: () => void,
  early: readonly [number, number] | undefined = undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.answered = (got, code) => {
      if (got === type && code < 128) resolve();
      else reject(new Error(got === 0 ? "the connection closed" : `answer ${got} with ${code}`));
    };
    ask();
    if (early !== undefined) connection.answered(...early);
  });
}

async function timed(
  count: number,
  width: number,
  task: (at: number) => Promise<void>,
): Promise<ConnectionsReport> {
  const startedAt = performance.now();
  await inParallel(count, width, task);
  return { perSecond: count / ((performance.now() - startedAt) / 1000) };
}

serveCommands({
  connect: ({ count, width, host, port }: ConnectArgs) =>
    timed(count, width, (at) => open({ host, port }, at)),
  subscribe: ({ width }: Pick<ConnectArgs, "width">) =>
    timed(held.length, width, async (at) => {
      const connection = held[at];
      if (connection === undefined) return;
      const ask = (): void => {
        connection.socket.write(subscribePacket(`connections/${at}/state`, 1));
      };
      await answerOf(connection, SUBACK, ask);
    }),
  state: (): ConnectionsState => ({ closed }),
});
