/**
 * A socket that is only drained: all of them read into one buffer, so that a byte costs nothing but its copy out of the
 * kernel. What is read is valid until the callback returns.
 */
import { connect, type OnReadOpts, type Socket } from "node:net";
import type { Address } from "./server.js";

const sharedBuffer = Buffer.allocUnsafeSlow(1024 * 1024);

export interface DrainHandlers {
  /** The bytes lie at the front of `buffer`, `length` of them. */
  readonly onBytes: (buffer: Buffer, length: number) => void;
  readonly onClose: (error: Error | undefined) => void;
}

/** Connects; resolves once the connection is up. Rejects when it is refused. */
export function drainSocket(address: Address, handlers: DrainHandlers): Promise<Socket> {
  const onread: OnReadOpts = {
    buffer: sharedBuffer,
    callback: (length) => {
      handlers.onBytes(sharedBuffer, length);
      return true;
    },
  };
  return new Promise((resolve, reject) => {
    let failure: Error | undefined;
    const socket = connect({ host: address.host, port: address.port, noDelay: true, onread });
    socket.on("error", (error) => {
      failure = error;
      reject(error);
    });
    socket.once("close", () => handlers.onClose(failure));
    socket.once("connect", () => resolve(socket));
  });
}

/** Runs `task` for 0 to `count - 1`, `width` at a time. */
export async function inParallel(
  count: number,
  width: number,
  task: (at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      await task(at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
}
