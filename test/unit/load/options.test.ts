/** What was typed to a load program can be recorded so that it gives the same again. */
import { describe, expect, it } from "vitest";
import { Options } from "../../../load/lib/options.js";

const given = (...args: string[]): Options => new Options(["only", "hold-ms", "json"], ["skip"], args);
const NAMES = ["hold-ms", "only", "skip"];

describe("chosen options", () => {
  it.each([
    [[], "", ""],
    [["--json", "a.json"], "", ""],
    [["--hold-ms", "700"], ' -- --hold-ms "700"', ' --hold-ms "700"'],
    [
      ["--only", "state (lmdb)", "--skip", "--hold-ms=0"],
      ' -- --hold-ms "0" --only "state (lmdb)" --skip',
      ' --hold-ms "0" --only "state (lmdb)" --skip',
    ],
  ])("%j", (args, alone, behindOthers) => {
    expect(given(...args).chosen(NAMES)).toBe(alone);
    expect(given(...args).chosenToo(NAMES)).toBe(behindOthers);
  });
});
