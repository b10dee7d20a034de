/**
 * HTTP publishes where wrk is not installed: keep-alive connections with one request each in flight, hand-written request
 * bytes, and no more parsing of an answer than its status and length.
 *
 *   run {host, port, path, connections, payloadBytes, base, measureMs} -> HttpLoadReport
 */
import type { Socket } from "node:net";
import { drainSocket } from "../lib/drain-socket.js";
import { AnswerReader } from "../lib/http-answers.js";
import { serveCommands } from "../lib/loader.js";
import { numberedPayload, SEQUENCE_AT, writeSequence } from "../lib/sequence.js";
import type { Address } from "../lib/server.js";
import { LatencyHistogram } from "../lib/statistics.js";
import { delay } from "../lib/support.js";

export interface HttpLoadArgs extends Address {
  readonly path: string;
  readonly connections: number;
  readonly payloadBytes: number;
  /** Number of the first payload. */
  readonly base: number;
  readonly measureMs: number;
}

export interface HttpLoadReport {
  /** Answered with 2xx within the time, and otherwise. */
  readonly answered: number;
  readonly refused: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function run(args: HttpLoadArgs): Promise<HttpLoadReport> {
  const latencies = new LatencyHistogram();
  const payload = Buffer.from(numberedPayload(args.base, args.payloadBytes));
  const head = `POST ${args.path} HTTP/1.1\r\nHost: ${args.host}:${args.port}\r\nContent-Type: application/json\r\nContent-Length: ${payload.length}\r\n\r\n`;
  const template = Buffer.concat([Buffer.from(head), payload]);
  const sequenceAt = head.length + SEQUENCE_AT;
  const sockets: Socket[] = [];
  let [sequence, answered, refused, running] = [args.base, 0, 0, true];

  const openConnection = async (): Promise<void> => {
    const reader = new AnswerReader();
    let sentAtMs = 0;
    const send = (): void => {
      const bytes = Buffer.from(template);
      writeSequence(bytes, sequenceAt, sequence);
      sequence += 1;
      sentAtMs = performance.now();
      socket.write(bytes);
    };
    const onBytes = (buffer: Buffer, length: number): void => {
      for (const status of reader.feed(buffer.toString("latin1", 0, length))) {
        if (!running) return;
        latencies.add(performance.now() - sentAtMs);
        if (status >= 200 && status < 300) answered += 1;
        else refused += 1;
        send();
      }
    };
    const socket = await drainSocket(args, { onBytes, onClose: () => undefined });
    sockets.push(socket);
    send();
  };

  await Promise.all(Array.from({ length: args.connections }, openConnection));
  const startedAt = performance.now();
  await delay(args.measureMs);
  running = false;
  const seconds = (performance.now() - startedAt) / 1000;
  for (const socket of sockets) socket.destroy();
  return {
    answered,
    refused,
    seconds,
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
  };
}

serveCommands({ run });
