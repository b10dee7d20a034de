/** The house rules, held on the real sources. Each rule is shown able to fail in tidy/rules.test.ts. */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../src/errors.js";
import { DETERMINISTIC, type Exemption, outsideWorld } from "./tidy/determinism-rules.js";
import { documentedCodes, thrownCodes, wordsOfUnion } from "./tidy/error-docs.js";
import { danglingImports, deadFiles, forbiddenImports, importersOf } from "./tidy/import-rules.js";
import { IMPORT_TABLE } from "./tidy/import-table.js";
import { readSources, readText, type SourceFile } from "./tidy/source.js";
import {
  defaultExports,
  forbiddenWords,
  longFile,
  longFunctions,
  missingIdea,
  nonNullAssertions,
  switchedTests,
  uncheckedTypes,
} from "./tidy/style-rules.js";

const product = readSources("src", "cluster", "clients", "load");
const tests = readSources("test");
const everything = [...product, ...tests];
const core = product.filter(({ path }) => path.startsWith("src/") || path.startsWith("cluster/"));

const under =
  (...directories: readonly string[]) =>
  ({ path }: SourceFile): boolean =>
    directories.some((directory) => path.startsWith(directory));

/** Where the outside world begins: the disk, the network and the directory are the far side of a port here. */
const EXEMPT: readonly Exemption[] = [
  {
    path: "cluster/log/directory-lock.ts",
    reason: "holds a directory between processes, before anything runs",
  },
  { path: "cluster/log/node-disk.ts", reason: "the real disk behind the Disk port" },
  {
    path: "cluster/transport/handshake.ts",
    reason: "proves who is who: hashes, and random numbers that nobody can foresee",
  },
  { path: "cluster/transport/peer-sockets.ts", reason: "the real network behind the Transport port" },
  { path: "src/replica/data-directory.ts", reason: "makes and locks the directory, before anything runs" },
  { path: "src/replica/disk-watch.ts", reason: "asks how much room the disk has" },
];

/** Files that no program reaches yet, with the reason; each must still be unreached. */
const AHEAD: readonly Exemption[] = [];

/** Memory twins, which only tests use and contract suites hold to the real ones. */
const TWINS = /\/memory-[a-z-]+\.ts$/;

it("there is something to judge", () => {
  expect(core.length).toBeGreaterThan(20);
  expect(tests.map(({ path }) => path)).toContain("test/tidy.test.ts");
});

describe("imports", () => {
  it("follow the table", () => {
    expect(forbiddenImports(product, IMPORT_TABLE)).toEqual([]);
  });

  it("lead somewhere", () => {
    expect(danglingImports(everything)).toEqual([]);
  });

  it("of the consensus engine are in one file", () => {
    expect(importersOf(everything, "@coaty/consensus.raft")).toEqual(["cluster/raft-core.ts"]);
  });

  it("of lmdb are in one file", () => {
    expect(importersOf(product, "lmdb")).toEqual(["src/store/lmdb-state-store.ts"]);
  });

  it("of test files are in tests alone", () => {
    const fromTests = product.filter(({ imports }) =>
      imports.some(({ target }) => target.startsWith("test/")),
    );
    expect(fromTests.map(({ path }) => path)).toEqual([]);
  });

  const corePaths = core.map(({ path }) => path);
  const ahead = AHEAD.map(({ path }) => path);

  it("reach every file from the program or the load programs", () => {
    const entries = product.map(({ path }) => path).filter((path) => /^(load|clients)\//.test(path));
    const judged = corePaths.filter((path) => !TWINS.test(path));
    expect(deadFiles(everything, ["src/cli/jangada.ts", ...entries], judged)).toEqual(ahead);
  });

  it("reach every memory twin, and what is ahead of its program, from tests", () => {
    const entries = tests.map(({ path }) => path);
    const judged = [...corePaths.filter((path) => TWINS.test(path)), ...ahead];
    expect(deadFiles(everything, entries, judged)).toEqual([]);
  });
});

describe("sizes", () => {
  it("of files stop at 400 lines", () => {
    expect(everything.flatMap(longFile)).toEqual([]);
  });

  it("of functions stop at 70 lines", () => {
    // A test file's describe() holds many tests; what it calls is product, or small by the limit on files.
    expect(product.flatMap(longFunctions)).toEqual([]);
  });
});

describe("style", () => {
  it("has no default export", () => {
    expect(everything.flatMap(defaultExports)).toEqual([]);
  });

  it("has no unchecked type", () => {
    expect(everything.flatMap(uncheckedTypes)).toEqual([]);
  });

  it("has no non-null assertion outside tests", () => {
    expect(product.flatMap(nonNullAssertions)).toEqual([]);
  });

  it("has no test switched off", () => {
    expect(tests.flatMap(switchedTests)).toEqual([]);
  });

  it("has no promise of later and no order to look away", () => {
    expect(everything.flatMap(forbiddenWords)).toEqual([]);
  });

  it("opens every file of the product with its idea", () => {
    expect(product.flatMap(missingIdea)).toEqual([]);
  });
});

describe("determinism", () => {
  it("reaches the outside world through ports alone", () => {
    const exempt = new Set(EXEMPT.map(({ path }) => path));
    const judged = product.filter(under(...DETERMINISTIC)).filter(({ path }) => !exempt.has(path));
    expect(judged.flatMap(outsideWorld)).toEqual([]);
  });

  it("exempts no file that needs it no more", () => {
    const needed = product.filter((file) => outsideWorld(file).length > 0).map(({ path }) => path);
    expect(needed).toEqual(expect.arrayContaining(EXEMPT.map(({ path }) => path)));
  });
});

describe("docs/errors.md", () => {
  const find = (path: string): SourceFile => {
    const file = core.find((candidate) => candidate.path === path);
    if (file === undefined) throw new Error(`there is no ${path}`);
    return file;
  };

  it("lists every code once, and no other", () => {
    const codes = new Set([
      ...Object.keys(ERROR_CODES),
      ...wordsOfUnion(find("cluster/errors.ts"), "ClusterErrorCode"),
      ...wordsOfUnion(find("src/edges/mqtt/refusal.ts"), "RefusalCode"),
      ...thrownCodes(core),
    ]);
    expect(codes.size).toBeGreaterThan(Object.keys(ERROR_CODES).length);
    const sections = readText("docs/errors.md").split(/^## /m);
    for (const section of sections) {
      const documented = documentedCodes(section);
      expect(documented, "once in a section").toEqual([...new Set(documented)]);
    }
    expect([...new Set(sections.flatMap(documentedCodes))].sort()).toEqual([...codes].sort());
  });
});

describe("the engine's other half", () => {
  const modules = fileURLToPath(new URL("../node_modules", import.meta.url));

  it.each([
    ["sqlite3", "stubs/sqlite3"],
    ["@coaty/core", "stubs/coaty-core"],
  ])("%s is the stand-in of this repository, wherever it is installed", (name, stub) => {
    const installed = [join(modules, name), join(modules, "@coaty/consensus.raft/node_modules", name)].filter(
      existsSync,
    );
    expect(installed.length).toBeGreaterThan(0);
    for (const directory of installed) {
      const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
      expect(manifest).toMatchObject({ name, description: expect.stringMatching(/^A stand-in: /) });
      expect(manifest).not.toHaveProperty("dependencies");
      expect(manifest).not.toHaveProperty("scripts");
      expect(realpathSync(directory).endsWith(stub)).toBe(true);
      const native = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) =>
        /\.(node|gyp|so|cc)$/.test(file),
      );
      expect(native).toEqual([]);
    }
  });

  it("is not in the lock file from a registry", () => {
    const lock: unknown = JSON.parse(readText("package-lock.json"));
    const packages = (lock as { packages: Record<string, { resolved?: string }> }).packages;
    const real = Object.entries(packages).filter(
      ([path, { resolved }]) => /(^|\/)(sqlite3|@coaty\/core)$/.test(path) && resolved?.startsWith("http"),
    );
    expect(real.map(([path]) => path)).toEqual([]);
  });
});
