/** The fuzzer finds what was put there to be found, and what it is led by is what finds it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CampaignResult, runCampaign } from "./campaign.js";
import { repositoryRoot } from "./corpus.js";
import { Coverage } from "./coverage.js";
import { type Finding, Fuzzer } from "./fuzzer.js";
import { instrument } from "./instrument.js";
import type { Target } from "./target.js";

/** Five bytes behind five branches: one input in 2^40 at random. */
const NESTED = `
function decode(bytes) {
  if ((bytes[0] ^ 0x35) !== 0x7f) return 0;
  if (((bytes[1] * 3) & 0xff) !== 0x51) return 1;
  if (bytes[2] !== bytes[1] + 1) return 2;
  if (bytes[3] > 9 && bytes[3] < 12) {
    if (bytes[4] === (bytes[0] >> 1)) throw new Error("planted");
  }
  return 3;
}
return decode;`;

/** A magic number of four bytes that no literal of the source tells. */
const MAGIC = `
const made = [74, 78, 71, 68].reduce((number, byte) => number * 256 + byte, 0);
function decode(bytes) {
  if (bytes.length < 8) return 0;
  const magic = bytes.readUInt32BE(2);
  if (magic === made) throw new Error("planted");
  return 1;
}
return decode;`;

function targetOf(source: string): Target {
  const wrapped = instrument(`(function () {${source}})()`, true).code;
  const at = wrapped.indexOf("(function ()");
  // The first line makes the counters; the rest is one expression.
  const decode = new Function(`${wrapped.slice(0, at)} return ${wrapped.slice(at)}`)() as (
    bytes: Buffer,
  ) => unknown;
  return {
    name: "planted",
    inputBytesMax: 32,
    seeds: () => [Buffer.alloc(12)],
    run: (input) => {
      decode(input);
    },
  };
}

async function findings(source: string, inputs: number, isGuided: boolean): Promise<Finding[]> {
  const coverage = new Coverage();
  coverage.install();
  const target = targetOf(source);
  const found: Finding[] = [];
  const fuzzer = new Fuzzer({
    target,
    seed: 1,
    coverage: isGuided ? coverage : null,
    onFinding: (finding) => found.push(finding),
  });
  await fuzzer.take(await target.seeds());
  await fuzzer.run(inputs);
  return found;
}

const INPUTS = 60_000;

describe("led by what inputs reach", () => {
  it.each([
    ["five bytes behind five branches", NESTED],
    ["a magic number", MAGIC],
  ])("%s", async (_name, source) => {
    const [finding, ...others] = await findings(source, INPUTS, true);
    expect(finding?.what).toBe("Error: planted");
    expect(others).toEqual([]);
    expect(await findings(source, INPUTS, false)).toEqual([]);
  });
});

describe("instrumented code", () => {
  it.each([
    ["if (a) b(); else if (c) d(); else { e(); }", "if"],
    ["for (const x of y) if (x) z(x); else w();", "nested"],
    ["const f = (a, b = a === 3 ? 1 : 2) => a !== b && (a ?? b);", "expressions"],
    ["switch (a) { case 1: b(); break; case 2: { c(); } default: d(); }", "switch"],
    ["const o = { get x() { return 1; }, async y() { await 0; }, *z() { yield* []; } };", "methods"],
    ["class A { #p = 1; static { this.q = 2; } m(o) { return #p in o ? o.#p : null; } }", "classes"],
    ["do a(); while (b); while (c) d(); try { e(); } catch { f(); } finally { g(); }", "loops and failures"],
    ["label: for (;;) { if (a === 1) continue label; else break label; }", "labels"],
  ])("parses as before: %s", (source) => {
    const { code, branches } = instrument(source);
    expect(branches).toBeGreaterThan(0);
    expect(() => instrument(code)).not.toThrow();
  });

  it("does what it did", () => {
    new Coverage().install();
    const source =
      "(function (a) { if (a > 2) return a === 3 ? 'three' : 'more'; else return a !== 1 && 'two' || 'one'; })";
    const code = instrument(source, true).code;
    const at = code.indexOf("(function");
    const plain = new Function(`return ${source}`)() as (a: number) => string;
    const counted = new Function(`${code.slice(0, at)} return ${code.slice(at)}`)() as (a: number) => string;
    for (const a of [1, 2, 3, 4]) expect(counted(a)).toBe(plain(a));
  });
});

describe("a process that is watched", () => {
  const built = join(repositoryRoot(), "dist", "test", "fuzz", "campaign.js");

  async function campaign(name: string, inputs: number, livesMax = 1): Promise<[CampaignResult, Finding[]]> {
    expect(existsSync(built), "npm run build comes first").toBe(true);
    const { runCampaign: run } = (await import(built)) as { runCampaign: typeof runCampaign };
    const found: Finding[] = [];
    const place = { name, module: `../planted/${name}`, covers: [] };
    const onFinding = (finding: Finding): void => void found.push(finding);
    const result = await run({
      place,
      inputs,
      seed: 1,
      corpus: [],
      hangMs: 1_500,
      livesMax,
      onFinding,
      onProgress: () => undefined,
    });
    return [result, found];
  }

  it("is ended when it does not come back, and the input is known", { timeout: 60_000 }, async () => {
    const [result, found] = await campaign("hang", 2_000);
    expect([result.findings, result.isCutShort, found.length]).toEqual([1, true, 1]);
    expect(found[0]?.what).toBe("an input did not come back within 1500 ms");
    expect(found[0]?.input.toString("latin1", 0, 4)).toBe("loop");
  });

  it("may die by a signal: the input is known, and all others were tried", { timeout: 60_000 }, async () => {
    const [result, found] = await campaign("crash", 20_000, 2);
    expect(found.map(({ what }) => what)).toEqual(["the process died of SIGKILL"]);
    expect(found[0]?.input.toString("latin1", 0, 3)).toBe("die");
    expect([result.figures.inputs, result.findings, result.isCutShort]).toEqual([20_000, 1, false]);
  });

  it("is not begun again for ever: what was tried and found until then is told", {
    timeout: 60_000,
  }, async () => {
    const [result, found] = await campaign("fatal", 50_000, 3);
    expect(found.map(({ what }) => what)).toEqual(Array(3).fill("the process died of SIGKILL"));
    expect(found.map(({ input }) => input.toString("latin1", 0, 3))).toEqual(Array(3).fill("die"));
    expect(result).toMatchObject({ findings: 3, isCutShort: true, corpus: [] });
    expect(result.figures.inputs).toBeGreaterThanOrEqual(3);
    expect(result.figures.inputs).toBeLessThan(50_000);
  });

  it("tells when a decoder takes more room than it may", { timeout: 60_000 }, async () => {
    const [result, found] = await campaign("greedy", 5_000);
    expect(result.findings).toBeGreaterThan(0);
    expect(found[0]?.what).toMatch(/bytes were taken at once for an input of \d+/);
  });
});
