/** The built program as a child process, and a stand-in for a node that answers what a test tells it to. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The built program. */
export const PROGRAM = fileURLToPath(new URL("../../dist/src/cli/jangada.js", import.meta.url));

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Record<string, string>;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Starts the program with none of this process's `JANGADA_` variables. */
export function start(
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcessWithoutNullStreams {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("JANGADA_"));
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Everything a child says until it ends. */
export async function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

/** Runs the program to its end. */
export async function run(
  args: readonly string[],
  { input = "", env = {} }: RunOptions = {},
): Promise<Outcome> {
  const child = start(args, env);
  // A program that does not read its input closes the pipe.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return await outcomeOf(child);
}

/** Resolves with all of a stream so far once it contains `wanted`; rejects when it ends without. */
export async function saying(stream: Readable, wanted: string): Promise<string> {
  let said = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (said.includes(wanted)) return said;
  }
  throw new Error(`ended without saying ${JSON.stringify(wanted)}: ${said}`);
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface StandIn {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

/** Listens on a free port, or on `port` again, and lets `answer` reply; `number` counts requests from 1. */
export async function standIn(
  answer: (request: SeenRequest, response: ServerResponse, number: number) => void,
  port = 0,
): Promise<StandIn> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const whole: SeenRequest = { method, url, headers, body: Buffer.concat(chunks) };
      seen.push(whole);
      answer(whole, response, seen.length);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound.port}`,
    seen,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers JSON. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** Answers problem+json. */
export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  headers: Record<string, string> = {},
): void {
  const type = { "content-type": "application/problem+json" };
  response.writeHead(status, { ...type, ...headers }).end(JSON.stringify({ status, code, detail }));
}
