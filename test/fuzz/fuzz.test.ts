/**
 * A slice of the fuzzing that is the same each time: every input that was kept, and some changes of them, under the same rules. What was found once stands in
 * corpus/ as well.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readCorpus } from "./corpus.js";
import { type Finding, Fuzzer } from "./fuzzer.js";
import type { Target } from "./target.js";
import { TARGETS } from "./targets.js";

/** Changed inputs a target. Whole edges cost a hundred times what a codec costs. */
const CODEC_INPUTS = 2_000;
const FILE_INPUTS = 300;
const EDGE_INPUTS = 100;
const INPUTS: Readonly<Record<string, number>> = {
  "raft-log": FILE_INPUTS,
  "message-segments": FILE_INPUTS,
  "snapshot-files": FILE_INPUTS,
  "state-store": FILE_INPUTS,
  "mqtt-connection": EDGE_INPUTS,
  websocket: EDGE_INPUTS,
  "http-server": EDGE_INPUTS,
};

describe("the kept inputs, and changes of them", () => {
  it.each(TARGETS)("$name", { timeout: 60_000 }, async ({ name, module }) => {
    const path = fileURLToPath(new URL(`./targets/${module}.ts`, import.meta.url));
    const { target } = (await import(path)) as { target: Target };
    const kept = readCorpus(name);
    expect(target.name).toBe(name);
    expect(kept.length, "npm run fuzz -- --save keeps some").toBeGreaterThan(0);
    const findings: Finding[] = [];
    const fuzzer = new Fuzzer({
      target,
      seed: 1,
      coverage: null,
      onFinding: (finding) => findings.push(finding),
    });
    await fuzzer.take([Buffer.alloc(0), ...(await target.seeds()), ...kept]);
    await fuzzer.run(INPUTS[name] ?? CODEC_INPUTS);
    target.close?.();
    expect(findings.map(({ what, input }) => `${what}: ${input.toString("base64")}`)).toEqual([]);
  });
});
