/**
 * The HTTP edge with what it serves on WebSockets in the test's hand, and clients of it: raw bytes, or another implementation. Everything
 * is closed by `closeAll`.
 */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { expect } from "vitest";
import { WebSocket } from "ws";
import type { HttpEdgeOptions } from "../../src/edges/http/server.js";
import { type HttpHost, startHttpHost } from "./http-edge-host.js";
import { parsedResponse, RawConnection } from "./raw-http.js";
import { Opcode, type ServerFrame, serverFrames } from "./websocket-frames.js";

/** The key and the answer to it that stand in RFC 6455, 1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/** A good handshake. */
export const OPENING = {
  Host: "broker.example",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Key": KEY,
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Protocol": "mqtt",
};

export type Headers = Readonly<Record<string, string | null>>;

/** Everything that is opened, for the end of a test. */
const opened: { close(): void }[] = [];
const hosts: HttpHost[] = [];
/** Closes what a test opened. */
export async function closeAll(): Promise<void> {
  for (const one of opened.splice(0)) one.close();
  for (const host of hosts.splice(0)) await host.close();
}

/** A host that keeps the streams it serves; each ends when the client ends. */
export async function startServing(
  overrides: Partial<HttpEdgeOptions> = {},
): Promise<{ readonly host: HttpHost; readonly streams: Duplex[]; served(): Promise<Duplex> }> {
  const streams: Duplex[] = [];
  let onServed = (): void => undefined;
  const host = await startHttpHost({
    serveMqtt: (stream) => {
      stream.on("error", () => undefined);
      stream.on("end", () => stream.end());
      streams.push(stream);
      onServed();
    },
    ...overrides,
  });
  hosts.push(host);
  const served = async (): Promise<Duplex> => {
    if (streams.length === 0) {
      await new Promise<void>((resolve) => {
        onServed = resolve;
      });
    }
    return streams.at(-1)!;
  };
  return { host, streams, served };
}

export async function openRaw(host: HttpHost): Promise<RawConnection> {
  const raw = await RawConnection.open(host.port);
  opened.push(raw);
  return raw;
}

/** Sends an opening handshake with some headers changed (`null`: left out). */
export function sendOpening(raw: RawConnection, changes: Headers = {}, line = "GET /mqtt HTTP/1.1"): void {
  const headers = Object.entries({ ...OPENING, ...changes }).filter(([, value]) => value !== null);
  raw.sendHead(line, ...headers.map(([name, value]) => `${name}: ${value}`));
}

/** The answer to such a handshake. */
export async function answerTo(
  host: HttpHost,
  changes: Headers,
  line?: string,
): Promise<ReturnType<typeof parsedResponse>> {
  const raw = await openRaw(host);
  sendOpening(raw, changes, line);
  const head = await raw.until((text) => text.includes("\r\n\r\n"));
  const { status, headers } = parsedResponse(head);
  const length = Number(headers["content-length"] ?? 0);
  const text = await raw.until((all) => all.length >= all.indexOf("\r\n\r\n") + 4 + length);
  return { ...parsedResponse(text), status };
}

/** A connection on which the handshake is done. */
export async function openUpgraded(host: HttpHost): Promise<RawConnection> {
  const raw = await openRaw(host);
  sendOpening(raw);
  expect(parsedResponse(await raw.until((text) => text.endsWith("\r\n\r\n"))).status).toBe(101);
  raw.clear();
  return raw;
}

/** The frames in what a raw connection received. */
export function framesIn(text: string): ServerFrame[] {
  return serverFrames(Buffer.from(text, "latin1"));
}

/** The code of the close frame that the server sends. */
export async function closeCodeOn(raw: RawConnection): Promise<number> {
  const text = await raw.until((all) => framesIn(all).some(({ opcode }) => opcode === Opcode.Close));
  return framesIn(text).at(-1)!.payload.readUInt16BE(0);
}

/** Another implementation's client. */
export function client(host: HttpHost, protocol = "mqtt"): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${host.port}/mqtt`, protocol);
  socket.on("error", () => undefined);
  opened.push({ close: () => socket.terminate() });
  return socket;
}

/** The next bytes of a stream that nobody else reads. */
export async function bytesFrom(stream: Duplex, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  while (bytes < length) {
    const chunk: Buffer | null = stream.read();
    if (chunk === null) await once(stream, "readable");
    else {
      chunks.push(chunk);
      bytes += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}
