/** RELIABILITY.md says what was recorded, names what there is, and has no empty row. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot } from "../../../load/lib/paths.js";
import { BAD_INPUT, PEER_INPUT, type Tried } from "../../../load/reliability/bad-input.js";
import { BUGS } from "../../../load/reliability/bugs.js";
import { BUGS_OF_TESTS } from "../../../load/reliability/bugs-of-tests.js";
import { show } from "../../../load/reliability/evidence.js";
import { FAULTS } from "../../../load/reliability/faults.js";
import { INVARIANTS } from "../../../load/reliability/invariants.js";
import { renderPage } from "../../../load/reliability/page.js";
import { type CampaignRun, recordedCampaigns, recordedRuns } from "../../../load/reliability/record.js";
import { addedRows, type Results, sumOf } from "../../../load/reliability/results.js";
import { TRIED } from "../../reliability/tables.js";
import { FAULT_KINDS } from "../../sim/fault-kind.js";

const root = repositoryRoot();
const ALL_BUGS = [...BUGS, ...BUGS_OF_TESTS];

function runOf(rows: CampaignRun["rows"], commit = "c1"): CampaignRun {
  return { command: "npm run sim", commit, date: "2026-01-01", seconds: 3_600, rows };
}

function filesIn(text: string): string[] {
  return [...text.matchAll(/\b(?:test|load|src|cluster)\/[\w./-]*\.(?:ts|txt)\b/g)].map(([file]) => file);
}

function wordsIn(file: string): string {
  return existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8") : "";
}

describe("RELIABILITY.md", () => {
  test("names files that there are", () => {
    const named = [
      ...INVARIANTS.flatMap(({ checkers }) => checkers),
      ...FAULTS.flatMap(({ evidence }) => evidence.flatMap((one) => (one.kind === "test" ? [one.file] : []))),
      ...ALL_BUGS.flatMap(({ kept }) => filesIn(kept)),
    ];
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test("asks the simulator for faults that it counts", () => {
    const asked = FAULTS.flatMap(({ evidence }) =>
      evidence.flatMap((one) => (one.kind === "simulated" ? one.faults : [])),
    );
    expect(asked.filter((fault) => !FAULT_KINDS.some((kind) => kind === fault))).toEqual([]);
  });

  test("asks campaigns for what they try", () => {
    const asked = FAULTS.flatMap(({ evidence }) =>
      evidence.flatMap((one) => (one.kind === "campaign" ? [one] : [])),
    );
    const unknown = asked.flatMap(({ campaign, rows }) =>
      (rows ?? []).filter((row) => TRIED.get(campaign)?.includes(row) !== true),
    );
    expect(unknown).toEqual([]);
  });

  test("every bug has something that is kept", () => {
    const isKept = (kept: string): boolean => filesIn(kept).length > 0 || /\bseeds? \d+/.test(kept);
    expect(ALL_BUGS.filter(({ kept, fixed }) => !isKept(kept) || fixed === "")).toEqual([]);
  });

  test("every class of bad input has tests that there are, or says why not", () => {
    const cells = [
      ...BAD_INPUT.flatMap(({ mqtt, webSocket, http }) => [mqtt, webSocket, http]),
      ...PEER_INPUT.map(({ tried }) => tried),
    ];
    expect(cells.filter(({ length }) => length === 0)).toEqual([]);
    const tests = cells.filter((cell): cell is readonly Tried[] => typeof cell !== "string").flat();
    expect(tests.filter(({ file, words }) => !wordsIn(file).includes(words))).toEqual([]);
    for (const { mqtt, webSocket, http } of BAD_INPUT) {
      const whys = [mqtt, webSocket, http].filter((cell) => typeof cell === "string");
      expect(whys.length < 3 || whys.every((why) => why.startsWith("not there"))).toBe(true);
    }
  });

  test("names no path of a machine", () => {
    expect(JSON.stringify([FAULTS, ALL_BUGS, INVARIANTS, PEER_INPUT])).not.toMatch(
      /\/(?:tmp|home|root|work)\//,
    );
  });
});

describe("evidence", () => {
  const sim = [
    runOf([{ name: "3 nodes", rounds: 5, violations: 1, figures: { "fault: pause": 7 } }], "old"),
    runOf([{ name: "3 nodes", rounds: 9, violations: 0, figures: { "fault: pause": 40 } }], "new"),
    runOf([{ name: "5 nodes", rounds: 9, violations: 0, figures: { "fault: pause": 2 } }], "new"),
  ];
  const results: Results = new Map([["sim", sim]]);

  test("of simulated faults is that of the newest commit, over all its runs", () => {
    expect(show("pause", { kind: "simulated", faults: ["pause"] }, results)).toMatchObject({
      rounds: "42",
      result: "no violation",
      commits: ["new"],
    });
    expect(sumOf(sim, ({ violations }) => violations)).toBe(1);
  });

  test("of a campaign names the commits of the newest runs of its rows", () => {
    const row = (name: string) => ({ name, rounds: 3, violations: 0, figures: {} });
    const faults: Results = new Map([
      ["faults", [runOf([row("a"), row("b")], "c1"), runOf([row("b")], "c2"), runOf([row("c")], "c3")]],
    ]);
    const commitsOf = (...rows: string[]): readonly string[] =>
      show("f", { kind: "campaign", campaign: "faults", rows }, faults).commits;
    expect([commitsOf("a"), commitsOf("b"), commitsOf("a", "b")]).toEqual([["c1"], ["c2"], ["c1", "c2"]]);
  });

  test("of a test is that it is asserted, on whichever commit", () => {
    expect(show("f", { kind: "test", file: "test/a.test.ts" }, new Map())).toMatchObject({
      ...{ rounds: "every `npm test`", result: "asserted", commits: [] },
    });
  });

  test("that is missing is an error, whether of a kind, a campaign or a row", () => {
    const faults: Results = new Map([
      ["faults", [runOf([{ name: "rolling", rounds: 3, violations: 0, figures: {} }])]],
    ]);
    const campaign = { kind: "campaign", campaign: "faults" } as const;
    expect(() => show("f", { kind: "simulated", faults: ["flood"] }, results)).toThrow("flood");
    expect(() => show("f", { ...campaign, rows: null }, results)).toThrow("faults");
    expect(() => show("f", { ...campaign, rows: ["rolling", "wiped"] }, faults)).toThrow("wiped");
    expect(show("f", { ...campaign, rows: ["rolling"] }, faults).rounds).toBe("3");
  });
});

test.each<[string, readonly [rounds: number, found: number, seed: number][], number, number]>([
  ["one run", [[100, 0, 1]], 100, 0],
  [
    "a campaign in parts",
    [
      [100, 0, 1],
      [50, 0, 2],
      [7, 0, 3],
    ],
    157,
    0,
  ],
  [
    "the same random stream counts once, as far as it went the last time",
    [
      [100, 0, 1],
      [50, 0, 2],
      [70, 0, 1],
    ],
    120,
    0,
  ],
  [
    "nothing from before a finding counts",
    [
      [100, 0, 1],
      [50, 1, 2],
      [7, 0, 3],
      [8, 0, 4],
    ],
    15,
    0,
  ],
  [
    "what was tried before a finding counts when it is tried again",
    [
      [100, 0, 1],
      [50, 1, 2],
      [90, 0, 1],
    ],
    90,
    0,
  ],
  [
    "a finding stands alone",
    [
      [100, 0, 1],
      [50, 2, 1],
    ],
    50,
    2,
  ],
])("%s: rounds that are added up", (_what, parts, rounds, violations) => {
  const runs = parts.map(([more, found, seed], nth) => ({
    ...runOf([{ name: "a decoder", rounds: more, violations: found, figures: { nth } }], `c${nth}`),
    command: `npm run fuzz -- --target a-decoder --inputs ${more} --seed ${seed}`,
  }));
  const [row, ...others] = addedRows(new Map([["fuzz", runs]]), "fuzz");
  expect(row).toEqual({
    ...{ name: "a decoder", rounds, violations },
    ...{ figures: { nth: parts.length - 1 }, commit: `c${parts.length - 1}` },
    commands: expect.any(Array),
  });
  expect(
    sumOf(
      runs.filter(({ command }) => row?.commands.includes(command)),
      (one) => one.rounds,
    ),
  ).toBe(rounds);
  expect(others).toEqual([]);
});

describe("the page", () => {
  const rows = (names: readonly string[], figures: CampaignRun["rows"][number]["figures"]) =>
    names.map((name) => ({ name, rounds: 3, violations: 0, figures }));
  const kinds = Object.fromEntries(FAULT_KINDS.map((kind) => [`fault: ${kind}`, 2]));
  const everything = (): Map<string, readonly CampaignRun[]> => {
    const asked = FAULTS.flatMap(({ evidence }) => evidence).filter((one) => one.kind === "campaign");
    const campaigns = asked.map(({ campaign, rows: names }): [string, readonly string[]] => [
      campaign,
      names ?? ["all"],
    ]);
    const runs = new Map<string, readonly CampaignRun[]>();
    for (const [campaign, names] of campaigns) {
      runs.set(campaign, [...(runs.get(campaign) ?? []), runOf(rows(names, {}))]);
    }
    return runs.set("sim", [runOf(rows(["3 nodes"], kinds))]);
  };

  test("has a row of its own for every fault, every class of bad input and every bug", () => {
    const page = renderPage(everything(), TRIED);
    for (const { fault } of FAULTS) expect(page).toContain(`| ${fault} |`);
    for (const { input } of [...BAD_INPUT, ...PEER_INPUT]) expect(page).toContain(`| ${input} |`);
    for (const { what } of ALL_BUGS) expect(page).toContain(`| ${what.replaceAll("|", "\\|")} |`);
    expect(page).not.toMatch(/undefined|NaN/);
  });

  test("tells nothing of what is not tried any more", () => {
    const gone = runOf([{ name: "gone", rounds: 3, violations: 1, figures: { "a figure of its own": 1 } }]);
    const results = everything();
    for (const campaign of TRIED.keys()) results.set(campaign, [...(results.get(campaign) ?? []), gone]);
    const page = renderPage(results, TRIED);
    expect(page).not.toMatch(/\| gone \||NOT SEEN|a figure of its own/);
  });

  test("has a row for everything that is tried, with a result or not", () => {
    const page = renderPage(everything(), TRIED);
    for (const name of [...TRIED.values()].flat()) expect(page).toContain(`\n| ${name} |`);
    const fuzzed = runOf([{ name: "raft-log", rounds: 3_000, violations: 0, figures: { corpus: 9 } }]);
    const other = renderPage(everything().set("fuzz", [fuzzed]), TRIED);
    expect(other).toContain("\n| raft-log | 3,000 | 0 | 9 | c1 |\n");
    expect(other).toContain("\n| state-store | not run yet | - | - | - |\n");
    expect(other).toMatch(/\n\| no snapshot is taken after a change of membership \|.* not run yet \|/);
  });

  test("gives the commands of all that it shows, and of nothing else", () => {
    const row = (name: string) => ({ name, rounds: 3, violations: 0, figures: {} });
    const ran = (command: string, ...names: string[]): CampaignRun => ({
      ...runOf(names.map(row)),
      command,
    });
    const results = everything()
      .set("fuzz", [ran("old", "raft-log"), ran("a --seed 1", "commands"), ran("a --seed 2", "commands")])
      .set("mutants", [ran("replaced", "one vote too few elects"), ran("m", "one vote too few elects")])
      .set("soak", [ran("soak 1", "mixed"), ran("soak 2", "mixed")]);
    const page = renderPage(results, TRIED);
    for (const commands of ["`old`, `a --seed 1`, `a --seed 2`", "`m`", "`soak 2`"]) {
      expect(page).toContain(`\nCommands: ${commands}.\n`);
    }
    expect(page).not.toMatch(/`(?:replaced|soak 1)`/);
  });

  test("is what was recorded, word for word; as long as it is not there, it cannot be made", () => {
    const results = new Map(recordedCampaigns().map((campaign) => [campaign, recordedRuns(campaign)]));
    if (existsSync(join(root, "RELIABILITY.md"))) {
      expect(wordsIn("RELIABILITY.md")).toBe(renderPage(results, TRIED));
    } else expect(() => renderPage(results, TRIED)).toThrow("--record");
  });

  test("is not made while a campaign is missing", () => {
    for (const campaign of everything().keys()) {
      const results = everything();
      results.delete(campaign);
      expect(() => renderPage(results, TRIED), campaign).toThrow("--record");
    }
  });
});
