/** wrk as the source of HTTP publishes: one thread, numbered 100-byte JSON payloads through a Lua script. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HttpLoadArgs, HttpLoadReport } from "../loaders/http-load.js";
import { Child } from "./children.js";
import { findProgram } from "./paths.js";
import { numberedPayload, SEQUENCE_DIGITS } from "./sequence.js";
import { removeDirectory, temporaryDirectory } from "./support.js";

/** wrk calls `request` once before it sends anything, to look at the text: the first number is one below the base. */
function script(args: HttpLoadArgs): string {
  const payload = numberedPayload(args.base, args.payloadBytes);
  const at = payload.indexOf(String(args.base));
  const head = `POST ${args.path} HTTP/1.1\r\nHost: ${args.host}:${args.port}\r\nContent-Type: application/json\r\nContent-Length: ${payload.length}\r\n\r\n`;
  const quote = (text: string): string => JSON.stringify(text);
  return `local before = ${quote(head + payload.slice(0, at))}
local after = ${quote(payload.slice(at + SEQUENCE_DIGITS))}
local number = ${args.base - 2}
request = function()
  number = number + 1
  return before .. string.format("%d", number) .. after
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write,
    latency:percentile(50), latency:percentile(99)))
end
`;
}

interface WrkSummary {
  readonly requests: number;
  readonly microseconds: number;
  readonly refused: number;
  readonly broken: number;
  readonly p50: number;
  readonly p99: number;
}

export function hasWrk(): boolean {
  return findProgram("wrk") !== null;
}

/** Runs wrk once. Rejects when it prints no summary. */
export async function runWrk(args: HttpLoadArgs, cpu: number | undefined): Promise<HttpLoadReport> {
  const directory = temporaryDirectory("wrk");
  const file = join(directory, "publish.lua");
  writeFileSync(file, script(args));
  const seconds = Math.max(1, Math.round(args.measureMs / 1000));
  const child = await Child.start(
    "wrk",
    [
      ...["-t1", `-c${args.connections}`, `-d${seconds}s`, "--timeout", "30s", "-s", file],
      `http://${args.host}:${args.port}/`,
    ],
    { cpu },
  );
  try {
    const summary = await child.waitForLine(
      (line) => (line.startsWith("{") ? (JSON.parse(line) as WrkSummary) : undefined),
      args.measureMs + 30_000,
      "its summary",
    );
    return {
      answered: summary.requests - summary.refused,
      refused: summary.refused + summary.broken,
      seconds: summary.microseconds / 1e6,
      p50Ms: summary.p50 / 1000,
      p99Ms: summary.p99 / 1000,
    };
  } finally {
    await child.stop("SIGKILL");
    removeDirectory(directory);
  }
}
