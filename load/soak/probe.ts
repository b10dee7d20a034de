/**
 * Runs inside the node that lives longest, loaded before the product (`node --expose-gc --import`): at SIGUSR2 it throws away what is
 * garbage and prints one line of what is left. What is measured is what is held, whenever V8 would have cared to collect.
 */
import { readFileSync } from "node:fs";
import { MEMORY_LINE, type Memory } from "./memory.js";

const MIB = 1024 * 1024;

/** Pages that are no file's: those of lmdb's map come and go with the cache of the system. */
function anonymousMiB(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function measure(): Memory {
  const { heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    heapMiB: heapUsed / MIB,
    buffersMiB: external / MIB,
    outsideMiB: anonymousMiB() - heapTotal / MIB,
    resources: process.getActiveResourcesInfo().length,
  };
}

process.on("SIGUSR2", () => {
  globalThis.gc?.();
  // What the first collection finalised gives its buffers back now, and the second takes what held on to them.
  setImmediate(() => {
    globalThis.gc?.();
    process.stdout.write(`${JSON.stringify({ msg: MEMORY_LINE, ...measure() })}\n`);
  });
});
