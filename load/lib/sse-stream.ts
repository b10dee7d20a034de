/** One SSE stream, parsed; whoever wants to come back remembers the last id. */
import { request } from "node:http";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Address } from "./server.js";

export interface SseHandlers {
  readonly onEvent: (event: EventSourceMessage) => void;
  /** The stream is over; no call follows. */
  readonly onClose: () => void;
}

export interface SseStream {
  /** Stops reading the socket, and goes on. */
  pause(): void;
  resume(): void;
  close(): void;
  /** The port of our end. */
  readonly localPort: number;
}

/** Opens a stream; resolves with the answer's head. Rejects when it is not 200 (the text says what it is) or not there. */
export function openSse(
  address: Address,
  path: string,
  lastEventId: string | null,
  handlers: SseHandlers,
): Promise<SseStream> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastEventId !== null) headers["last-event-id"] = lastEventId;
  return new Promise((resolve, reject) => {
    const { host, port } = address;
    const asked = request({ host, port, path, headers, agent: false });
    asked.once("error", reject);
    asked.once("response", (response) => {
      if (response.statusCode !== 200) {
        asked.destroy();
        reject(new Error(`${path} answered ${response.statusCode}`));
        return;
      }
      const parser = createParser({ onEvent: handlers.onEvent });
      response.setEncoding("utf8");
      response.on("data", (text: string) => parser.feed(text));
      // A killed node breaks the stream: that is what "close" tells.
      response.on("error", () => undefined);
      response.once("close", handlers.onClose);
      resolve({
        pause: () => response.pause(),
        resume: () => response.resume(),
        close: () => asked.destroy(),
        localPort: asked.socket?.localPort ?? 0,
      });
    });
    asked.end();
  });
}
