/** Each tidy rule on a small bad example (it can fail) and on a good one (it does not always). */
import { describe, expect, it, test } from "vitest";
import { outsideWorld } from "./determinism-rules.js";
import { documentedCodes, thrownCodes, wordsOfUnion } from "./error-docs.js";
import { danglingImports, deadFiles, forbiddenImports, importersOf } from "./import-rules.js";
import type { Row } from "./import-table.js";
import { parseSource, type SourceFile } from "./source.js";
import {
  defaultExports,
  forbiddenWords,
  longFile,
  longFunctions,
  missingIdea,
  nonNullAssertions,
  switchedTests,
  uncheckedTypes,
} from "./style-rules.js";

const source = (text: string, path = "src/a.ts"): SourceFile => parseSource(path, text);
const lines = (count: number): string => "  f();\n".repeat(count);

describe("the scanner", () => {
  test.each([
    ['import { a } from "./b.js";', "src/b.ts"],
    ['import type { a } from "../cluster/b.js";', "cluster/b.ts"],
    ['import "./b.js";', "src/b.ts"],
    ['export { a } from "./b.js";', "src/b.ts"],
    ['export * from "./b.js";', "src/b.ts"],
    ['const b = await import("./b.js");', "src/b.ts"],
    ['type B = import("./b.js").B;', "src/b.ts"],
    ['new Worker(new URL("./b.js", import.meta.url));', "src/b.ts"],
    ['import fs from "node:fs";', "node:fs"],
    ['import fs from "fs";', "node:fs"],
    ['import { z } from "zod";', "npm:zod"],
    ['import raft from "@coaty/consensus.raft/ported/raft.js";', "npm:@coaty/consensus.raft"],
  ])("%s imports %s", (text, target) => {
    expect(source(text).imports).toEqual([{ target, line: 1 }]);
  });

  it("sees no imports in strings, comments and other URLs", () => {
    const text =
      '// import "./b.js";\nconst a = \'import "./c.js"\';\nnew URL("./d.js", base);\nnew URL("..", import.meta.url);';
    expect(source(text).imports).toEqual([]);
  });
});

describe("imports", () => {
  const table: Row[] = [
    { files: "src/", may: ["node:"] },
    { files: "src/pure/", may: ["src/errors.ts"] },
    { files: "src/pure/door.ts", may: ["npm:lmdb"] },
  ];

  test.each([
    ["src/x.ts", 'import "node:fs";', true],
    ["src/x.ts", 'import "./y.js";', true],
    ["src/x.ts", 'import "zod";', false],
    ["src/x.ts", 'import "../cluster/y.js";', false],
    ["src/pure/a.ts", 'import "../errors.js";', true],
    ["src/pure/a.ts", 'import "./b.js";', true],
    ["src/pure/a.ts", 'import "node:fs";', false],
    ["src/pure/a.ts", 'import "../x.js";', false],
    ["src/pure/door.ts", 'import "lmdb";', true],
    ["src/pure/door.ts", 'import "./b.js";', false],
    ["other/a.ts", "", false],
  ])("%s with %s is allowed: %s", (path, text, allowed) => {
    expect(forbiddenImports([source(text, path)], table)).toHaveLength(allowed ? 0 : 1);
  });

  it("names everybody who imports a package", () => {
    const files = [
      source('import "lmdb";', "a.ts"),
      source('import "zod";', "b.ts"),
      source('import "lmdb/x";', "c.ts"),
    ];
    expect(importersOf(files, "lmdb")).toEqual(["a.ts", "c.ts"]);
  });

  it("finds files that nobody reaches, also when they import each other", () => {
    const files = [
      source('import "./used.js";', "src/main.ts"),
      source("", "src/used.ts"),
      source('import "./island.js";', "src/island-too.ts"),
      source('import "./island-too.js";', "src/island.ts"),
    ];
    expect(
      deadFiles(
        files,
        ["src/main.ts"],
        files.map(({ path }) => path),
      ),
    ).toEqual(["src/island-too.ts", "src/island.ts"]);
    expect(danglingImports(files)).toEqual([]);
  });

  it("finds imports of what is not there", () => {
    expect(danglingImports([source('import "./gone.js";')])).toEqual(["src/a.ts:1: there is no src/gone.ts"]);
  });
});

describe("sizes", () => {
  it("stops files at 400 lines", () => {
    expect(longFile(source("f();\n".repeat(400)))).toEqual([]);
    expect(longFile(source("f();\n".repeat(401)))).toEqual(["src/a.ts: 401 lines, 400 is the limit"]);
  });

  test.each([
    ["a function", "function a(): void {\n", "}"],
    ["an arrow", "const a = (): void => {\n", "};"],
    ["a method", "class A {\n  #a(): void {\n", "  }\n}"],
    ["a getter", "class A {\n  get a(): void {\n", "  }\n}"],
    ["a constructor", "class A {\n  constructor() {\n", "  }\n}"],
    ["a generator", "export async function* a(): AsyncGenerator<Array<{ a: 1 }>> {\n", "}"],
    ["a callback", "run(() => {\n", "});"],
  ])("stops %s at 70", (_what, head, tail) => {
    expect(longFunctions(source(head + lines(68) + tail))).toEqual([]);
    expect(longFunctions(source(head + lines(69) + tail))).toEqual([
      expect.stringMatching(/^src\/a\.ts:\d+: a function of 71 lines, 70 is the limit$/),
    ]);
  });

  it("counts classes and tables as no function", () => {
    expect(longFunctions(source(`class A {\n${"  a = 1;\n".repeat(99)}}`))).toEqual([]);
    expect(longFunctions(source(`const a = {\n${'  "}": 1,\n'.repeat(99)}};`))).toEqual([]);
  });
});

describe("style", () => {
  test.each([
    [defaultExports, "export default 1;", "export const a = 1;"],
    [defaultExports, "export default function a() {}", "import a from 'a';"],
    [uncheckedTypes, "const a: any = 1;", "const any = 1; // any"],
    [uncheckedTypes, "type A = Array<any>;", "type A = Array<unknown>;"],
    [uncheckedTypes, "a as unknown as string;", "a as unknown;"],
    [nonNullAssertions, "a!.b;", "a !== b;"],
    [switchedTests, 'describe.only("a", f);', 'describe("only", f);'],
    [switchedTests, 'it.skip("a", f);', 'page.skip("a");'],
    [switchedTests, 'test.each([1]).skip("a", f);', 'test.each([1])("a", f);'],
    [forbiddenWords, `// ${"TO"}${"DO"}: later`, "// todos os santos"],
    [forbiddenWords, `// ${"biome-"}${"ignore"} lint: no`, "// biome"],
    [forbiddenWords, `// ${"@ts-"}${"ignore"}`, "// ts"],
    [missingIdea, 'import "a";', "/** The idea. */"],
    [missingIdea, '#!/usr/bin/env node\nimport "a";', "#!/usr/bin/env node\n/** The idea. */"],
  ])("%o", (rule, bad, good) => {
    expect(rule(source(bad)), bad).toHaveLength(1);
    expect(rule(source(good)), good).toEqual([]);
  });
});

describe("determinism", () => {
  test.each([
    "Date.now();",
    "new Date();",
    "Math.random();",
    "performance.now();",
    "setTimeout(f, 1);",
    "const later = setImmediate;",
    "globalThis.setInterval(f, 1);",
    "const now = { Date };",
    "process.hrtime.bigint();",
    "process.nextTick(f);",
    'import fs from "node:fs";',
    'import { open } from "fs/promises";',
    'import { randomBytes } from "node:crypto";',
    'await import("node:net");',
    'import { setTimeout as sleep } from "node:timers/promises";',
  ])("forbids %s", (text) => {
    expect(outsideWorld(source(text)).length).toBeGreaterThan(0);
  });

  test.each([
    "clock.nowMs();",
    "queueMicrotask(f);",
    "await Promise.resolve();",
    "Math.max(1, 2);",
    "const a = { Date: 1 }; a.Date;",
    "class A { fetch() {} }",
    "interface A { performance: number }",
    'import { join } from "node:path";',
    "// Date.now()",
    'const a = "Math.random()";',
  ])("allows %s", (text) => {
    expect(outsideWorld(source(text))).toEqual([]);
  });
});

describe("error codes", () => {
  it("are read from the page, the unions and the throws", () => {
    const page = "# x\n| code | meaning |\n| --- | --- |\n| `a_b` | it is `c_d` |\n| other | `e` |\n";
    expect(documentedCodes(page)).toEqual(["a_b"]);
    const text =
      'type Code = "a" | "b"; type Other = "c"; new FatalError("d", "x"); new ClusterError(x ? "e" : "f", "y"); new Error("g");';
    expect(wordsOfUnion(source(text), "Code")).toEqual(["a", "b"]);
    expect(thrownCodes([source(text)])).toEqual(["d", "e", "f"]);
  });
});
