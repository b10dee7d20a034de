/**
 * Subscribers of the HTTP benchmark: N SSE streams in one process that only drains. A few are parsed completely: they
 * prove that deliveries happen, without loss and in one order for all.
 *
 *   connect {host, port, path, count, samples}   until every stream has answered 200
 *   begin {base}                                 counts anew; payload numbers below `base` do not count
 *   report {} -> SseDrainReport
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createParser } from "eventsource-parser";
import { drainSocket, inParallel } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import { type SequenceReport, SequenceTally, sequenceIn } from "../lib/sequence.js";
import type { Address } from "../lib/server.js";

export interface SseDrainReport {
  /** Bytes that the streams that are only drained have read, and how many streams those are. */
  readonly drainedBytes: number;
  readonly drainedStreams: number;
  /** Bytes that the parsed streams have read, all together. */
  readonly sampledBytes: number;
  readonly samples: readonly SequenceReport[];
  /** Streams that were closed from the other side. */
  readonly closed: number;
}

interface ConnectArgs extends Address {
  readonly path: string;
  readonly count: number;
  readonly samples: number;
}

const CONNECTS_AT_ONCE = 50;
const tallies: SequenceTally[] = [];
const sampledRequests: ClientRequest[] = [];
let drainedBytes = 0;
let drainedStreams = 0;
let sampledBytesBefore = 0;
let closed = 0;

function sampledBytesNow(): number {
  return sampledRequests.reduce((sum, sampled) => sum + (sampled.socket?.bytesRead ?? 0), 0);
}

function readStream(response: IncomingMessage, tally: SequenceTally): void {
  const parser = createParser({ onEvent: (event) => tally.add(sequenceIn(event.data)) });
  response.setEncoding("utf8");
  response.on("data", (text: string) => parser.feed(text));
  response.once("close", () => {
    closed += 1;
  });
}

function openSampled(args: ConnectArgs): Promise<void> {
  return new Promise((resolve, reject) => {
    const { host, port, path } = args;
    const opened = request({ host, port, path, headers: { accept: "text/event-stream" }, agent: false });
    opened.once("error", reject);
    opened.once("response", (response) => {
      if (response.statusCode !== 200) return reject(new Error(`stream answered ${response.statusCode}`));
      const tally = new SequenceTally();
      tallies.push(tally);
      sampledRequests.push(opened);
      readStream(response, tally);
      resolve();
    });
    opened.end();
  });
}

function openDrained(args: ConnectArgs): Promise<void> {
  const head = `GET ${args.path} HTTP/1.1\r\nHost: ${args.host}:${args.port}\r\nAccept: text/event-stream\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let answered = false;
    const onBytes = (buffer: Buffer, length: number): void => {
      drainedBytes += length;
      if (answered) return;
      answered = true;
      const status = buffer.toString("latin1", 0, Math.min(length, 12));
      if (status !== "HTTP/1.1 200") reject(new Error(`stream answered ${status}`));
      drainedStreams += 1;
      resolve();
    };
    const onClose = (): void => {
      closed += 1;
    };
    drainSocket(args, { onBytes, onClose }).then((socket) => socket.write(head), reject);
  });
}

serveCommands({
  connect: async (args: ConnectArgs) => {
    const samples = Math.min(args.samples, args.count);
    await inParallel(args.count, CONNECTS_AT_ONCE, (at) =>
      at < samples ? openSampled(args) : openDrained(args),
    );
  },
  begin: ({ base }: { readonly base: number }) => {
    for (const tally of tallies) tally.begin(base);
    drainedBytes = 0;
    sampledBytesBefore = sampledBytesNow();
  },
  report: (): SseDrainReport => ({
    drainedBytes,
    drainedStreams,
    sampledBytes: sampledBytesNow() - sampledBytesBefore,
    samples: tallies.map((tally) => tally.report()),
    closed,
  }),
});
